/** Ops in which the channels of a cell meet: softmax, and products with a gate that all channels share. */
import type { ValueType } from '../../../ir/type.ts';
import { element, type Kernels, operand, planesOf, zeros } from './kernel.ts';

/** Calls `visit` with the places of each cell of each sample: of its first channel, and in a map of one channel. */
export function eachCell(
  type: ValueType | undefined,
  samples: number,
  visit: (first: number, alone: number) => void,
): void {
  const { channels, cells } = planesOf(type);
  for (let sample = 0; sample < samples; sample++)
    for (let cell = 0; cell < cells; cell++) visit(sample * channels * cells + cell, sample * cells + cell);
}

export const gateKernels: Kernels<'softmax' | 'softmax_grad' | 'mul' | 'gate_grad'> = {
  softmax: (call) => {
    const y = zeros(call);
    const x = operand(call.inputs, 0);
    const { channels, cells } = planesOf(call.types[0]);
    eachCell(call.types[0], call.samples, (first) => {
      const places = Array.from({ length: channels }, (_, channel) => first + channel * cells);
      const largest = Math.max(...places.map((i) => element(x, i)));
      for (const i of places) y[i] = Math.exp(element(x, i) - largest);
      const sum = places.reduce((all, i) => all + element(y, i), 0);
      for (const i of places) y[i] = element(y, i) / sum;
    });
    return y;
  },
  softmax_grad: (call) => {
    const dx = zeros(call);
    const [y, dy] = [operand(call.inputs, 0), operand(call.inputs, 1)];
    const { channels, cells } = planesOf(call.types[0]);
    eachCell(call.types[0], call.samples, (first) => {
      const places = Array.from({ length: channels }, (_, channel) => first + channel * cells);
      const sum = places.reduce((all, i) => all + element(dy, i) * element(y, i), 0);
      for (const i of places) dx[i] = element(y, i) * (element(dy, i) - sum);
    });
    return dx;
  },
  mul: (call) => {
    const y = zeros(call);
    const [x, gate] = [operand(call.inputs, 0), operand(call.inputs, 1)];
    const { channels, cells } = planesOf(call.types[0]);
    const shared = planesOf(call.types[1]).channels < channels;
    eachCell(call.types[0], call.samples, (first, alone) => {
      for (let channel = 0; channel < channels; channel++) {
        const i = first + channel * cells;
        y[i] = element(x, i) * element(gate, shared ? alone : i);
      }
    });
    return y;
  },
  gate_grad: (call) => {
    const d = zeros(call);
    const [dy, x] = [operand(call.inputs, 0), operand(call.inputs, 1)];
    const { channels, cells } = planesOf(call.types[0]);
    eachCell(call.types[0], call.samples, (first, alone) => {
      let sum = 0;
      for (let channel = 0; channel < channels; channel++)
        sum += element(dy, first + channel * cells) * element(x, first + channel * cells);
      d[alone] = sum;
    });
    return d;
  },
};
