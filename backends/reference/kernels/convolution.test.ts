import * as fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { extents, wholeBox } from '../../../ir/box.ts';
import type { ConvAttributes } from '../../../ir/ops/attributes.ts';
import { array, map, type ValueType } from '../../../ir/type.ts';
import {
  apply,
  arrayOf,
  differences,
  distance,
  dot,
  mapOf,
  numericGradient,
  randoms,
  randomTensor,
  type Tensor,
} from '../tests/probe.ts';
import { type ConvCase, convCase, type UpConvCase, upConvCase } from '../tests/shapes.ts';

const plainAttrs = (kernel: readonly number[]): ConvAttributes => ({
  kernel,
  stride: kernel.map(() => 1),
  dilation: kernel.map(() => 1),
  pad: kernel.map(() => [0, 0]),
  groups: 1,
});

test('conv by hand: a difference of neighbours, with bias', () => {
  const x = mapOf(1, [4], [1, 4, 9, 16]);
  const y = apply('conv', plainAttrs([2]), [x, arrayOf([1, 1, 2], [-1, 1]), arrayOf([1], [100])]);
  assert.equal([...y.values], [103, 105, 107]);
});

test('conv pads each side of an axis by itself', () => {
  const attrs: ConvAttributes = { ...plainAttrs([3]), pad: [[2, 0]] };
  const y = apply('conv', attrs, [mapOf(1, [3], [1, 2, 3]), arrayOf([1, 1, 3], [100, 10, 1])]);
  assert.equal([...y.values], [1, 12, 123]);
});

test('up_conv by hand: windows overlap, sides are cut off', () => {
  const attrs = { kernel: [3], stride: [2], crop: [[1, 0]] as const };
  const y = apply('up_conv', attrs, [mapOf(1, [2], [1, 10]), arrayOf([1, 1, 3], [1, 2, 3])]);
  assert.equal([...y.values], [2, 3 + 10, 20, 30]);
});

test('channel_sum by hand: over samples and cells', () => {
  assert.equal(
    [...apply('channel_sum', {}, [mapOf(2, [2], [1, 2, 3, 4, 10, 20, 30, 40])], 2).values],
    [33, 77],
  );
});

/** All coordinates of a box of these sizes, the last axis fastest. */
const coordinates = (sizes: readonly number[]): number[][] =>
  sizes.reduce<number[][]>(
    (places, size) => places.flatMap((place) => Array.from({ length: size }, (_, i) => [...place, i])),
    [[]],
  );

/** Element of `values` with these dims; 0 outside. */
function look(values: Float64Array, dims: readonly number[], place: readonly number[]): number {
  if (place.some((coordinate, axis) => coordinate < 0 || coordinate >= (dims[axis] ?? 0))) return 0;
  return values[place.reduce((index, coordinate, axis) => index * (dims[axis] ?? 0) + coordinate, 0)] ?? 0;
}

const spaceOf = (type: ValueType): number[] => (type.kind === 'map' ? extents(type.box) : []);

/** The definition, one output element after another: Σ over channel and tap. */
function definition(
  { attrs, sizes, samples, ins, outs }: ConvCase,
  x: Tensor,
  weight: Tensor,
  space: number[],
): number[] {
  const groupIns = ins / attrs.groups;
  const taps = coordinates([groupIns, ...attrs.kernel]);
  return coordinates([samples, outs, ...space]).map(([sample = 0, out = 0, ...cell]) => {
    const group = Math.floor(out / (outs / attrs.groups));
    return taps.reduce((sum, [channel = 0, ...tap]) => {
      const place = cell.map(
        (c, axis) =>
          c * (attrs.stride[axis] ?? 1) +
          (tap[axis] ?? 0) * (attrs.dilation[axis] ?? 1) -
          (attrs.pad[axis]?.[0] ?? 0),
      );
      const pixel = look(x.values, [samples, ins, ...sizes], [sample, group * groupIns + channel, ...place]);
      return sum + pixel * look(weight.values, [outs, groupIns, ...attrs.kernel], [out, channel, ...tap]);
    }, 0);
  });
}

function convTensors({ attrs, sizes, samples, ins, outs, seed }: ConvCase) {
  const draw = randoms(seed);
  return {
    draw,
    x: randomTensor(map(ins, wholeBox(sizes)), samples, draw),
    weight: randomTensor(array([outs, ins / attrs.groups, ...attrs.kernel]), 1, draw),
  };
}

