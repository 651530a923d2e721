/**
 * Convolution and its two adjoints. The input is copied once into a frame that holds its padding; then every
 * tap of the kernel reads a row of the frame at a fixed distance, and
 *
 *   conv         out row of channel o   =  Σ over taps t:      weight[o, t] * row t of the frame
 *   conv_data    row t of the frame    +=  Σ over channels o:  weight[o, t] * dy row of channel o
 *   conv_weight  dweight[o, t]         +=  row t of the frame · dy row of channel o
 */
import type { ConvAttributes } from '../../../ir/ops/attributes.ts';
import type { ValueType } from '../../../ir/type.ts';
import { framedExtents, negated, reframe, type ThreeSides } from './frame.ts';
import {
  cellsOf,
  element,
  type Kernels,
  mapType,
  operand,
  type Three,
  threeAxes,
  threeExtents,
  zeros,
} from './kernel.ts';
import { addProductsOfRows, addScaledRows, type Rows } from './rows.ts';

/** The wide side x of a convolution with its frame, and the side y of its windows. */
type Geometry = {
  readonly samples: number;
  readonly groups: number;
  /** Channels of one group on either side. */
  readonly ins: number;
  readonly outs: number;
  readonly x: Three;
  readonly frame: Three;
  readonly sides: ThreeSides;
  readonly y: Three;
  readonly stride: Three;
  /** Distance of each tap's row in the frame, in the order of the weights: channel, then kernel. */
  readonly taps: Int32Array;
};

function geometry(
  attrs: ConvAttributes,
  x: ValueType | undefined,
  y: ValueType | undefined,
  samples: number,
) {
  const sides = threeAxes(attrs.pad, [0, 0] as const);
  const frame = framedExtents(threeExtents(x), sides);
  const ins = mapType(x).channels / attrs.groups;
  return {
    samples,
    groups: attrs.groups,
    ins,
    outs: mapType(y).channels / attrs.groups,
    x: threeExtents(x),
    frame,
    sides,
    y: threeExtents(y),
    stride: threeAxes(attrs.stride, 1),
    taps: tapOffsets(ins, threeAxes(attrs.kernel, 1), threeAxes(attrs.dilation, 1), frame),
  } satisfies Geometry;
}

function tapOffsets(ins: number, kernel: Three, dilation: Three, frame: Three): Int32Array {
  const offsets: number[] = [];
  for (let channel = 0; channel < ins; channel++)
    for (let z = 0; z < kernel[0]; z++)
      for (let y = 0; y < kernel[1]; y++)
        for (let x = 0; x < kernel[2]; x++)
          offsets.push(
            ((channel * frame[0] + z * dilation[0]) * frame[1] + y * dilation[1]) * frame[2] +
              x * dilation[2],
          );
  return Int32Array.from(offsets);
}

/** Made a multiple of 4 long by repeating the first. */
const inFours = (offsets: Int32Array): Int32Array =>
  Int32Array.from({ length: Math.ceil(offsets.length / 4) * 4 }, (_, i) => offsets[i] ?? offsets[0] ?? 0);

/** Offsets of the rows of `channels` planes at the same place. */
const channelOffsets = (channels: number, cells: number): Int32Array =>
  Int32Array.from({ length: channels }, (_, channel) => channel * cells);

/**
 * A matrix [rows, columns], read from `values` by `index`, in the order that `addScaledRows` wants: pairs of
 * rows, each column after column, with zeros where the pair or the four columns are not complete.
 */
function inPairs(
  values: Float64Array,
  rows: number,
  columns: number,
  index: (row: number, column: number) => number,
): Float64Array {
  const width = 2 * Math.ceil(columns / 4) * 4;
  const packed = new Float64Array(Math.ceil(rows / 2) * width);
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++)
      packed[(row >> 1) * width + 2 * column + (row & 1)] = element(values, index(row, column));
  return packed;
}

