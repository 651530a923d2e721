/** The law: whatever the schedule decides, a plan is the plain network. */
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { initialStates, runPlanStep } from '../backends/reference/run-plan.ts';
import { errorsOf, plainTruth } from '../compiler/compare.ts';
import { wholeBox } from '../ir/box.ts';
import { isFault } from '../ir/diagnostics/diagnostic.ts';
import type { Model } from '../ir/model.ts';
import { map } from '../ir/type.ts';
import { firstFit } from '../passes/decide/first-fit.ts';
import { type Coverage, cover, coverageLines, missingValues } from './support/coverage.ts';
import { drawFeeds, drawnWeights, planOf } from './support/exactness.ts';
import { wrongSlope } from './support/finite-differences.ts';
import { diceRecipes, NetworkBuilder, networkOf, type Recipe, recipes } from './support/networks.ts';
import { pinsFor } from './support/schedules.ts';

const coverage: Coverage = new Map();

function compare(model: Model, seed: number): { loss: number; gradients: number } {
  const plan = planOf(model, pinsFor(model, seed));
  cover(coverage, plan);
  const feeds = drawFeeds(model, seed, seed % 5 === 0 ? 1 : 0.2);
  const weights = drawnWeights(model);
  const truth = plainTruth(model, feeds, weights);
  const states = new Map([...initialStates(plan), ...weights]);
  const { lossError, gradientError } = errorsOf(runPlanStep(plan, feeds, states), truth);
  return { loss: lossError, gradients: gradientError };
}

/** Without a `seed` each run of the test meets other cases. */
function law(rank: number, numRuns: number, seed?: number, networks = recipes(rank)): void {
  fc.assert(
    fc.property(networks, fc.nat(), (recipe, seed) => {
      const model = networkOf(recipe);
      fc.pre(model !== undefined);
      const { loss, gradients } = compare(model, seed);
      assert.ok(loss <= 1e-9, `loss off by ${loss}`);
      assert.ok(gradients <= 1e-9, `gradients off by ${gradients}`);
    }),
    seed === undefined ? { numRuns } : { numRuns, seed },
  );
}

test('two axes, always the same cases: every decision is met', () => {
  law(2, 80, 7);
  law(2, 16, 3, diceRecipes());
  console.log(coverageLines(coverage).join('\n'));
  assert.equal(missingValues(coverage), []);
});
test('two axes: loss and gradients of drawn plans are those of the plain network', () => law(2, 25));
test('one axis', () => law(1, 30));
test('three axes', () => law(3, 6));

test('the plain default keeps decisions that are all made, and decides no other', () => {
  fc.assert(
    fc.property(recipes(2), fc.nat(), (recipe, seed) => {
      const model = networkOf(recipe);
      fc.pre(model !== undefined);
      const pins = pinsFor(model, seed);
      fc.pre(pins.strips !== undefined);
      const decided = firstFit.run({ stage: 'model', model, pins });
      assert.ok(!isFault(decided));
      assert.equal(decided, { stage: 'scheduled', model, schedule: { name: model.name, ...pins } });
    }),
    { numRuns: 12 },
  );
});

/** Compares under given cuts of the rows. */
function exactUnder(model: Model, rows: readonly number[]): void {
  const plan = planOf(model, { devices: rows.length - 1, replicas: 1, cuts: [rows] });
  const feeds = drawFeeds(model, 1);
  const weights = drawnWeights(model);
  const truth = plainTruth(model, feeds, weights);
  const found = runPlanStep(plan, feeds, new Map([...initialStates(plan), ...weights]));
  const { lossError, gradientError } = errorsOf(found, truth);
  assert.ok(lossError <= 1e-12);
  assert.ok(gradientError <= 1e-12);
  const sides = plan.segments.flatMap(({ graph }) =>
    graph.ops.flatMap((op) => (op.kind === 'pad' || op.kind === 'crop' ? op.attrs.sides.flat() : [])),
  );
  assert.ok(
    sides.every((side) => side >= 0),
    'a side below 0, which no executor promises to take',
  );
}

test('a tile that owns nothing but cells that padding added', () => {
  const b = new NetworkBuilder(1);
  const image = b.input('image', map(1, wholeBox([8])), { from: 'image' });
  const padded = b.op('pad', [b.conv(image, 2)], { sides: [[6, 7]] });
  exactUnder(
    b.model('padded', b.regression('mse', b.conv(padded, 1, { kernel: 1 }), 'goal')),
    [0, 2, 4, 11, 17, 19, 21],
  );
});

test('tiles that differ only in where an enlarged cell is cut', () => {
  const b = new NetworkBuilder(1);
  const image = b.input('image', map(1, wholeBox([12])), { from: 'image' });
  const enlarged = b.enlarge(b.conv(image, 2), 3);
  exactUnder(
    b.model('phases', b.regression('mse', b.conv(enlarged, 1, { kernel: 1 }), 'goal')),
    [0, 1, 2, 3, 10, 11, 12, 36],
  );
});

test('a parameter that the loss does not depend on has a gradient of zeros', () => {
  const b = new NetworkBuilder(1);
  const image = b.input('image', map(1, wholeBox([8])), { from: 'image' });
  b.outputs.push({ name: 'aside', value: b.conv(image, 2) });
  exactUnder(b.model('aside', b.regression('mse', b.conv(image, 1), 'goal')), [0, 4, 8]);
});

test('the plain gradients agree with finite differences', () => {
  const smooth: fc.Arbitrary<Recipe> = recipes(2).map((recipe) => ({
    ...recipe,
    activation: recipe.activation.endsWith('relu') ? 'silu' : recipe.activation,
    down: 'avg_pool',
  }));
  fc.assert(
    fc.property(smooth, fc.nat(), (recipe, seed) => {
      const model = networkOf(recipe);
      fc.pre(model !== undefined);
      assert.is(wrongSlope(model, seed), undefined);
    }),
    { numRuns: 16 },
  );
});

test.run();