test('law: conv equals its definition, for any rank, stride, dilation, padding, groups', () => {
  fc.assert(
    fc.property(convCase, (c) => {
      const { x, weight } = convTensors(c);
      const y = apply('conv', c.attrs, [x, weight], c.samples);
      const expected = definition(c, x, weight, spaceOf(y.type));
      assert.ok(distance(y.values, Float64Array.from(expected)) < 1e-12);
    }),
    { numRuns: 200 },
  );
});

test('law: conv_data and conv_weight are the transposes of conv', () => {
  fc.assert(
    fc.property(convCase, (c) => {
      const { x, weight, draw } = convTensors(c);
      const y = apply('conv', c.attrs, [x, weight], c.samples);
      const dy = randomTensor(y.type, c.samples, draw);
      const dx = apply('conv_data', { ...c.attrs, extent: c.sizes }, [dy, weight], c.samples);
      const dweight = apply('conv_weight', c.attrs, [x, dy], c.samples);
      const product = dot(y.values, dy.values);
      assert.ok(Math.abs(dot(x.values, dx.values) - product) < 1e-10);
      assert.ok(Math.abs(dot(weight.values, dweight.values) - product) < 1e-10);
    }),
    { numRuns: 200 },
  );
});

test('law: conv_data, conv_weight and channel_sum equal the differences of conv', () => {
  fc.assert(
    fc.property(convCase, (c) => {
      const { x, weight, draw } = convTensors(c);
      const bias = randomTensor(array([c.outs]), 1, draw);
      const operands = [x, weight, bias];
      const dy = randomTensor(apply('conv', c.attrs, operands, c.samples).type, c.samples, draw);
      const gradients = [
        apply('conv_data', { ...c.attrs, extent: c.sizes }, [dy, weight], c.samples),
        apply('conv_weight', c.attrs, [x, dy], c.samples),
        apply('channel_sum', {}, [dy], c.samples),
      ];
      gradients.forEach(({ values }, i) => {
        assert.ok(distance(values, numericGradient('conv', c.attrs, operands, i, dy, c.samples)) < 1e-8);
      });
    }),
    { numRuns: 40 },
  );
});

/** Each input cell puts a copy of the kernel into the full result, whose sides are then cut off. */
function upConvDefinition(
  { attrs, sizes, ins, outs }: UpConvCase,
  x: Tensor,
  weight: Tensor,
  space: number[],
) {
  const sum = new Map<string, number>();
  for (const [channel = 0, ...cell] of coordinates([ins, ...sizes]))
    for (const [out = 0, ...tap] of coordinates([outs, ...attrs.kernel])) {
      const place = cell.map(
        (c, axis) => c * (attrs.stride[axis] ?? 1) + (tap[axis] ?? 0) - (attrs.crop[axis]?.[0] ?? 0),
      );
      const key = [out, ...place].join();
      const pixel = look(x.values, [ins, ...sizes], [channel, ...cell]);
      const factor = look(weight.values, [ins, outs, ...attrs.kernel], [channel, out, ...tap]);
      sum.set(key, (sum.get(key) ?? 0) + pixel * factor);
    }
  return coordinates([outs, ...space]).map((place) => sum.get(place.join()) ?? 0);
}

test('law: up_conv equals its definition, and conv and conv_weight with its crop as padding are its adjoints', () => {
  fc.assert(
    fc.property(upConvCase, (c) => {
      const draw = randoms(c.seed);
      const x = randomTensor(map(c.ins, wholeBox(c.sizes)), 1, draw);
      const weight = randomTensor(array([c.ins, c.outs, ...c.attrs.kernel]), 1, draw);
      const y = apply('up_conv', c.attrs, [x, weight]);
      const expected = upConvDefinition(c, x, weight, spaceOf(y.type));
      assert.ok(distance(y.values, Float64Array.from(expected)) < 1e-12);

      const dy = randomTensor(y.type, 1, draw);
      const { kernel, stride, crop } = c.attrs;
      const transposed = { ...plainAttrs(kernel), stride, pad: crop };
      const dx = apply('conv', transposed, [dy, weight]).values;
      const dweight = apply('conv_weight', transposed, [dy, x]).values;
      assert.ok(distance(dx, numericGradient('up_conv', c.attrs, [x, weight], 0, dy)) < 1e-8);
      assert.ok(distance(dweight, numericGradient('up_conv', c.attrs, [x, weight], 1, dy)) < 1e-8);
    }),
    { numRuns: 60 },
  );
});

test('the differences that judge the adjoints are right for a known function', () => {
  const gradient = differences(Float64Array.of(1, 2), ([a = 0, b = 0]) => a ** 2 * b);
  assert.ok(distance(gradient, Float64Array.of(4, 1)) < 1e-10);
});

test.run();
