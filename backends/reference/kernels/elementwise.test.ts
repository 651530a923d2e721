import * as fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { wholeBox } from '../../../ir/box.ts';
import { array, map } from '../../../ir/type.ts';
import {
  apply,
  arrayOf,
  distance,
  mapOf,
  numericGradient,
  randoms,
  randomTensor,
  type Tensor,
} from '../tests/probe.ts';

const line = (...values: number[]): Tensor => mapOf(1, [values.length], values);

test('affine has a scale and a shift for each channel', () => {
  const y = apply('affine', { scale: [2, 10], shift: [1, 0] }, [mapOf(2, [2], [1, 2, 3, 4, 5, 6, 7, 8])], 2);
  assert.equal([...y.values], [3, 5, 30, 40, 11, 13, 70, 80]);
});

test('activations by hand', () => {
  assert.equal([...apply('relu', {}, [line(-2, 0, 3)]).values], [0, 0, 3]);
  assert.equal([...apply('leaky_relu', { slope: 0.5 }, [line(-2, 0, 3)]).values], [-1, 0, 3]);
  const [low = 0, zero, high = 0] = apply('silu', {}, [line(-Math.LN2, 0, Math.log(3))]).values;
  assert.is(zero, 0);
  assert.ok(Math.abs(low + Math.LN2 / 3) < 1e-15);
  assert.ok(Math.abs(high - Math.log(3) * 0.75) < 1e-15);
});

test('add: maps and arrays', () => {
  assert.equal([...apply('add', {}, [line(1, 2), line(10, 20)]).values], [11, 22]);
  assert.equal([...apply('add', {}, [arrayOf([], [1]), arrayOf([], [2])]).values], [3]);
});

test('mask: of each cell, or of whole channels', () => {
  const x = mapOf(2, [2], [1, 2, 3, 4, 5, 6, 7, 8]);
  assert.equal(
    [...apply('mask', {}, [x, mapOf(2, [2], [0, 1, 2, 0, 1, 0, 0, 2])], 2).values],
    [0, 2, 6, 0, 5, 0, 0, 16],
  );
  assert.equal([...apply('mask', {}, [x, mapOf(2, [], [0, 2, 1, 0])], 2).values], [0, 0, 6, 8, 5, 6, 0, 0]);
});

test('scale and weighted sums', () => {
  assert.equal([...apply('scale', { factor: 3 }, [line(1, -2)]).values], [3, -6]);
  assert.equal(
    [...apply('weighted_sum', { weights: [1, 0.5] }, [arrayOf([], [4]), arrayOf([], [6])]).values],
    [7],
  );
});

test('at 0 the gradient of relu is 0', () => {
  assert.equal([...apply('relu_grad', {}, [line(0, 2), line(5, 5)]).values], [0, 5]);
});

/** Random elements, none of them near the kink at 0. */
const awayFromZero = (draw: () => number) => () => {
  const value = draw();
  return value + Math.sign(value) / 10;
};

test('law: gradients of activations equal their differences', () => {
  fc.assert(
    fc.property(fc.nat(), fc.double({ min: 0, max: 0.9, noNaN: true }), (seed, slope) => {
      const draw = randoms(seed);
      const type = map(2, wholeBox([3]));
      const [x, dy] = [randomTensor(type, 2, awayFromZero(draw)), randomTensor(type, 2, draw)];
      const relu = apply('relu_grad', {}, [apply('relu', {}, [x], 2), dy], 2);
      const leaky = apply('leaky_relu_grad', { slope }, [apply('leaky_relu', { slope }, [x], 2), dy], 2);
      const silu = apply('silu_grad', {}, [x, dy], 2);
      assert.ok(distance(relu.values, numericGradient('relu', {}, [x], 0, dy, 2)) < 1e-8);
      assert.ok(distance(leaky.values, numericGradient('leaky_relu', { slope }, [x], 0, dy, 2)) < 1e-8);
      assert.ok(distance(silu.values, numericGradient('silu', {}, [x], 0, dy, 2)) < 1e-8);
    }),
  );
});

test('law: the gradient of mask is mask, that of weighted_sum is scale', () => {
  fc.assert(
    fc.property(fc.nat(), fc.boolean(), (seed, whole) => {
      const draw = randoms(seed);
      const x = randomTensor(map(2, wholeBox([2, 2])), 2, draw);
      const mask = randomTensor(map(2, whole ? [] : wholeBox([2, 2])), 2, draw);
      const dy = randomTensor(x.type, 2, draw);
      const dx = apply('mask', {}, [dy, mask], 2);
      assert.ok(distance(dx.values, numericGradient('mask', {}, [x, mask], 0, dy, 2)) < 1e-8);

      const losses = [randomTensor(array([]), 1, draw), randomTensor(array([]), 1, draw)];
      const dloss = randomTensor(array([]), 1, draw);
      const second = apply('scale', { factor: 0.3 }, [dloss]);
      const numeric = numericGradient('weighted_sum', { weights: [1, 0.3] }, losses, 1, dloss);
      assert.ok(distance(second.values, numeric) < 1e-8);
    }),
  );
});

test.run();
