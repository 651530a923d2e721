/** The programmes against all cuts of small graphs, and real networks through the whole compiler. */
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { compileModel } from '../../compiler/front/lower-model.ts';
import { runPasses } from '../../compiler/pass-manager.ts';
import { planPipeline } from '../../compiler/pipelines.ts';
import { at } from '../../ir/box.ts';
import type { Model } from '../../ir/model.ts';
import { plainDecisions, type Schedule } from '../../ir/schedule.ts';
import { tiledExtents } from '../../ir/tiling.ts';
import { verifySchedule } from '../../ir/verify/schedule.ts';
import { exampleSets } from '../../tests/support/exports.ts';
import { networkOf, recipes } from '../../tests/support/networks.ts';
import { evaluateOrder, pipelineBound } from './pipeline.ts';
import { type Profile, profileOf } from './profile.ts';
import {
  type Cut,
  peaksOf,
  type Space,
  stageBytes,
  stageSpace,
  straightStages,
  weigh,
} from './stage-space.ts';
import { bestStages, fewestStages, type StageQuestion } from './stages.ts';

/** A question about a profile with drawn integers for all amounts. */
function drawn(profile: Profile, draw: (most: number) => number): StageQuestion {
  const amounts = (most: number) => profile.ops.map(() => draw(most));
  return {
    profile,
    forward: amounts(9),
    backward: amounts(19),
    kept: amounts(5),
    state: amounts(3),
    valueBytes: new Map([...profile.values.keys()].map((name) => [name, 1])),
    stages: 2,
    microBatches: 4,
    order: '1f1b',
    memory: 1e12,
    workspace: 7,
    messageSeconds: () => 0,
    overlaps: true,
  };
}

const small = recipes()
  .map((recipe) => networkOf(recipe))
  .filter(
    (model) => model !== undefined && model.ops.length <= 22 && model.loss !== undefined,
  ) as fc.Arbitrary<Model>;

const questions = fc
  .tuple(small, fc.infiniteStream(fc.nat({ max: 1 << 20 })), fc.integer({ min: 1, max: 6 }), fc.boolean())
  .map(([model, numbers, microBatches, isDeep]) => {
    const draw = (most: number) => Number(numbers.next().value) % (most + 1);
    const order = draw(2) === 0 ? 'gpipe' : '1f1b';
    return { ...drawn(profileOf(model), draw), microBatches, order, stages: isDeep ? 3 : 2 } as StageQuestion;
  });

/** All ways of choosing `count` of the positions, ascending. */
function* choices(positions: readonly number[], count: number): Generator<number[]> {
  if (count === 0) yield [];
  else
    for (const [index, first] of positions.entries())
      for (const rest of choices(positions.slice(index + 1), count - 1)) yield [first, ...rest];
}

/** Values that cross into, or out of, the ops [e, d), counted one by one. */
function crossings({ flows }: Space, e: number, d: number): { ins: number; outs: number } {
  const isIn = (op: number) => op >= e && op < d;
  const ins = flows.filter(({ made, reads }) => made < e && reads.some(isIn)).length;
  const outs = flows.filter(({ made, reads }) => isIn(made) && reads.some((read) => read >= d)).length;
  return { ins, outs };
}

type Part = { readonly stage: number; readonly from: number; readonly to: number };

/** All folds: of each stage one part of the encoder and one of the decoder, which may be empty. */
function* folds(space: Space, stages: number, e = 0, d = space.ops, stage = 0): Generator<Part[]> {
  if (stage === stages - 1) {
    yield [{ stage, from: e, to: d }];
    return;
  }
  const places = [0, ...space.positions, space.ops].filter((place) => place >= e && place <= d);
  for (const e2 of places)
    for (const d2 of places.filter((place) => place > e2)) {
      const { ins, outs } = crossings(space, e2, d2);
      if ((ins > 1 || outs > 1) && (e2 > e || d2 < d)) continue;
      const own = [
        { stage, from: e, to: e2 },
        { stage, from: d2, to: d },
      ];
      for (const inner of folds(space, stages, e2, d2, stage + 1)) yield [at(own, 0), ...inner, at(own, 1)];
    }
}

function* allCuts(space: Space, stages: number): Generator<Cut> {
  for (const rest of choices(space.positions, stages - 1))
    yield { starts: [0, ...rest], stages: straightStages(stages) };
  for (const parts of folds(space, stages)) {
    const chunks = parts.filter(({ from, to }) => from < to);
    yield { starts: chunks.map(({ from }) => from), stages: chunks.map(({ stage }) => stage) };
  }
}

