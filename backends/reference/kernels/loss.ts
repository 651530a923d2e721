/** Losses, their adjoints, and the classes that logits stand for. */

import type { ValueType } from '../../../ir/type.ts';
import { element, type Kernels, operand, planesOf, zeros } from './kernel.ts';

/** The channels of one cell of a map: `base + channel * cells`. */
type Cell = { readonly base: number; readonly cells: number; readonly index: number };

/** Each cell of each sample; `index` is its place in a map of one channel. */
function* eachCell(type: ValueType | undefined, samples: number): Generator<Cell> {
  const { channels, cells } = planesOf(type);
  for (let sample = 0; sample < samples; sample++)
    for (let cell = 0; cell < cells; cell++)
      yield { base: sample * channels * cells + cell, cells, index: sample * cells + cell };
}

const channelsAt = (values: Float64Array, { base, cells }: Cell, channels: number): number[] =>
  Array.from({ length: channels }, (_, channel) => element(values, base + channel * cells));

/** log Σ exp(x), without overflow. */
function logSumExp(values: readonly number[]): number {
  const largest = Math.max(...values);
  return largest + Math.log(values.reduce((sum, value) => sum + Math.exp(value - largest), 0));
}

function firstLargest(values: readonly number[]): number {
  return values.indexOf(Math.max(...values));
}

/** `1 / count`; 0 where nothing is counted, so that the loss and its gradient are 0. */
const perCount = (count: Float64Array): number => (element(count, 0) === 0 ? 0 : 1 / element(count, 0));

const weightOf = (weights: readonly number[], label: number): number =>
  weights.length === 0 ? 1 : element(weights, label);

/** What focal loss needs of one cell: p of the label, 1 - p without cancellation, and -log p / (1 - p). */
function focus(values: readonly number[], label: number): { p: number; miss: number; ratio: number } {
  const norm = logSumExp(values);
  const [p, miss] = values.reduce(
    ([hit, others], value, channel) => {
      const share = Math.exp(value - norm);
      return channel === label ? [share, others] : [hit, others + share];
    },
    [0, 0],
  );
  const surprise = miss < 0.5 ? -Math.log1p(-miss) : norm - element(values, label);
  return { p, miss, ratio: miss === 0 ? 1 : surprise / miss };
}

/** log(1 + exp(x)), without overflow. */
const softplus = (x: number): number => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));

export const lossKernels: Kernels<
  | 'classify'
  | 'cross_entropy'
  | 'cross_entropy_grad'
  | 'binary_cross_entropy'
  | 'binary_cross_entropy_grad'
  | 'focal'
  | 'focal_grad'
  | 'l1'
  | 'l1_grad'
  | 'mse'
  | 'mse_grad'
  | 'weighted_sum'
