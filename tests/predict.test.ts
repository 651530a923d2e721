/** The law of prediction, in float64: whatever the grid, the mask is that of the untiled network. */
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { forwardGraph, runModelStep } from '../backends/reference/run-model.ts';
import { runPlanPrediction } from '../backends/reference/run-plan.ts';
import { compileModel } from '../compiler/front/lower-model.ts';
import { valueIn } from './support/devices.ts';
import { drawFeeds, drawnWeights, planOf } from './support/exactness.ts';
import { networkOf, type Recipe, recipes } from './support/networks.ts';
import { predicting } from './support/predicting.ts';
import { pinsFor } from './support/schedules.ts';

const withoutDropout = (recipe: Recipe): Recipe => ({ ...recipe, dropout: 'none' });

/** Any network, and a grid of tiles with cuts anywhere, worked through by one device after another. */
function law(rank: number, numRuns: number): void {
  fc.assert(
    fc.property(recipes(rank).map(withoutDropout), fc.nat(), (recipe, seed) => {
      const drawn = networkOf(recipe);
      fc.pre(drawn !== undefined);
      const model = predicting(drawn);
      const weights = drawnWeights(drawn);
      const { cuts = [] } = pinsFor(model, seed);
      const plan = planOf(model, { devices: 1 + (seed % 3), cuts });
      const feeds = drawFeeds(model, seed);
      const right = runModelStep(model, forwardGraph(model), feeds, weights);
      const found = runPlanPrediction(plan, feeds, weights);
      assert.is(found.size, model.outputs.length);
      for (const { name, value } of model.outputs)
        sameCells(name, found.get(name), right.get(value), model.ops.find((op) => op.output === value)?.kind);
    }),
    { numRuns },
  );
}

/** Classes are whole numbers, and equal; values may differ by rounding. */
function sameCells(
  name: string,
  found: Float64Array | undefined,
  right: Float64Array | undefined,
  kind: string | undefined,
): void {
  assert.ok(found !== undefined && right !== undefined && right.length > 0, name);
  assert.is(found.length, right.length, name);
  const allowed = kind === 'classify' ? 0 : 1e-9;
  const wrong = right.findIndex((value, i) => !(Math.abs((found[i] ?? Number.NaN) - value) <= allowed));
  assert.is(wrong, -1, `${name}[${wrong}]: ${found[wrong]}, not ${right[wrong]}`);
}

test('two axes: classes and values of drawn grids are those of the untiled network', () => law(2, 100));
test('one axis', () => law(1, 40));
test('three axes', () => law(3, 8));

test('a result that other layers read with a margin is given in tiles as well', () => {
  const text = `
    model inner
    input  image : f32[1, 12, 13]
    target goal : f32[2, 12, 13]
    let found = image |> conv(2, 3)
    output deep = found |> conv(3, 3) |> max_pool(2)
    loss mse(found, goal) + mse(found |> conv(2, 3), goal)
    train sgd(0.1), batch = 1, steps = 2`;
  const model = valueIn(compileModel(text, 'inner.unet', { purpose: 'predict' }));
  const plan = planOf(model, { devices: 2, tiles: [2, 3] });
  const feeds = drawFeeds(model, 1);
  const weights = drawnWeights(model);
  const right = runModelStep(model, forwardGraph(model), feeds, weights);
  const found = runPlanPrediction(plan, feeds, weights);
  assert.equal(
    model.outputs.map(({ name }) => name),
    ['goal', 'deep'],
  );
  for (const { name, value } of model.outputs) sameCells(name, found.get(name), right.get(value), undefined);
});

test.run();
