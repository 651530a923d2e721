import * as fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { wholeBox } from '../../../ir/box.ts';
import type { PoolAttributes } from '../../../ir/ops/attributes.ts';
import { map } from '../../../ir/type.ts';
import {
  apply,
  distance,
  mapOf,
  numericGradient,
  randoms,
  randomTensor,
  type Tensor,
} from '../tests/probe.ts';
import { poolCase } from '../tests/shapes.ts';

const pool = (kernel: number, stride: number, lo = 0, hi = 0): PoolAttributes => ({
  kernel: [kernel, kernel],
  stride: [stride, stride],
  pad: [
    [lo, hi],
    [lo, hi],
  ],
});

const image = mapOf(1, [3, 3], [1, 2, 3, 4, 9, 6, 7, 8, 5]);

test('max_pool by hand; what does not fill a window is left out', () => {
  assert.equal([...apply('max_pool', pool(2, 2), [image]).values], [9]);
  assert.equal([...apply('max_pool', pool(2, 1), [image]).values], [9, 9, 9, 9]);
});

test('padding never wins', () => {
  const dark = mapOf(1, [2, 2], [-4, -3, -2, -1]);
  assert.equal([...apply('max_pool', pool(2, 2, 1, 1), [dark]).values], [-4, -3, -2, -1]);
});

test('avg_pool by hand', () => {
  assert.equal([...apply('avg_pool', { kernel: [2, 2], stride: [1, 1] }, [image]).values], [4, 5, 7, 7]);
});

test('of equal maxima the first in row-major order gets the gradient', () => {
  const grad = (values: number[]) => {
    const x = mapOf(1, [2, 2], values);
    const y = apply('max_pool', pool(2, 2), [x]);
    return [...apply('max_pool_grad', pool(2, 2), [x, y, mapOf(1, [1, 1], [10])]).values];
  };
  assert.equal(grad([5, 5, 5, 5]), [10, 0, 0, 0]);
  assert.equal(grad([1, 5, 5, 2]), [0, 10, 0, 0]);
  assert.equal(grad([1, 2, 5, 5]), [0, 0, 10, 0]);
});

test('a cell that wins several windows gets the sum', () => {
  const y = apply('max_pool', pool(2, 1), [image]);
  const dx = apply('max_pool_grad', pool(2, 1), [image, y, mapOf(1, [2, 2], [1, 10, 100, 1000])]);
  assert.equal([...dx.values], [0, 0, 0, 0, 1111, 0, 0, 0, 0]);
});

/** A map whose elements are all different, so that a small move changes no maximum. */
function distinct(sizes: readonly number[], seed: number): Tensor {
  const shuffled = randomTensor(map(2, wholeBox(sizes)), 2, randoms(seed));
  const order = [...shuffled.values.keys()].sort(
    (a, b) => (shuffled.values[a] ?? 0) - (shuffled.values[b] ?? 0),
  );
  return { ...shuffled, values: shuffled.values.map((_, i) => order.indexOf(i) / 10) };
}

test('law: max_pool_grad equals the differences of max_pool', () => {
  fc.assert(
    fc.property(poolCase, ({ attrs, sizes, seed }) => {
      const x = distinct(sizes, seed);
      const y = apply('max_pool', attrs, [x], 2);
      const dy = randomTensor(y.type, 2, randoms(seed + 1));
      const dx = apply('max_pool_grad', attrs, [x, y, dy], 2);
      assert.ok(distance(dx.values, numericGradient('max_pool', attrs, [x], 0, dy, 2)) < 1e-8);
    }),
    { numRuns: 60 },
  );
});

test('law: with ties, adding ever smaller amounts to later cells chooses the same cells', () => {
  fc.assert(
    fc.property(poolCase, ({ attrs, sizes, seed }) => {
      const rough = randomTensor(map(1, wholeBox(sizes)), 1, randoms(seed));
      const tied = { ...rough, values: rough.values.map((value) => Math.round(value)) };
      const untied = { ...rough, values: tied.values.map((value, i) => value - i * 1e-6) };
      const dy = randomTensor(apply('max_pool', attrs, [tied]).type, 1, randoms(seed + 1));
      const grad = (x: Tensor) => apply('max_pool_grad', attrs, [x, apply('max_pool', attrs, [x]), dy]);
      assert.equal([...grad(tied).values], [...grad(untied).values]);
    }),
    { numRuns: 200 },
  );
});

test('law: a byte a window tells what max_pool_grad looks for, ties included', () => {
  fc.assert(
    fc.property(poolCase, ({ attrs, sizes, seed }) => {
      const rough = randomTensor(map(2, wholeBox(sizes)), 2, randoms(seed));
      const x = { ...rough, values: rough.values.map((value) => Math.round(value)) };
      const y = apply('max_pool', attrs, [x], 2);
      const dy = randomTensor(y.type, 2, randoms(seed + 1));
      const index = apply('max_pool_index', attrs, [x], 2);
      const dx = apply('max_pool_index_grad', { ...attrs, extent: sizes }, [index, dy], 2);
      assert.equal([...dx.values], [...apply('max_pool_grad', attrs, [x, y, dy], 2).values]);
    }),
    { numRuns: 100 },
  );
});

test('the place of a maximum counts from the corner of its window, padding included', () => {
  const dark = mapOf(1, [2, 2], [-4, -3, -2, -1]);
  assert.equal([...apply('max_pool_index', pool(2, 2, 1, 1), [dark]).values], [3, 2, 1, 0]);
});

test('law: avg_pool_grad equals the differences of avg_pool', () => {
  fc.assert(
    fc.property(poolCase, ({ attrs: { kernel, stride }, sizes, seed }) => {
      const x = randomTensor(map(2, wholeBox(sizes)), 2, randoms(seed));
      const dy = randomTensor(apply('avg_pool', { kernel, stride }, [x], 2).type, 2, randoms(seed + 1));
      const dx = apply('avg_pool_grad', { kernel, stride, extent: sizes }, [dy], 2);
      assert.ok(distance(dx.values, numericGradient('avg_pool', { kernel, stride }, [x], 0, dy, 2)) < 1e-8);
    }),
    { numRuns: 60 },
  );
});

test.run();