> = {
  classify: (call) => {
    const classes = zeros(call);
    const logits = operand(call.inputs, 0);
    const { channels } = planesOf(call.types[0]);
    for (const cell of eachCell(call.types[0], call.samples)) {
      const values = channelsAt(logits, cell, channels);
      classes[cell.index] = channels === 1 ? Number(element(values, 0) > 0) : firstLargest(values);
    }
    return classes;
  },
  cross_entropy: ({ attrs, inputs, types, samples }) => {
    const [logits, target, count] = [operand(inputs, 0), operand(inputs, 1), operand(inputs, 2)];
    const { channels } = planesOf(types[0]);
    let sum = 0;
    for (const cell of eachCell(types[0], samples)) {
      const label = element(target, cell.index);
      if (label >= channels) continue;
      const values = channelsAt(logits, cell, channels);
      sum += weightOf(attrs.weights, label) * (logSumExp(values) - element(values, label));
    }
    return Float64Array.of(sum * perCount(count));
  },
  cross_entropy_grad: (call) => {
    const d = zeros(call);
    const [logits, target] = [operand(call.inputs, 0), operand(call.inputs, 1)];
    const seed = element(operand(call.inputs, 3), 0) * perCount(operand(call.inputs, 2));
    const { channels } = planesOf(call.types[0]);
    for (const cell of eachCell(call.types[0], call.samples)) {
      const label = element(target, cell.index);
      if (label >= channels) continue;
      const values = channelsAt(logits, cell, channels);
      const [weight, norm] = [weightOf(call.attrs.weights, label), logSumExp(values)];
      values.forEach((value, channel) => {
        const softmax = Math.exp(value - norm);
        d[cell.base + channel * cell.cells] = seed * weight * (softmax - (channel === label ? 1 : 0));
      });
    }
    return d;
  },
  binary_cross_entropy: ({ attrs, inputs }) => {
    const [logits, target, count] = [operand(inputs, 0), operand(inputs, 1), operand(inputs, 2)];
    let sum = 0;
    logits.forEach((x, i) => {
      const label = element(target, i);
      if (label <= 1) sum += weightOf(attrs.weights, label) * softplus(label === 1 ? -x : x);
    });
    return Float64Array.of(sum * perCount(count));
  },
  binary_cross_entropy_grad: ({ attrs, inputs }) => {
    const [logits, target] = [operand(inputs, 0), operand(inputs, 1)];
    const seed = element(operand(inputs, 3), 0) * perCount(operand(inputs, 2));
    return logits.map((x, i) => {
      const label = element(target, i);
      return label > 1 ? 0 : seed * weightOf(attrs.weights, label) * (1 / (1 + Math.exp(-x)) - label);
    });
  },
  focal: ({ attrs, inputs, types, samples }) => {
    const [logits, target, count] = [operand(inputs, 0), operand(inputs, 1), operand(inputs, 2)];
    const { channels } = planesOf(types[0]);
    let sum = 0;
    for (const cell of eachCell(types[0], samples)) {
      const label = element(target, cell.index);
      if (label >= channels) continue;
      const { miss, ratio } = focus(channelsAt(logits, cell, channels), label);
      sum += weightOf(attrs.weights, label) * miss ** attrs.gamma * ratio * miss;
    }
    return Float64Array.of(sum * perCount(count));
  },
  focal_grad: (call) => {
    const d = zeros(call);
    const [logits, target] = [operand(call.inputs, 0), operand(call.inputs, 1)];
    const seed = element(operand(call.inputs, 3), 0) * perCount(operand(call.inputs, 2));
    const { gamma, weights } = call.attrs;
    const { channels } = planesOf(call.types[0]);
    for (const cell of eachCell(call.types[0], call.samples)) {
      const label = element(target, cell.index);
      if (label >= channels) continue;
      const values = channelsAt(logits, cell, channels);
      const { p, miss, ratio } = focus(values, label);
      const factor = seed * weightOf(weights, label) * miss ** gamma * (1 + gamma * p * ratio);
      const norm = logSumExp(values);
      values.forEach((value, channel) => {
        const away = channel === label ? -miss : Math.exp(value - norm);
        d[cell.base + channel * cell.cells] = factor * away;
      });
    }
    return d;
  },
  l1: ({ inputs }) => {
    const [x, target, count] = [operand(inputs, 0), operand(inputs, 1), operand(inputs, 2)];
    const sum = x.reduce((all, value, i) => all + Math.abs(value - element(target, i)), 0);
    return Float64Array.of(sum * perCount(count));
  },
  l1_grad: ({ inputs }) => {
    const [x, target] = [operand(inputs, 0), operand(inputs, 1)];
    const seed = element(operand(inputs, 3), 0) * perCount(operand(inputs, 2));
    return x.map((value, i) => seed * Math.sign(value - element(target, i)));
  },
  mse: ({ inputs }) => {
    const [x, target, count] = [operand(inputs, 0), operand(inputs, 1), operand(inputs, 2)];
    const sum = x.reduce((all, value, i) => all + (value - element(target, i)) ** 2, 0);
    return Float64Array.of(sum * perCount(count));
  },
  mse_grad: ({ inputs }) => {
    const [x, target] = [operand(inputs, 0), operand(inputs, 1)];
    const seed = element(operand(inputs, 3), 0) * perCount(operand(inputs, 2));
    return x.map((value, i) => 2 * seed * (value - element(target, i)));
  },
  weighted_sum: ({ attrs, inputs }) =>
    Float64Array.of(inputs.reduce((sum, loss, i) => sum + element(attrs.weights, i) * element(loss, 0), 0)),
};
