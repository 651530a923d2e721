import * as fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { extents, wholeBox } from '../../../ir/box.ts';
import type { ResizeAttributes, Sides } from '../../../ir/ops/attributes.ts';
import { map } from '../../../ir/type.ts';
import { apply, distance, mapOf, numericGradient, randoms, randomTensor } from '../tests/probe.ts';

const numbers = (count: number, first = 1): number[] => Array.from({ length: count }, (_, i) => first + i);

test('concat puts channels of each sample side by side', () => {
  const [a, b] = [mapOf(1, [2], [1, 2, 3, 4]), mapOf(2, [2], [10, 20, 30, 40, 50, 60, 70, 80])];
  assert.equal([...apply('concat', {}, [a, b], 2).values], [1, 2, 10, 20, 30, 40, 3, 4, 50, 60, 70, 80]);
});

test('channels takes some of them out again', () => {
  const x = mapOf(3, [2], numbers(12));
  assert.equal([...apply('channels', { from: 1, to: 3 }, [x], 2).values], [3, 4, 5, 6, 9, 10, 11, 12]);
});

test('crop and pad by hand', () => {
  const sides: Sides[] = [
    [1, 0],
    [0, 2],
  ];
  assert.equal([...apply('crop', { sides }, [mapOf(1, [2, 3], numbers(6))]).values], [4]);
  assert.equal([...apply('pad', { sides }, [mapOf(1, [1, 1], [7])]).values], [0, 0, 0, 7, 0, 0]);
});

test('resize repeats each cell, then cuts', () => {
  const attrs: ResizeAttributes = { mode: 'nearest', factor: [3], crop: [[1, 2]] };
  assert.equal([...apply('resize', attrs, [mapOf(1, [2], [5, 8])]).values], [5, 5, 8]);
  assert.equal(
    [...apply('resize_grad', { ...attrs, extent: [2] }, [mapOf(1, [3], [1, 10, 100])]).values],
    [11, 100],
  );
});

test('resize, bilinear: centres of cells, the border repeated', () => {
  const attrs: ResizeAttributes = { mode: 'bilinear', factor: [2], crop: [[0, 1]] };
  assert.equal([...apply('resize', attrs, [mapOf(1, [2], [4, 8])]).values], [4, 5, 7]);
  const thrice: ResizeAttributes = { mode: 'bilinear', factor: [3], crop: [[0, 0]] };
  const y = apply('resize', thrice, [mapOf(1, [2], [3, 6])]);
  assert.ok(distance(y.values, Float64Array.of(3, 3, 4, 5, 6, 6)) < 1e-14);
});

test('fill makes the seed of a backward pass', () => {
  assert.equal([...apply('fill', { value: 1, dims: [] }, []).values], [1]);
  assert.equal([...apply('fill', { value: 2, dims: [3] }, []).values], [2, 2, 2]);
});

const axis = fc.record({
  size: fc.integer({ min: 1, max: 4 }),
  factor: fc.integer({ min: 1, max: 3 }),
  lo: fc.nat({ max: 2 }),
  hi: fc.nat({ max: 2 }),
});

const modes = fc.constantFrom<ResizeAttributes['mode']>('nearest', 'bilinear');

test('law: resize_grad equals the differences of resize', () => {
  fc.assert(
    fc.property(fc.array(axis, { minLength: 1, maxLength: 3 }), modes, fc.nat(), (axes, mode, seed) => {
      const attrs: ResizeAttributes = {
        mode,
        factor: axes.map(({ factor }) => factor),
        crop: axes.map(({ size, factor, lo, hi }): Sides => {
          const first = Math.min(lo, size * factor - 1);
          return [first, Math.min(hi, size * factor - 1 - first)];
        }),
      };
      const sizes = axes.map(({ size }) => size);
      const draw = randoms(seed);
      const x = randomTensor(map(2, wholeBox(sizes)), 2, draw);
      const dy = randomTensor(apply('resize', attrs, [x], 2).type, 2, draw);
      const dx = apply('resize_grad', { ...attrs, extent: sizes }, [dy], 2);
      assert.ok(distance(dx.values, numericGradient('resize', attrs, [x], 0, dy, 2)) < 1e-8);
    }),
    { numRuns: 60 },
  );
});

test('stretch by hand: each cell is made of the one before, its own and the one after', () => {
  const x = mapOf(1, [2], [10, 20]);
  const shares = mapOf(3, [4], [9, 9, 0.25, 0, 1, 0.5, 0.75, 1, 0, 0.5, 9, 9]);
  const whole = apply('stretch', { axis: 0, factor: 2, crop: [0, 0] }, [x, shares]);
  assert.equal([...whole.values], [10, 15, 17.5, 20]);
  const part = mapOf(3, [2], [9, 0.25, 0.5, 0.75, 0.5, 9]);
  const middle = apply('stretch', { axis: 0, factor: 2, crop: [1, 1] }, [x, part]);
  assert.equal([...middle.values], [15, 17.5]);
});

test('law: pad and crop undo each other, and each is the adjoint of the other', () => {
  fc.assert(
    fc.property(fc.array(axis, { minLength: 1, maxLength: 3 }), fc.nat(), (axes, seed) => {
      const sides = axes.map(({ lo, hi }): Sides => [lo, hi]);
      const draw = randoms(seed);
      const x = randomTensor(map(2, wholeBox(axes.map(({ size }) => size))), 1, draw);
      const wide = apply('pad', { sides }, [x]);
      assert.equal(
        wide.type.kind === 'map' && extents(wide.type.box),
        axes.map(({ size, lo, hi }) => size + lo + hi),
      );
      assert.equal([...apply('crop', { sides }, [wide]).values], [...x.values]);

      const dy = randomTensor(wide.type, 1, draw);
      const dx = apply('crop', { sides }, [dy]);
      assert.ok(distance(dx.values, numericGradient('pad', { sides }, [x], 0, dy)) < 1e-8);
      const dWide = apply('pad', { sides }, [dx]);
      assert.ok(distance(dWide.values, numericGradient('crop', { sides }, [wide], 0, dx)) < 1e-8);
    }),
    { numRuns: 60 },
  );
});

test('law: channels is the adjoint of concat', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 }), fc.nat(), (a, b, seed) => {
      const draw = randoms(seed);
      const parts = [a, b].map((channels) => randomTensor(map(channels, wholeBox([2, 2])), 2, draw));
      const dy = randomTensor(map(a + b, wholeBox([2, 2])), 2, draw);
      const gradients = [
        apply('channels', { from: 0, to: a }, [dy], 2),
        apply('channels', { from: a, to: a + b }, [dy], 2),
      ];
      gradients.forEach(({ values }, i) => {
        assert.ok(distance(values, numericGradient('concat', {}, parts, i, dy, 2)) < 1e-8);
      });
    }),
    { numRuns: 30 },
  );
});

test.run();
