import * as fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { wholeBox } from '../../../ir/box.ts';
import { map } from '../../../ir/type.ts';
import { apply, arrayOf, distance, mapOf, numericGradient, randoms, randomTensor } from '../tests/probe.ts';

test('moments: for each sample all means, then all biased variances', () => {
  const x = mapOf(2, [2], [1, 3, 10, 20, 0, 0, 5, 5]);
  assert.equal([...apply('moments', { groups: 2, over: 1 }, [x], 2).values], [2, 15, 1, 25, 0, 5, 0, 0]);
});

test('moments of groups of channels', () => {
  const x = mapOf(4, [1], [1, 3, 10, 20]);
  assert.equal([...apply('moments', { groups: 2, over: 1 }, [x]).values], [2, 15, 1, 25]);
  assert.equal([...apply('moments', { groups: 1, over: 1 }, [x]).values], [8.5, 55.25]);
  const y = apply('normalize', { epsilon: 0 }, [x, mapOf(4, [], [2, 15, 1, 25])]);
  assert.equal([...y.values], [-1, 1, -1, 1]);
});

test('moments lose nothing to a large mean', () => {
  assert.equal(
    [...apply('moments', { groups: 1, over: 1 }, [mapOf(1, [2], [1e9, 1e9 + 2])]).values],
    [1e9 + 1, 1],
  );
});

test('normalize by hand', () => {
  const y = apply('normalize', { epsilon: 3 }, [mapOf(1, [2], [1, 3]), mapOf(2, [], [2, 1])]);
  assert.equal([...y.values], [-0.5, 0.5]);
});

const sizes = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 3 });

test('moments over two samples: both get those of all their cells', () => {
  const x = mapOf(1, [2], [1, 3, 5, 7, 0, 0, 2, 2]);
  assert.equal([...apply('moments', { groups: 1, over: 2 }, [x], 4).values], [4, 5, 4, 5, 1, 1, 1, 1]);
});

test('running_share: what some of the samples of a step give to its means and unbiased variances', () => {
  const moments = mapOf(4, [], [2, 4, 3, 6, 4, 8, 9, 3]);
  const attrs = { samples: 8, over: 1, cells: 4 };
  assert.equal([...apply('running_share', { of: 'mean', ...attrs }, [moments], 2).values], [0.75, 1.5]);
  assert.equal([...apply('running_share', { of: 'variance', ...attrs }, [moments], 2).values], [2, 1.5]);
});

test('normalize_by by hand', () => {
  const [mean, variance] = [arrayOf([2], [1, 10]), arrayOf([2], [3, 0])];
  const y = apply('normalize_by', { epsilon: 1 }, [mapOf(2, [2], [1, 3, 10, 12]), mean, variance]);
  assert.equal([...y.values], [0, 1, 0, 2]);
});

test('law: the adjoints of moments and normalize equal their differences', () => {
  fc.assert(
    fc.property(
      sizes,
      fc.constantFrom(1, 2, 4),
      fc.constantFrom(1, 2, 4),
      fc.nat(),
      (extent, groups, over, seed) => {
        const draw = randoms(seed);
        const epsilon = 0.1;
        const x = randomTensor(map(4, wholeBox(extent)), 4, draw);
        const moments = apply('moments', { groups, over }, [x], 4);
        const [dy, dMoments] = [randomTensor(x.type, 4, draw), randomTensor(moments.type, 4, draw)];
        const pairs: [Float64Array, Float64Array][] = [
          [
            apply('moments_grad', { over }, [x, moments, dMoments], 4).values,
            numericGradient('moments', { groups, over }, [x], 0, dMoments, 4),
          ],
          [
            apply('normalize_grad', { epsilon }, [x, moments, dy], 4).values,
            numericGradient('normalize', { epsilon }, [x, moments], 0, dy, 4),
          ],
          [
            apply('normalize_moments_grad', { epsilon }, [x, moments, dy], 4).values,
            numericGradient('normalize', { epsilon }, [x, moments], 1, dy, 4),
          ],
        ];
        // Near a variance of 0 the third derivative is large: so are the differences' own errors.
        for (const [gradient, numeric] of pairs) assert.ok(distance(gradient, numeric) < 1e-5);
      },
    ),
    { numRuns: 60 },
  );
});

test.run();
