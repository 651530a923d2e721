import * as fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { wholeBox } from '../../../ir/box.ts';
import { array, map } from '../../../ir/type.ts';
import { apply, arrayOf, distance, mapOf, numericGradient, randoms, randomTensor } from '../tests/probe.ts';

const count = (value: number) => arrayOf([], [value]);
const near = (values: Float64Array, expected: readonly number[]): void =>
  assert.ok(distance(values, Float64Array.from(expected)) < 1e-14, `${values} is not ${expected}`);

test('classify: the lowest of equal channels', () => {
  const logits = mapOf(3, [4], [1, 5, 2, 0, 1, 5, 3, 1, 1, 4, 3, 2]);
  assert.equal([...apply('classify', {}, [logits]).values], [0, 0, 1, 2]);
});

test('classify of one channel: whether it is above 0', () => {
  assert.equal([...apply('classify', {}, [mapOf(1, [3], [-1, 0, 2])]).values], [0, 0, 1]);
});

/** Two cells with softmax (1/4, 3/4) and (1/2, 1/2). */
const logits = mapOf(2, [2], [0, 7, Math.log(3), 7]);
const target = (...labels: number[]) => mapOf(1, [2], labels);

test('cross_entropy by hand', () => {
  const loss = (labels: number[], weights: number[], n: number) =>
    apply('cross_entropy', { weights }, [logits, target(...labels), count(n)]).values;
  near(loss([0, 1], [], 2), [(Math.log(4) + Math.log(2)) / 2]);
  near(loss([1, 1], [1, 10], 20), [(10 * Math.log(4 / 3) + 10 * Math.log(2)) / 20]);
  near(loss([0, 255], [], 1), [Math.log(4)]);
  assert.equal([...loss([255, 255], [], 0)], [0]);
});

test('cross_entropy survives large logits', () => {
  const loss = apply('cross_entropy', { weights: [] }, [
    mapOf(2, [1], [1000, 0]),
    mapOf(1, [1], [1]),
    count(1),
  ]);
  assert.equal([...loss.values], [1000]);
});

test('cells without a label, and losses without a count, have gradient 0', () => {
  const gradient = (labels: number[], n: number) =>
    apply('cross_entropy_grad', { weights: [] }, [logits, target(...labels), count(n), count(1)]).values;
  near(gradient([0, 255], 1), [-0.75, 0, 0.75, 0]);
  assert.equal([...gradient([255, 255], 0)], [0, 0, 0, 0]);
});

test('binary_cross_entropy by hand', () => {
  const x = mapOf(1, [3], [Math.log(3), 0, 5]);
  const loss = (labels: number[], weights: number[], n: number) =>
    apply('binary_cross_entropy', { weights }, [x, mapOf(1, [3], labels), count(n)]).values;
  near(loss([1, 0, 255], [], 2), [(Math.log(4 / 3) + Math.log(2)) / 2]);
  near(loss([0, 1, 2], [10, 2], 12), [(10 * Math.log(4) + 2 * Math.log(2)) / 12]);
  assert.equal([...loss([255, 255, 255], [], 0)], [0]);
  const far = [mapOf(1, [2], [800, -800]), mapOf(1, [2], [0, 1]), count(2)];
  assert.equal([...apply('binary_cross_entropy', { weights: [] }, far).values], [800]);
  assert.equal([...apply('binary_cross_entropy_grad', { weights: [] }, [...far, count(4)]).values], [2, -2]);
});

test('focal by hand; with gamma 0 it is cross_entropy', () => {
  const loss = (gamma: number, weights: number[]) =>
    apply('focal', { gamma, weights }, [logits, target(0, 1), count(2)]).values;
  near(loss(2, []), [(Math.log(4) * (3 / 4) ** 2 + Math.log(2) / 4) / 2]);
  near(loss(1, [4, 2]), [(4 * Math.log(4) * (3 / 4) + (2 * Math.log(2)) / 2) / 2]);
  near(loss(0, []), [...apply('cross_entropy', { weights: [] }, [logits, target(0, 1), count(2)]).values]);
});

test('focal loss of what is certain is 0, and so is its gradient', () => {
  for (const gamma of [0.5, 1, 2]) {
    const operands = [mapOf(2, [1], [1000, 0]), mapOf(1, [1], [0]), count(1)];
    assert.equal([...apply('focal', { gamma, weights: [] }, operands).values], [0]);
    const gradient = apply('focal_grad', { gamma, weights: [] }, [...operands, count(1)]).values;
    assert.ok(gradient.every((value) => value === 0));
  }
});

