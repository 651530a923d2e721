import * as fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type Box, range, wholeBox } from './box.ts';
import { type DropoutDraw, drawInteger, dropoutMask, initialWeights, permutation } from './draw.ts';
import type { Parameter } from './model.ts';
import { product } from './type.ts';

const parameter = (name: string, dims: readonly number[], fanIn = 27): Parameter => ({
  name,
  dims,
  init: { kind: 'he_uniform', fanIn },
});

const mean = (values: ArrayLike<number>): number =>
  Array.from(values).reduce((sum, value) => sum + value, 0) / values.length;

test('weights are uniform in ±sqrt(6 / fanIn)', () => {
  const bound = Math.sqrt(6 / 27);
  const weights = initialWeights(parameter('a.weight', [20000]), 7);
  assert.ok(weights.every((weight) => Math.abs(weight) <= bound));
  assert.ok(Math.abs(mean(weights)) < 0.02 * bound);
  assert.ok(Math.abs(mean(weights.map((weight) => weight ** 2)) / (bound ** 2 / 3) - 1) < 0.03);
});

test('weights depend on seed and name, and their first ones not on how many there are', () => {
  const short = initialWeights(parameter('a.weight', [3, 3]), 7);
  assert.equal([...initialWeights(parameter('a.weight', [5, 7]), 7).slice(0, 9)], [...short]);
  assert.not.equal([...initialWeights(parameter('b.weight', [3, 3]), 7)], [...short]);
  assert.not.equal([...initialWeights(parameter('a.weight', [3, 3]), 8)], [...short]);
});

test('zeros and ones', () => {
  assert.equal([...initialWeights({ name: 'b', dims: [3], init: { kind: 'zeros' } }, 1)], [0, 0, 0]);
  assert.equal([...initialWeights({ name: 'g', dims: [2], init: { kind: 'ones' } }, 1)], [1, 1]);
});

const draw = (more: Partial<DropoutDraw>): DropoutDraw => ({
  seed: 7,
  layer: 1,
  step: 3,
  sample: 2,
  p: 0.25,
  by: 'cell',
  channels: 2,
  box: wholeBox([8, 9]),
  extents: [8, 9],
  ...more,
});

test('a mask is 0 in a share p of the cells, else 1 / (1 - p)', () => {
  const mask = dropoutMask(draw({ box: wholeBox([100, 100]), extents: [100, 100] }));
  assert.equal(new Set(mask), new Set([0, Math.fround(4 / 3)]));
  assert.ok(Math.abs(mean(mask) - 1) < 0.02);
});

test('a mask of whole channels has one number a channel', () => {
  const mask = dropoutMask(draw({ by: 'channel', channels: 4000 }));
  assert.is(mask.length, 4000);
  assert.ok(Math.abs(mean(mask) - 1) < 0.04);
});

test('seed, layer, step, sample and channel each change the mask', () => {
  const original = [...dropoutMask(draw({}))];
  for (const other of [{ seed: 8 }, { layer: 2 }, { step: 4 }, { sample: 3 }])
    assert.not.equal([...dropoutMask(draw(other))], original);
  assert.not.equal(original.slice(0, 72), original.slice(72));
});

/** The cells of `box` in a map [channels, ...whole], by their coordinates. */
function cut(values: Float32Array, channels: number, whole: readonly number[], box: Box): number[] {
  const cells = box.reduce<number[][]>(
    (places, { from, to }) =>
      places.flatMap((place) => Array.from({ length: to - from }, (_, i) => [...place, from + i])),
    [[]],
  );
  return Array.from({ length: channels }, (_, c) =>
    cells.map((cell) => {
      const position = cell.reduce((index, coordinate, axis) => index * (whole[axis] ?? 1) + coordinate, 0);
      return values[c * product(whole) + position] ?? Number.NaN;
    }),
  ).flat();
}

const imageAndBox = fc
  .array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 3 })
  .chain((whole) =>
    fc.tuple(
      fc.constant(whole),
      fc.tuple(...whole.map((size) => fc.tuple(fc.nat({ max: size }), fc.nat({ max: size })))),
    ),
  );

test('law: the mask of a box is that part of the mask of the whole', () => {
  fc.assert(
    fc.property(imageAndBox, fc.integer({ min: 1, max: 3 }), fc.nat(), ([whole, ends], channels, seed) => {
      const box = ends.map(([a, b]) => range(Math.min(a, b), Math.max(a, b)));
      const all = dropoutMask(draw({ seed, channels, extents: whole, box: wholeBox(whole) }));
      const part = dropoutMask(draw({ seed, channels, extents: whole, box }));
      assert.equal([...part], cut(all, channels, whole, box));
    }),
    { numRuns: 300 },
  );
});

test('integers fill their range evenly', () => {
  const counts = new Array<number>(6).fill(0);
  for (let sample = 0; sample < 6000; sample++) {
    const drawn = drawInteger({ seed: 1, step: 5, sample, index: 0 }, 6);
    counts[drawn] = (counts[drawn] ?? 0) + 1;
  }
  assert.is(counts.length, 6);
  assert.ok(counts.every((count) => Math.abs(count - 1000) < 150));
});

test('a permutation has each number once and follows seed and epoch', () => {
  const order = permutation(100, 7, 0);
  assert.equal(
    [...order].sort((a, b) => a - b),
    Array.from({ length: 100 }, (_, i) => i),
  );
  assert.equal([...permutation(100, 7, 0)], [...order]);
  assert.not.equal([...permutation(100, 7, 1)], [...order]);
  assert.not.equal([...permutation(100, 8, 0)], [...order]);
  assert.equal([...permutation(0, 7, 0)], []);
});

test('all orders of three are equally likely', () => {
  const counts = new Map<string, number>();
  for (let epoch = 0; epoch < 6000; epoch++) {
    const order = permutation(3, 7, epoch).join('');
    counts.set(order, (counts.get(order) ?? 0) + 1);
  }
  assert.is(counts.size, 6);
  assert.ok([...counts.values()].every((count) => Math.abs(count - 1000) < 150));
});

test.run();