/** Head, work and tail of the most expensive stage; all work before the encoder's part is its head. */
function costOf({ forward, backward }: StageQuestion, { starts, stages }: Cut, microBatches: number): number {
  const sum = (from: number, to: number) =>
    [...forward.slice(from, to), ...backward.slice(from, to)].reduce((a, b) => a + b, 0);
  const end = (chunk: number) => starts[chunk + 1] ?? forward.length;
  const costs = [...new Set(stages)].map((stage) => {
    const own = stages.flatMap((one, chunk) => (one === stage ? [chunk] : []));
    const outer = stages.flatMap((one, chunk) =>
      one < stage && chunk < stages.indexOf(Math.max(...stages)) ? [chunk] : [],
    );
    const head = outer.reduce((all, chunk) => all + sum(at(starts, chunk), end(chunk)), 0);
    return head + microBatches * own.reduce((all, chunk) => all + sum(at(starts, chunk), end(chunk)), 0);
  });
  return Math.max(sum(0, forward.length), ...costs);
}

test('the bound is the least of all cuts, and no answer beats the best of all cuts', () => {
  fc.assert(
    fc.property(questions, (question) => {
      const space = stageSpace(question);
      const { stages, order, microBatches } = question;
      let [bound, best] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
      for (const cut of allCuts(space, stages)) {
        const cost = costOf(question, cut, microBatches);
        bound = Math.min(bound, cost);
        if (cost >= best || new Set(cut.stages).size < stages) continue;
        const loads = weigh(space, question, cut);
        assert.ok(cost <= pipelineBound(loads, microBatches));
        best = Math.min(best, evaluateOrder(order, loads, microBatches, true).seconds);
      }
      const answer = bestStages(question);
      if (answer === undefined) return;
      assert.ok(Math.abs(answer.bound - bound) <= 1e-6 * bound, `${answer.bound} instead of ${bound}`);
      assert.ok(answer.stepSeconds >= best, `${answer.stepSeconds} beats ${best}`);
    }),
    { numRuns: 25, includeErrorInReport: true },
  );
});

test('a cut is found wherever a straight one fits the memory, and it does fit', () => {
  fc.assert(
    fc.property(questions, fc.integer({ min: 10, max: 200 }), (asked, memory) => {
      const question = { ...asked, memory, valueBytes: new Map<string, number>() };
      const space = stageSpace(question);
      const { stages, order, microBatches } = question;
      const fits = [...choices(space.positions, stages - 1)].some((rest) => {
        const cut = { starts: [0, ...rest], stages: straightStages(stages) };
        const peaks = peaksOf(order, cut.stages, microBatches);
        const bytes = stageBytes(space, question, cut, weigh(space, question, cut), peaks);
        return bytes.every((one) => one <= memory);
      });
      const answer = bestStages(question);
      if (fits) assert.ok(answer !== undefined);
      assert.ok((answer?.memory ?? []).every((bytes) => bytes <= memory));
      const least = fewestStages(question, stages);
      if (fits) assert.ok(least !== undefined && least <= stages);
      if (least !== undefined) assert.ok(bestStages({ ...question, stages: least }) !== undefined);
    }),
    { numRuns: 25, includeErrorInReport: true },
  );
});

const exampleNamed = (name: string): Model => {
  const source = readFileSync(new URL(`../../examples/${name}.unet`, import.meta.url), 'utf8');
  const model = compileModel(source, name, { sets: exampleSets[name] ?? {}, purpose: 'train' });
  assert.ok(model.ok);
  if (!model.ok) throw new Error(name);
  return model.value;
};

const scheduleOf = (
  model: Model,
  { stages, order }: StageQuestion,
  chunks: Schedule['chunks'],
): Schedule => ({
  ...plainDecisions(model.rank),
  name: model.name,
  devices: stages,
  microBatches: 2,
  order,
  chunks,
  cuts: tiledExtents(model).map((extent) => [0, extent]),
});

for (const name of ['torchgpipe', 'attention', 'unet_plus_plus', 'residual'])
  test(`${name}: the chosen stages compile, and every plan verifies`, () => {
    const model = exampleNamed(name);
    const profile = profileOf(model);
    const flops = profile.ops.map(({ forward }) =>
      forward.reduce((sum, kernel) => sum + kernel.flops.perCell + kernel.bytes.perCell + 1, 0),
    );
    for (const stages of [2, 3]) {
      const question = {
        ...drawn(profile, () => 1),
        forward: flops,
        backward: flops.map((one) => 2 * one),
        stages,
      };
      const answer = bestStages(question);
      assert.ok(answer !== undefined);
      const schedule = scheduleOf(model, question, answer?.chunks ?? []);
      assert.equal(verifySchedule(model, schedule), []);
      const { name: _, ...pins } = schedule;
      const planned = runPasses(planPipeline, { stage: 'model', model, pins });
      assert.ok(planned.ok, planned.ok ? '' : JSON.stringify(planned.diagnostics));
    }
  });

test.run();