/** Calls `visit` for each row of y: its first cell within a plane of y and, for tap 0, in a plane of the frame. */
function eachRow({ y, frame, stride }: Geometry, visit: (inPlane: number, inFrame: number) => void): void {
  for (let z = 0; z < y[0]; z++)
    for (let row = 0; row < y[1]; row++)
      visit((z * y[1] + row) * y[2], (z * stride[0] * frame[1] + row * stride[1]) * frame[2]);
}

/** Calls `visit` for each sample and group with the index of its first channel on either side. */
function eachGroup(
  { samples, groups, ins, outs }: Geometry,
  visit: (firstIn: number, firstOut: number, group: number) => void,
): void {
  for (let sample = 0; sample < samples; sample++)
    for (let group = 0; group < groups; group++)
      visit((sample * groups + group) * ins, (sample * groups + group) * outs, group);
}

const frameOf = (g: Geometry, values: Float64Array): Float64Array =>
  reframe(values, g.samples * g.groups * g.ins, g.x, g.sides);

/** y = weight * x; `weight` is [groups * outs, taps]. */
function correlate(g: Geometry, x: Float64Array, weight: Float64Array): Float64Array {
  const { outs, y, taps } = g;
  const rows: Rows = { values: frameOf(g, x), offsets: inFours(taps), stride: g.stride[2] };
  const packed = Array.from({ length: g.groups }, (_, group) =>
    inPairs(weight, outs, taps.length, (out, tap) => (group * outs + out) * taps.length + tap),
  );
  const result = new Float64Array(g.samples * g.groups * outs * cellsOf(y));
  const [first, second] = [new Float64Array(y[2]), new Float64Array(y[2])];
  eachGroup(g, (firstIn, firstOut, group) => {
    const coefficients = packed[group] ?? new Float64Array(0);
    eachRow(g, (inPlane, inFrame) => {
      for (let out = 0; out < outs; out += 2) {
        first.fill(0);
        second.fill(0);
        const origin = firstIn * cellsOf(g.frame) + inFrame;
        addScaledRows(first, second, y[2], rows, origin, coefficients, out * rows.offsets.length);
        result.set(first, (firstOut + out) * cellsOf(y) + inPlane);
        if (out + 1 < outs) result.set(second, (firstOut + out + 1) * cellsOf(y) + inPlane);
      }
    });
  });
  return result;
}

function addTo(target: Float64Array, origin: number, stride: number, row: Float64Array): void {
  for (let p = 0, i = origin; p < row.length; p++, i += stride) target[i] = (target[i] ?? 0) + (row[p] ?? 0);
}

/** The transpose of `correlate`: x from y, with the same weights. */
function spread(g: Geometry, dy: Float64Array, weight: Float64Array): Float64Array {
  const { outs, y, taps } = g;
  const rows: Rows = { values: dy, offsets: inFours(channelOffsets(outs, cellsOf(y))), stride: 1 };
  const packed = Array.from({ length: g.groups }, (_, group) =>
    inPairs(weight, taps.length, outs, (tap, out) => (group * outs + out) * taps.length + tap),
  );
  const frame = new Float64Array(g.samples * g.groups * g.ins * cellsOf(g.frame));
  const [first, second] = [new Float64Array(y[2]), new Float64Array(y[2])];
  eachGroup(g, (firstIn, firstOut, group) => {
    const coefficients = packed[group] ?? new Float64Array(0);
    eachRow(g, (inPlane, inFrame) => {
      for (let tap = 0; tap < taps.length; tap += 2) {
        first.fill(0);
        second.fill(0);
        const origin = firstOut * cellsOf(y) + inPlane;
        addScaledRows(first, second, y[2], rows, origin, coefficients, tap * rows.offsets.length);
        const place = firstIn * cellsOf(g.frame) + inFrame;
        addTo(frame, place + element(taps, tap), g.stride[2], first);
        if (tap + 1 < taps.length) addTo(frame, place + element(taps, tap + 1), g.stride[2], second);
      }
    });
  });
  return reframe(frame, g.samples * g.groups * g.ins, g.frame, negated(g.sides));
}

