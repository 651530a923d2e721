/** Ops that know classes: arg-max, cross entropy and its gradient. Channels are classes. */
import type { Builder } from './builder.ts';
import { channelConstant, indices, inverseCount, ones, slice, sumOfAll, sumOver } from './formulas.ts';
import { comparesClasses } from './rules.ts';

export type Classes = {
  readonly classes: number;
  readonly rank: number;
  /** Of each class; empty: all 1. */
  readonly weights: readonly number[];
};

const channel = (g: Builder, x: string, index: number): string =>
  slice(g, x, [{ axis: 1, from: index, to: index + 1 }]);

/** A running maximum over the classes. */
function classifyByComparing(g: Builder, classes: number, x: string): string {
  let best = channel(g, x, 0);
  let label = '';
  for (const index of indices(classes).slice(1)) {
    const next = channel(g, x, index);
    const larger = g.op('Greater', [next, best]);
    label =
      index === 1
        ? g.op('Cast', [larger], { to: castTo.u8 })
        : g.op('Where', [larger, g.bytes([index], []), label]);
    best = g.op('Max', [best, next]);
  }
  return label;
}

/** Numbers of ONNX's element types for `Cast`. */
export const castTo = { f32: 1, u8: 2 } as const;

/** The index of the largest channel, lowest first in ties, u8; of one channel whether it is above 0. */
export function classify(g: Builder, classes: number, x: string): string {
  if (classes === 1) return g.op('Cast', [g.op('Greater', [x, g.float(0)])], { to: castTo.u8 });
  if (comparesClasses(classes)) return classifyByComparing(g, classes, x);
  return g.op('Cast', [g.op('ArgMax', [x], { axis: 1, keepdims: 1 })], { to: castTo.u8 });
}

/** [samples, classes, ...]: the weight of the class in the channel of the label, else 0. */
export function weightedOneHot(g: Builder, { classes, rank, weights }: Classes, target: string): string {
  const labels = g.bytes(indices(classes), [classes, ...ones(rank)]);
  const hot = g.op('Cast', [g.op('Equal', [target, labels])], { to: castTo.f32 });
  return weights.length === 0 ? hot : g.op('Mul', [hot, channelConstant(g, weights, rank)]);
}

/** exp(x - max) and its sum over the channels. */
export function exponentials(g: Builder, x: string): { e: string; sum: string; max: string } {
  const max = g.op('ReduceMax', [x, g.ints([1])], { keepdims: 1 });
  const e = g.op('Exp', [g.op('Sub', [x, max])]);
  return { e, sum: sumOver(g, e, [1], true), max };
}

/** Σ w[label] * (log Σ exp x - x[label]) / count */
export function crossEntropy(g: Builder, classes: Classes, x: string, target: string, count: string): string {
  const { sum, max } = exponentials(g, x);
  const surprise = g.op('Sub', [g.op('Add', [g.op('Log', [sum]), max]), x]);
  const terms = g.op('Mul', [weightedOneHot(g, classes, target), surprise]);
  return g.op('Mul', [sumOfAll(g, terms, classes.rank), inverseCount(g, count)]);
}

/** dloss / count * w[label] * (softmax(x) - one hot) */
export function crossEntropyGradient(
  g: Builder,
  classes: Classes,
  [x, target, count, dloss]: readonly [string, string, string, string],
): string {
  const factor = g.op('Mul', [inverseCount(g, count), dloss]);
  const hot = g.op('Mul', [weightedOneHot(g, classes, target), factor]);
  const { e, sum } = exponentials(g, x);
  const weight = g.op('Div', [sumOver(g, hot, [1], true), sum]);
  return g.op('Sub', [g.op('Mul', [e, weight]), hot]);
}
