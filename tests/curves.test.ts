/**
 * Loss curves of 2 x 2 tiles against the untiled network: the training of a plan is that of the network.
 * In fp32 on device processes, on windows of the coastline scene; in float64 in this process. Two orders of
 * summation drift apart in the end (chaos, not error), which is why Adam is followed for 20 steps in fp32.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { initialStates, runPlanStep } from '../backends/reference/run-plan.ts';
import { writeBundle } from '../cli/write-bundle.ts';
import { compileModel } from '../compiler/front/lower-model.ts';
import { at } from '../ir/box.ts';
import type { Model, Training } from '../ir/model.ts';
import type { Plan } from '../ir/plan.ts';
import { openBundle } from '../runtime/bundle.ts';
import type { Data } from '../runtime/data/data.ts';
import { openData } from '../runtime/data/open-data.ts';
import { windowsFeed } from '../runtime/feed-of.ts';
import { train } from '../runtime/train.ts';
import { valueIn } from './support/devices.ts';
import { drawFeeds, planOf } from './support/exactness.ts';

const root = join(import.meta.dirname, '..');
const source = readFileSync(join(root, 'examples/coastline.unet'), 'utf8');

/** `text` with `to` in place of every `from`, of which there must be one. */
function replaced(text: string, from: string, to: string): string {
  assert.ok(text.includes(from), `the example has no \`${from}\``);
  return text.replaceAll(from, to);
}

const narrow = (width: number): string => replaced(source, 'width(l) = 16', `width(l) = ${width}`);

/**
 * With ReLU and max pooling, one sign or maximum that fp32 rounding turns over in 200 steps sets the curves
 * 1e-3 apart; without kinks they stay within a few roundings.
 */
const withoutKinks = (text: string): string =>
  replaced(replaced(text, '|> relu', '|> silu'), 'max_pool', 'avg_pool');

/** The coastline network on smaller windows, trained in another way. */
function coastline(text: string, side: number, training: Partial<Training>): Model {
  const sets = { side: `${side}`, poolings: '2' };
  const model = valueIn(compileModel(text, 'coastline.unet', { purpose: 'train', sets }));
  if (model.training === undefined) throw new Error('coastline does not train');
  return { ...model, training: { ...model.training, ...training } };
}

const untiled = { devices: 1 };
const tiled = { devices: 4, tiles: [2, 2], replicas: 1 };

/** The losses of the first steps on device processes. */
async function curveOf(plan: Plan, data: Data, steps: number): Promise<number[]> {
  const folder = mkdtempSync(join(tmpdir(), 'unetc-test-'));
  try {
    valueIn(writeBundle(plan, { source, sets: {}, threads: 1 }, folder));
    const losses: number[] = [];
    const trained = await train(valueIn(await openBundle(folder)), {
      feed: windowsFeed(plan, data, 'train'),
      steps,
      onEvent: (event) => event.kind === 'step' && losses.push(event.loss),
    });
    valueIn(trained);
    return losses;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** The losses of the first steps in float64, on a batch of its own in every step. */
function exactCurve(plan: Plan, steps: number): number[] {
  let states = initialStates(plan);
  return Array.from({ length: steps }, (_, step) => {
    const result = runPlanStep(plan, { ...drawFeeds(plan.model, step), step }, states);
    states = result.states;
    return result.loss;
  });
}

const apart = (a: readonly number[], b: readonly number[]): number =>
  Math.max(...a.map((loss, i) => Math.abs(loss - at(b, i))));

/** The mean of ten steps: windows differ. */
const mean = (losses: readonly number[]): number =>
  losses.reduce((sum, loss) => sum + loss, 0) / losses.length;

const data = valueIn(await openData(join(root, 'examples/coastline')));
const rate = { peak: 1e-2, warmUp: 0, curve: 'constant' } as const;
const adam = { kind: 'adam', beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decay: 0 } as const;
const momentum = { kind: 'sgd', momentum: 0.9, nesterov: false, decay: 0 } as const;

for (const [name, training, steps] of [
  ['SGD with momentum', { optimizer: momentum, rate }, 200],
  ['Adam', { optimizer: adam, rate: { ...rate, peak: 3e-3 } }, 20],
] as const)
  test(`${name} in fp32 on devices: within 1e-4 over ${steps} steps`, async () => {
    const model = coastline(withoutKinks(narrow(4)), 32, training);
    const plain = await curveOf(planOf(model, untiled), data, steps);
    const tiles = await curveOf(planOf(model, tiled), data, steps);
    const distance = apart(plain, tiles);
    assert.is(tiles.length, steps);
    assert.ok(distance <= 1e-4, `${distance} apart`);
    assert.ok(mean(tiles.slice(-10)) < mean(tiles.slice(0, 10)), `${tiles}`);
  });

test('Adam in float64: within 1e-9 over 200 steps', () => {
  const model = coastline(narrow(2), 16, { optimizer: adam, rate, batch: 2 });
  const plain = exactCurve(planOf(model, untiled), 200);
  const tiles = exactCurve(planOf(model, tiled), 200);
  const distance = apart(plain, tiles);
  assert.ok(distance <= 1e-9, `${distance} apart`);
  assert.is.not(at(tiles, 199), at(tiles, 0));
});

test.run();