/** dweight [groups * outs, taps], summed over samples and cells. */
function correlateSides(g: Geometry, x: Float64Array, dy: Float64Array): Float64Array {
  const { outs, y, taps } = g;
  const rows: Rows = { values: frameOf(g, x), offsets: inFours(taps), stride: g.stride[2] };
  const width = 2 * rows.offsets.length;
  const pairs = Math.ceil(outs / 2);
  const sums = Array.from({ length: g.groups * pairs }, () => new Float64Array(width));
  eachGroup(g, (firstIn, firstOut, group) =>
    eachRow(g, (inPlane, inFrame) => {
      for (let pair = 0; pair < pairs; pair++) {
        const first = (firstOut + 2 * pair) * cellsOf(y) + inPlane;
        const second = 2 * pair + 1 < outs ? first + cellsOf(y) : first;
        const into = sums[group * pairs + pair] ?? new Float64Array(0);
        const origin = firstIn * cellsOf(g.frame) + inFrame;
        addProductsOfRows(into, dy, first, second, y[2], rows, origin);
      }
    }),
  );
  const result = new Float64Array(g.groups * outs * taps.length);
  for (let row = 0; row < g.groups * outs; row++) {
    const [group, out] = [Math.floor(row / outs), row % outs];
    for (let tap = 0; tap < taps.length; tap++)
      result[row * taps.length + tap] = sums[group * pairs + (out >> 1)]?.[2 * tap + (out & 1)] ?? Number.NaN;
  }
  return result;
}

/** Adds bias[c] to each cell of channel c, in place; nothing where there is no bias. */
function addBias(y: Float64Array, bias: Float64Array | undefined, cells: number): Float64Array {
  if (bias === undefined) return y;
  for (let i = 0; i < y.length; i++)
    y[i] = (y[i] ?? 0) + (bias[Math.floor(i / cells) % bias.length] ?? Number.NaN);
  return y;
}

/** As the convolution of which it is the transpose: `x` of that one is the result of this. */
const transposedAttributes = ({
  kernel,
  stride,
  crop,
}: {
  readonly kernel: readonly number[];
  readonly stride: readonly number[];
  readonly crop: ConvAttributes['pad'];
}): ConvAttributes => ({ kernel, stride, pad: crop, dilation: kernel.map(() => 1), groups: 1 });

export const convolutionKernels: Kernels<'conv' | 'up_conv' | 'conv_data' | 'conv_weight' | 'channel_sum'> = {
  conv: ({ attrs, inputs, types, type, samples }) => {
    const g = geometry(attrs, types[0], type, samples);
    return addBias(correlate(g, operand(inputs, 0), operand(inputs, 1)), inputs[2], cellsOf(g.y));
  },
  up_conv: ({ attrs, inputs, types, type, samples }) => {
    const g = geometry(transposedAttributes(attrs), type, types[0], samples);
    return addBias(spread(g, operand(inputs, 0), operand(inputs, 1)), inputs[2], cellsOf(g.x));
  },
  conv_data: ({ attrs, inputs, types, type, samples }) =>
    spread(geometry(attrs, type, types[0], samples), operand(inputs, 0), operand(inputs, 1)),
  conv_weight: ({ attrs, inputs, types, samples }) =>
    correlateSides(geometry(attrs, types[0], types[1], samples), operand(inputs, 0), operand(inputs, 1)),
  channel_sum: (call) => {
    const sums = zeros(call);
    const dy = operand(call.inputs, 0);
    const cells = cellsOf(threeExtents(call.types[0]));
    for (let i = 0; i < dy.length; i++) {
      const channel = Math.floor(i / cells) % sums.length;
      sums[channel] = element(sums, channel) + element(dy, i);
    }
    return sums;
  },
};
