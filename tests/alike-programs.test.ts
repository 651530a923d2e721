/** Programs that differ in cells alone are lowered together: to what each is lowered to by itself. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { isFault } from '../ir/diagnostics/diagnostic.ts';
import type { ModuleAt, Program } from '../ir/module.ts';
import type { Plan } from '../ir/plan.ts';
import { sharingOf } from '../ir/sharers.ts';
import { opsOfSweep, sweptSums } from '../ir/sweeps.ts';
import { array } from '../ir/type.ts';
import { bucketsOfStages } from '../passes/lower/buckets.ts';
import { gradient } from '../passes/lower/gradient.ts';
import { cuttingOf, instruct } from '../passes/lower/instruct.ts';
import { shard } from '../passes/lower/shard.ts';
import { splitsOf } from '../passes/lower/splits.ts';
import { splitProgram } from '../passes/lower/tasks.ts';
import { soundPlans } from './support/mutations/plans.ts';

function differentiated({ model, schedule }: Plan): ModuleAt<'differentiated'> {
  const sharded = shard.run({ stage: 'scheduled', model, schedule });
  const module = isFault(sharded) ? sharded : gradient.run(sharded);
  if (isFault(module)) throw new Error(module.code);
  return module;
}

/** Like no other: it has an input of its own, which nothing reads. */
const setApart = (program: Program): Program => {
  const { graph, name } = program;
  const inputs = [...graph.inputs, { name: `own of ${name}`, type: array([1]) }];
  return { ...program, graph: { ...graph, inputs } };
};

let [tasksShared, instructionsShared] = [0, 0];

for (const [name, make] of Object.entries(soundPlans)) {
  test(`${name}: tasks`, () => {
    const plan = make();
    const { model, schedule, samples } = plan;
    const module = differentiated(plan);
    const swept = opsOfSweep(model, [...sweptSums(model, sharingOf(schedule), samples).keys()]);
    const cutting = cuttingOf(module, bucketsOfStages(model, schedule), swept);
    const splits = [...splitsOf(module.programs, cutting)];
    assert.is(splits.length, module.programs.length);
    for (const [program, { ahead, works, types, readers }] of splits) {
      const own = splitProgram(program, cutting);
      assert.equal({ ahead, works, readers }, { ahead: own.ahead, works: own.works, readers: own.readers });
      assert.equal([...types], [...own.types]);
    }
    tasksShared += splits.length - new Set(splits.map(([, { readers }]) => readers)).size;
  });

  test(`${name}: roles`, () => {
    const module = differentiated(make());
    const together = instruct.run(module);
    const apart = instruct.run({ ...module, programs: module.programs.map(setApart) });
    if (isFault(together) || isFault(apart)) throw new Error('no plan');
    const { roles, segments } = together.plan;
    assert.is(JSON.stringify(roles, null, 1), JSON.stringify(apart.plan.roles, null, 1));
    assert.is(JSON.stringify(segments, null, 1), JSON.stringify(apart.plan.segments, null, 1));
    const all = roles.flatMap(({ instructions }) => instructions);
    instructionsShared += all.length - new Set(all).size;
  });
}

test('programs and roles have tasks and instructions of others', () => {
  assert.ok(tasksShared > 0);
  assert.ok(instructionsShared > 0);
});

test.run();
