/** Ops on vectors, and where vectors or numbers a channel meet maps. */
import type { ValueType } from '../../../ir/type.ts';
import { element, type Kernels, operand, planesOf, zeros } from './kernel.ts';

const channelsOf = (type: ValueType | undefined): number => planesOf(type).channels;

/** Calls `visit` for each sample, row (output channel) and column (input channel) of a matrix. */
function eachProduct(
  samples: number,
  rows: number,
  columns: number,
  visit: (row: number, column: number, weight: number) => void,
): void {
  for (let sample = 0; sample < samples; sample++)
    for (let row = 0; row < rows; row++)
      for (let column = 0; column < columns; column++)
        visit(sample * rows + row, sample * columns + column, row * columns + column);
}

/** sums[i] += by */
function add(sums: Float64Array, i: number, by: number): void {
  sums[i] = element(sums, i) + by;
}

export const vectorKernels: Kernels<
  | 'linear'
  | 'linear_data'
  | 'linear_weight'
  | 'sine'
  | 'sine_grad'
  | 'scale_shift'
  | 'channel_dot'
  | 'space_sum'
> = {
  linear: (call) => {
    const y = zeros(call);
    const [x, weight, bias] = [operand(call.inputs, 0), operand(call.inputs, 1), call.inputs[2]];
    const [rows, columns] = [channelsOf(call.type), channelsOf(call.types[0])];
    eachProduct(call.samples, rows, columns, (row, column, w) =>
      add(y, row, element(weight, w) * element(x, column)),
    );
    return bias === undefined ? y : y.map((value, i) => value + element(bias, i % rows));
  },
  linear_data: (call) => {
    const dx = zeros(call);
    const [dy, weight] = [operand(call.inputs, 0), operand(call.inputs, 1)];
    eachProduct(call.samples, channelsOf(call.types[0]), channelsOf(call.type), (row, column, w) =>
      add(dx, column, element(weight, w) * element(dy, row)),
    );
    return dx;
  },
  linear_weight: (call) => {
    const d = zeros(call);
    const [x, dy] = [operand(call.inputs, 0), operand(call.inputs, 1)];
    eachProduct(call.samples, channelsOf(call.types[1]), channelsOf(call.types[0]), (row, column, w) =>
      add(d, w, element(dy, row) * element(x, column)),
    );
    return d;
  },
  sine: (call) => {
    const { frequencies } = call.attrs;
    const half = frequencies.length;
    return zeros(call).map((_, i) => {
      const [sample, channel] = [Math.floor(i / (2 * half)), i % (2 * half)];
      const angle = element(operand(call.inputs, 0), sample) * element(frequencies, channel % half);
      return channel < half ? Math.sin(angle) : Math.cos(angle);
    });
  },
  sine_grad: ({ attrs: { frequencies }, inputs }) => {
    const [x, dy] = [operand(inputs, 0), operand(inputs, 1)];
    const half = frequencies.length;
    return x.map((value, sample) =>
      frequencies.reduce((sum, f, i) => {
        const [dSin, dCos] = [element(dy, 2 * half * sample + i), element(dy, 2 * half * sample + half + i)];
        return sum + f * (Math.cos(value * f) * dSin - Math.sin(value * f) * dCos);
      }, 0),
    );
  },
  scale_shift: ({ inputs, types }) => {
    const [x, scale, shift] = [operand(inputs, 0), operand(inputs, 1), inputs[2]];
    const { channels, cells } = planesOf(types[0]);
    return x.map((value, i) => {
      const channel = Math.floor(i / cells) % channels;
      return value * element(scale, channel) + (shift === undefined ? 0 : element(shift, channel));
    });
  },
  channel_dot: (call) => {
    const sums = zeros(call);
    const [dy, x] = [operand(call.inputs, 0), operand(call.inputs, 1)];
    const { channels, cells } = planesOf(call.types[0]);
    dy.forEach((value, i) => {
      add(sums, Math.floor(i / cells) % channels, value * element(x, i));
    });
    return sums;
  },
  space_sum: (call) => {
    const sums = zeros(call);
    const { cells } = planesOf(call.types[0]);
    operand(call.inputs, 0).forEach((value, i) => {
      add(sums, Math.floor(i / cells), value);
    });
    return sums;
  },
};
