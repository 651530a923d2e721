import * as fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { wholeBox } from '../../../ir/box.ts';
import { map } from '../../../ir/type.ts';
import { apply, distance, mapOf, numericGradient, randoms, randomTensor } from '../tests/probe.ts';
import { erf } from './erf.ts';

test('erf as tabulated (Abramowitz & Stegun, table 7.1; NIST)', () => {
  const known: [number, number][] = [
    [0, 0],
    [0.5, 0.520_499_877_813_046_5],
    [1, 0.842_700_792_949_714_9],
    [2, 0.995_322_265_018_952_7],
    [3.5, 0.999_999_256_901_627_7],
    [7, 1],
  ];
  for (const [x, expected] of known) {
    assert.ok(Math.abs(erf(x) - expected) < 2e-15, `erf(${x}) is ${erf(x)}`);
    assert.is(erf(-x), 0 - erf(x));
  }
});

test('softmax over the channels of each cell, of large numbers too', () => {
  const x = mapOf(2, [2], [0, 1000, Math.log(3), 0]);
  const expected = Float64Array.of(0.25, 1, 0.75, 0);
  assert.ok(distance(apply('softmax', {}, [x]).values, expected) < 1e-15);
});

test('mul: cell by cell, or by a gate of one channel', () => {
  const x = mapOf(2, [2], [1, 2, 3, 4, 5, 6, 7, 8]);
  const gate = mapOf(1, [2], [10, 0, 1, 2]);
  assert.equal([...apply('mul', {}, [x, x], 2).values], [1, 4, 9, 16, 25, 36, 49, 64]);
  assert.equal([...apply('mul', {}, [x, gate], 2).values], [10, 0, 30, 0, 5, 12, 7, 16]);
});

const sizes = fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 1, maxLength: 3 });

test('law: gradients of sigmoid, gelu and softmax equal their differences', () => {
  fc.assert(
    fc.property(sizes, fc.nat(), (extent, seed) => {
      const draw = randoms(seed);
      const type = map(3, wholeBox(extent));
      const [x, dy] = [randomTensor(type, 2, () => 4 * draw()), randomTensor(type, 2, draw)];
      const pairs = [
        [apply('sigmoid_grad', {}, [apply('sigmoid', {}, [x], 2), dy], 2), 'sigmoid'],
        [apply('softmax_grad', {}, [apply('softmax', {}, [x], 2), dy], 2), 'softmax'],
        [apply('gelu_grad', {}, [x, dy], 2), 'gelu'],
      ] as const;
      for (const [gradient, kind] of pairs)
        assert.ok(distance(gradient.values, numericGradient(kind, {}, [x], 0, dy, 2)) < 1e-7, kind);
    }),
    { numRuns: 50 },
  );
});

test('law: the gradient of a factor is mul, that of a gate is gate_grad', () => {
  fc.assert(
    fc.property(sizes, fc.boolean(), fc.nat(), (extent, shared, seed) => {
      const draw = randoms(seed);
      const type = map(3, wholeBox(extent));
      const [x, dy] = [randomTensor(type, 2, draw), randomTensor(type, 2, draw)];
      const gate = randomTensor(map(shared ? 1 : 3, wholeBox(extent)), 2, draw);
      const dx = apply('mul', {}, [dy, gate], 2);
      const dGate = apply(shared ? 'gate_grad' : 'mul', {}, [dy, x], 2);
      assert.ok(distance(dx.values, numericGradient('mul', {}, [x, gate], 0, dy, 2)) < 1e-8);
      assert.ok(distance(dGate.values, numericGradient('mul', {}, [x, gate], 1, dy, 2)) < 1e-8);
    }),
    { numRuns: 50 },
  );
});

test.run();
