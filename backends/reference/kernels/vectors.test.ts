import * as fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { wholeBox } from '../../../ir/box.ts';
import type { OpAttributes, OpKind } from '../../../ir/ops/attributes.ts';
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

test('linear by hand, for two samples', () => {
  const operands = [mapOf(2, [], [1, 2, 3, 4]), arrayOf([3, 2], [1, 0, 0, 1, 1, 1])];
  assert.equal([...apply('linear', {}, operands, 2).values], [1, 2, 3, 3, 4, 7]);
  const withBias = [...operands, arrayOf([3], [10, 20, 30])];
  assert.equal([...apply('linear', {}, withBias, 2).values], [11, 22, 33, 13, 24, 37]);
});

test('sine: all sines, then all cosines', () => {
  const y = apply('sine', { frequencies: [1, 0.5] }, [mapOf(1, [], [Math.PI, 0])], 2);
  assert.ok(distance(y.values, Float64Array.of(0, 1, -1, 0, 0, 0, 1, 1)) < 1e-15);
});

test('a vector is added to each cell; scale and shift are one number a channel', () => {
  const x = mapOf(2, [2], [1, 2, 3, 4, 5, 6, 7, 8]);
  assert.equal(
    [...apply('add', {}, [x, mapOf(2, [], [10, 20, 30, 40])], 2).values],
    [11, 12, 23, 24, 35, 36, 47, 48],
  );
  const [scale, shift] = [arrayOf([2], [2, 10]), arrayOf([2], [1, 0])];
  assert.equal([...apply('scale_shift', {}, [x, scale, shift], 2).values], [3, 5, 30, 40, 11, 13, 70, 80]);
  assert.equal([...apply('scale_shift', {}, [x, scale], 2).values], [2, 4, 30, 40, 10, 12, 70, 80]);
});

const samples = 2;

/** The cotangent `found` of operand `which` is the slope of Σ dy * kind(operands). */
function isSlope<K extends OpKind>(
  kind: K,
  attrs: OpAttributes[K],
  operands: readonly Tensor[],
  which: number,
  dy: Tensor,
  found: Tensor,
): void {
  const slopes = numericGradient(kind, attrs, operands, which, dy, samples);
  assert.ok(distance(found.values, slopes) < 1e-7, `${kind}, operand ${which}`);
}

test('law: gradients of linear and sine equal their differences', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 4 }),
      fc.integer({ min: 1, max: 4 }),
      fc.nat(),
      (from, to, seed) => {
        const draw = randoms(seed);
        const x = randomTensor(map(from, []), samples, draw);
        const [weight, bias] = [randomTensor(array([to, from]), 1, draw), randomTensor(array([to]), 1, draw)];
        const dy = randomTensor(map(to, []), samples, draw);
        const operands = [x, weight, bias];
        isSlope('linear', {}, operands, 0, dy, apply('linear_data', {}, [dy, weight], samples));
        isSlope('linear', {}, operands, 1, dy, apply('linear_weight', {}, [x, dy], samples));
        isSlope('linear', {}, operands, 2, dy, apply('channel_sum', {}, [dy], samples));

        const attrs = { frequencies: Array.from({ length: to }, (_, i) => 1 / (i + 1)) };
        const time = randomTensor(map(1, []), samples, draw);
        const both = randomTensor(map(2 * to, []), samples, draw);
        isSlope('sine', attrs, [time], 0, both, apply('sine_grad', attrs, [time, both], samples));
      },
    ),
    { numRuns: 30 },
  );
});

const sizes = fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 1, maxLength: 3 });

test('law: gradients of scale_shift and of an added vector equal their differences', () => {
  fc.assert(
    fc.property(sizes, fc.nat(), (extent, seed) => {
      const draw = randoms(seed);
      const type = map(3, wholeBox(extent));
      const [x, dy] = [randomTensor(type, samples, draw), randomTensor(type, samples, draw)];
      const [scale, shift] = [randomTensor(array([3]), 1, draw), randomTensor(array([3]), 1, draw)];
      const operands = [x, scale, shift];
      isSlope('scale_shift', {}, operands, 0, dy, apply('scale_shift', {}, [dy, scale], samples));
      isSlope('scale_shift', {}, operands, 1, dy, apply('channel_dot', {}, [dy, x], samples));
      isSlope('scale_shift', {}, operands, 2, dy, apply('channel_sum', {}, [dy], samples));
      const vector = randomTensor(map(3, []), samples, draw);
      isSlope('add', {}, [x, vector], 1, dy, apply('space_sum', {}, [dy], samples));
    }),
    { numRuns: 30 },
  );
});

test.run();
