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
import { ordered } from '../lower/order.ts';
import { evenFold } from './even-fold.ts';
import type { FoldCosts } from './fold.ts';
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
import { bestStages, fewestStages, type StageAnswer, type StageQuestion } from './stages.ts';

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

/** Where the chunks of an answer begin. */
const cutOf = ({ ops }: Profile, { chunks }: StageAnswer): Cut => ({
  starts: chunks.map(({ from }) =>
    Math.max(
      0,
      ops.findIndex(({ op }) => op.output === from),
    ),
  ),
  stages: chunks.map(({ stage }) => stage),
});

test('the bound is the least of all cuts, and the time is that of the schedule', () => {
  fc.assert(
    fc.property(questions, (question) => {
      const space = stageSpace(question);
      const { stages, order, microBatches, profile } = question;
      let bound = Number.POSITIVE_INFINITY;
      for (const cut of allCuts(space, stages)) {
        const cost = costOf(question, cut, microBatches);
        bound = Math.min(bound, cost);
        if (new Set(cut.stages).size === stages)
          assert.ok(cost <= pipelineBound(weigh(space, question, cut), microBatches));
      }
      const answer = bestStages(question);
      if (answer === undefined) return;
      assert.ok(
        answer.bound <= bound * (1 + 1e-9) && answer.bound >= bound * (1 - 2e-4),
        `${answer.bound} instead of ${bound}`,
      );
      const loads = weigh(space, question, cutOf(profile, answer));
      const { seconds } = evaluateOrder(order, loads, microBatches, true, answer.pace);
      assert.is(answer.stepSeconds, seconds);
      assert.ok(answer.bound <= seconds);
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
        const peaks = ordered(order, cut.stages, microBatches).map(peaksOf);
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

test('the evenest fold within a bottleneck is that of all folds', () => {
  fc.assert(
    fc.property(questions, fc.integer({ min: 20, max: 150 }), (question, most) => {
      const space = stageSpace(question);
      const { stages, forward } = question;
      const sum = (from: number, to: number) => forward.slice(from, to).reduce((a, b) => a + b, 0);
      const leanOf = (starts: readonly number[], kinds: readonly number[]) => {
        const work = starts.map((start, chunk) => sum(start, starts[chunk + 1] ?? forward.length));
        const ofStage = (stage: number) => work.filter((_, chunk) => kinds[chunk] === stage);
        const all = kinds.filter((stage, chunk) => kinds.indexOf(stage) === chunk).map(ofStage);
        if (all.some((own) => own.reduce((a, b) => a + b, 0) > most)) return Number.POSITIVE_INFINITY;
        return all.reduce((lean, [first = 0, second = first]) => lean + Math.abs(first - second), 0);
      };
      const costs: FoldCosts = {
        stages,
        seconds: (_, e, e2, d2, d) => sum(e, e2) + sum(d2, d),
        part: sum,
        fits: () => true,
      };
      const leans = [...folds(space, stages)]
        .filter((parts) => parts.every(({ from, to }) => from < to))
        .map((parts) =>
          leanOf(
            parts.map(({ from }) => from),
            parts.map(({ stage }) => stage),
          ),
        );
      const cut = evenFold(space, costs, most);
      const best = Math.min(...leans, Number.POSITIVE_INFINITY);
      assert.is(cut === undefined ? Number.POSITIVE_INFINITY : leanOf(cut.starts, cut.stages), best);
    }),
    { numRuns: 40, includeErrorInReport: true },
  );
});

const exampleNamed = (name: string): Model => {
  const source = readFileSync(new URL(`../../examples/${name}.unet`, import.meta.url), 'utf8');
  const model = compileModel(source, name, { sets: exampleSets[name] ?? {}, purpose: 'train' });
  assert.ok(model.ok);
  if (!model.ok) throw new Error(name);
  return model.value;
};

const scheduleOf = (model: Model, { stages, order }: StageQuestion, answer: StageAnswer): Schedule => ({
  ...plainDecisions(model.rank),
  name: model.name,
  devices: stages,
  microBatches: 2,
  order,
  chunks: answer.chunks,
  ...(answer.pace === undefined ? {} : { pace: answer.pace }),
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
      if (answer === undefined) continue;
      const schedule = scheduleOf(model, question, answer);
      assert.equal(verifySchedule(model, schedule), []);
      const { name: _, ...pins } = schedule;
      const planned = runPasses(planPipeline, { stage: 'model', model, pins });
      assert.ok(planned.ok, planned.ok ? '' : JSON.stringify(planned.diagnostics));
    }
  });

test('torchgpipe on 4 devices: folded, and within a tenth of the bound', () => {
  const profile = profileOf(exampleNamed('torchgpipe'));
  const flops = profile.ops.map(({ counted, forward }) => {
    const { extents = [1] } = profile.values.get(counted ?? '') ?? {};
    const cells = extents.reduce((a, b) => a * b, 1);
    return forward.reduce((sum, { flops: { perCell, fixed } }) => sum + perCell * cells + fixed + 1, 0);
  });
  const question = {
    ...drawn(profile, () => 1),
    forward: flops,
    backward: flops.map((one) => 2 * one),
    stages: 4,
    microBatches: 32,
  };
  const answer = bestStages(question);
  assert.ok(answer !== undefined && answer.stepSeconds <= 1.1 * answer.bound);
  assert.ok(answer?.folded);
});

// Where the path of one micro-batch takes longest, cuts whose stages are anything but alike have the same bottleneck.
test('few micro-batches go through stages that all have a part, and that are alike', () => {
  const profile = profileOf(exampleNamed('torchgpipe'));
  const stages = 16;
  for (const microBatches of [1, 2, 4]) {
    const question = { ...drawn(profile, () => 1), forward: profile.ops.map(() => 1), stages, microBatches };
    const backward = question.forward.map((one) => 2 * one);
    const answer = bestStages({ ...question, backward });
    const work = 3 * profile.ops.length;
    assert.ok(
      answer !== undefined && answer.stepSeconds <= work + (1.3 * (microBatches - 1) * work) / stages,
    );
    assert.is(new Set(answer?.chunks.map(({ stage }) => stage)).size, stages);
  }
});

test.run();