test('l1 by hand', () => {
  const operands = [mapOf(1, [3], [1, 5, 2]), mapOf(1, [3], [3, 4, 2])];
  assert.equal([...apply('l1', {}, [...operands, count(2)]).values], [1.5]);
  assert.equal([...apply('l1', {}, [...operands, count(0)]).values], [0]);
  assert.equal([...apply('l1_grad', {}, [...operands, count(2), count(10)]).values], [-5, 5, 0]);
});

test('mse by hand', () => {
  const [x, t] = [mapOf(1, [2], [1, 5]), mapOf(1, [2], [3, 4])];
  assert.equal([...apply('mse', {}, [x, t, count(2)]).values], [2.5]);
  assert.equal([...apply('mse', {}, [x, t, count(0)]).values], [0]);
  assert.equal([...apply('mse_grad', {}, [x, t, count(2), count(10)]).values], [-20, 10]);
  assert.equal([...apply('mse_grad', {}, [x, t, count(0), count(10)]).values], [0, 0]);
});

const sizes = fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 1, maxLength: 3 });

/** Label `classes` stands for no label. */
const labelled = (classes: number, draw: () => number) => () =>
  Math.floor(((draw() + 1) / 2) * (classes + 1));

test('law: gradients of the losses of classes equal their differences', () => {
  const gammas = fc.constantFrom(0, 0.5, 1, 2, 3.5);
  fc.assert(
    fc.property(sizes, fc.integer({ min: 2, max: 4 }), fc.boolean(), gammas, fc.nat(), (...drawn) => {
      const [extent, classes, weighted, gamma, seed] = drawn;
      const draw = randoms(seed);
      const weights = weighted ? Array.from({ length: classes }, (_, i) => i + 0.5) : [];
      const dloss = randomTensor(array([]), 1, draw);
      const operandsOf = (channels: number, of: number) => [
        randomTensor(map(channels, wholeBox(extent)), 2, () => 4 * draw()),
        randomTensor(map(1, wholeBox(extent)), 2, labelled(of, draw)),
        count(7),
      ];
      const [many, two] = [operandsOf(classes, classes), operandsOf(1, 2)];
      const pairs: [string, Float64Array, Float64Array][] = [
        [
          'cross_entropy',
          apply('cross_entropy_grad', { weights }, [...many, dloss], 2).values,
          numericGradient('cross_entropy', { weights }, many, 0, dloss, 2),
        ],
        [
          'focal',
          apply('focal_grad', { weights, gamma }, [...many, dloss], 2).values,
          numericGradient('focal', { weights, gamma }, many, 0, dloss, 2),
        ],
        [
          'binary_cross_entropy',
          apply('binary_cross_entropy_grad', { weights }, [...two, dloss], 2).values,
          numericGradient('binary_cross_entropy', { weights }, two, 0, dloss, 2),
        ],
      ];
      for (const [kind, found, right] of pairs) assert.ok(distance(found, right) < 1e-8, kind);
    }),
  );
});

/** Moves a number of ±1 to ±(2 .. 3). */
const apartOf = (value: number): number => value + 2 * Math.sign(value);

test('law: mse_grad and l1_grad equal the differences of mse and l1', () => {
  fc.assert(
    fc.property(sizes, fc.nat(), (extent, seed) => {
      const draw = randoms(seed);
      const type = map(2, wholeBox(extent));
      const operands = [randomTensor(type, 2, draw), randomTensor(type, 2, draw), count(5)];
      const dloss = randomTensor(array([]), 1, draw);
      const dx = apply('mse_grad', {}, [...operands, dloss], 2);
      assert.ok(distance(dx.values, numericGradient('mse', {}, operands, 0, dloss, 2)) < 1e-8);
      // Far from the kinks at x = target.
      const apart = operands.map((one, i) => (i === 0 ? { ...one, values: one.values.map(apartOf) } : one));
      const sides = apply('l1_grad', {}, [...apart, dloss], 2);
      assert.ok(distance(sides.values, numericGradient('l1', {}, apart, 0, dloss, 2)) < 1e-8);
    }),
  );
});

test.run();
