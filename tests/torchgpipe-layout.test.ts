/**
 * Two replicas of a pipeline of three stages on six devices (`examples/torchgpipe-2x3.schedule`) against one
 * device: the same training, in float64 in this process and in fp32 on device processes.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { initialStates, runPlanStep } from '../backends/reference/run-plan.ts';
import { compileModel } from '../compiler/front/lower-model.ts';
import { at } from '../ir/box.ts';
import type { Model } from '../ir/model.ts';
import type { Plan } from '../ir/plan.ts';
import type { Pins } from '../ir/schedule.ts';
import { readText } from '../ir/text/cursor.ts';
import { readSchedule } from '../ir/text/schedule.ts';
import { onDevices, stepOn, valueIn } from './support/devices.ts';
import { drawFeeds, drawnWeights, planOf } from './support/exactness.ts';

const examples = join(import.meta.dirname, '../examples');

function network(side: string, batch: number): Model {
  const sets = { base: '4', num_convs: '2', depth: '2', side };
  const text = readFileSync(join(examples, 'torchgpipe.unet'), 'utf8');
  const model = valueIn(compileModel(text, 'torchgpipe.unet', { purpose: 'train', sets }));
  if (model.training === undefined) throw new Error('torchgpipe does not train');
  return { ...model, training: { ...model.training, batch } };
}

function layout(): Pins {
  const text = readFileSync(join(examples, 'torchgpipe-2x3.schedule'), 'utf8');
  const { name: _, ...pins } = valueIn(readText(text, 'torchgpipe-2x3.schedule', readSchedule));
  return pins;
}

const apart = (a: readonly number[], b: readonly number[]): number =>
  Math.max(...a.map((loss, i) => Math.abs(loss - at(b, i))));

/** Another batch in every step. */
function exactCurve(plan: Plan, steps: number): number[] {
  let states = initialStates(plan);
  return Array.from({ length: steps }, (_, step) => {
    const result = runPlanStep(plan, { ...drawFeeds(plan.model, step), step }, states);
    states = result.states;
    return result.loss;
  });
}

/** The same batch in every step. */
const curveOnDevices = (plan: Plan, steps: number): Promise<number[]> =>
  onDevices(plan, drawFeeds(plan.model, 1), drawnWeights(plan.model), async (devices) => {
    const losses: number[] = [];
    for (let step = 0; step < steps; step++) losses.push((await stepOn(plan, devices, step)).loss);
    return losses;
  });

test('six devices: two replicas of three stages, each sending to the next', () => {
  const plan = planOf(network('16', 8), layout());
  assert.equal(
    plan.roles.map(({ stage }) => stage),
    [0, 1, 2],
  );
  assert.is(plan.schedule.devices, 6);
  const sends = plan.roles.flatMap(({ stage, instructions }) =>
    instructions.flatMap((one) => (one.do === 'send' ? [`${stage}>${one.stage}`] : [])),
  );
  // The skip of the finest level goes straight to the stage that needs it.
  assert.equal([...new Set(sends)].filter((way) => way[0] === '0').sort(), ['0>1', '0>2']);
});

test('in float64 the loss curve is that of one device', () => {
  const model = network('16', 8);
  const alone = exactCurve(planOf(model, { devices: 1 }), 30);
  const six = exactCurve(planOf(model, layout()), 30);
  assert.ok(apart(alone, six) <= 1e-9, `${apart(alone, six)} apart`);
});

test('in fp32 on six device processes the loss curve is that of one device', async () => {
  const model = network('16', 8);
  const alone = await curveOnDevices(planOf(model, { devices: 1 }), 30);
  const six = await curveOnDevices(planOf(model, layout()), 30);
  assert.ok(apart(alone, six) <= 1e-4, `${apart(alone, six)} apart`);
  assert.ok(at(six, 29) < 0.8 * at(six, 0), `${six}`);
});

test.run();
