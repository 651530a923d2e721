import * as fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { wholeBox } from '../../../ir/box.ts';
import { array, map } from '../../../ir/type.ts';
import { apply, arrayOf, distance, mapOf, numericGradient, randoms, randomTensor } from '../tests/probe.ts';

const near = (values: Float64Array, expected: readonly number[]): void =>
  assert.ok(distance(values, Float64Array.from(expected)) < 1e-14, `${values} is not ${expected}`);

/** Two cells with softmax (1/4, 3/4) and (1/2, 1/2), and one that is not labelled. */
const logits = mapOf(2, [3], [0, 7, 1, Math.log(3), 7, 100]);

test('dice_sums: for each class Σpt, then Σp, then Σt, of the labelled cells', () => {
  const sums = apply('dice_sums', {}, [logits, mapOf(1, [3], [1, 0, 255])]);
  near(sums.values, [1 / 2, 3 / 4, 3 / 4, 5 / 4, 1, 1]);
});

test('dice_sums of one channel: class 1 against class 0', () => {
  const x = mapOf(1, [4], [Math.log(3), 0, Math.log(3), 9]);
  near(apply('dice_sums', {}, [x, mapOf(1, [4], [1, 0, 1, 2])]).values, [3 / 2, 2, 2]);
});

test('dice by hand: the mean over samples and classes, or of the sums of several samples', () => {
  const sums = mapOf(3, [], [1, 3, 2, 2, 4, 5]);
  const attrs = { smooth: 1, samples: 2 };
  near(apply('dice', { ...attrs, over: 1 }, [sums], 2).values, [(1 - 3 / 6 + 1 - 5 / 10) / 2]);
  near(apply('dice', { ...attrs, over: 2 }, [sums], 2).values, [1 - 7 / 15]);
  near(apply('dice', { ...attrs, over: 1, samples: 8 }, [sums], 2).values, [(1 - 3 / 6 + 1 - 5 / 10) / 8]);
});

test('a sample without labels gives 0, and no gradient, with smoothing or without', () => {
  const nothing = mapOf(3, [], [0, 0, 0]);
  for (const smooth of [0, 1]) {
    const attrs = { smooth, over: 1, samples: 1 };
    assert.equal([...apply('dice', attrs, [nothing]).values], [0]);
    const gradient = apply('dice_grad', { ...attrs, smooth: 0 }, [nothing, arrayOf([], [1])]);
    assert.ok(gradient.values.every((value) => value === 0));
  }
});

const sizes = fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 1, maxLength: 3 });

test('law: the adjoints of dice_sums and dice equal their differences', () => {
  fc.assert(
    fc.property(sizes, fc.integer({ min: 1, max: 4 }), fc.constantFrom(1, 2, 4), fc.nat(), (...drawn) => {
      const [extent, channels, over, seed] = drawn;
      const draw = randoms(seed);
      const x = randomTensor(map(channels, wholeBox(extent)), 4, () => 3 * draw());
      const label = () => Math.floor(((draw() + 1) / 2) * (Math.max(2, channels) + 1));
      const target = randomTensor(map(1, wholeBox(extent)), 4, label);
      const sums = randomTensor(map(3 * channels, []), 4, () => draw() + 2);
      const dSums = randomTensor(sums.type, 4, draw);
      const dLoss = randomTensor(array([]), 1, draw);
      const attrs = { smooth: over / 2, over, samples: 8 };
      const pairs: [Float64Array, Float64Array][] = [
        [
          apply('dice_sums_grad', {}, [x, target, dSums], 4).values,
          numericGradient('dice_sums', {}, [x, target], 0, dSums, 4),
        ],
        [
          apply('dice_grad', attrs, [sums, dLoss], 4).values,
          numericGradient('dice', attrs, [sums], 0, dLoss, 4),
        ],
      ];
      for (const [found, right] of pairs) assert.ok(distance(found, right) < 1e-8);
    }),
    { numRuns: 60 },
  );
});

test.run();
