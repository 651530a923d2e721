/** Binary cross entropy and focal loss, with their gradients. */
import type { Builder } from './builder.ts';
import { type Classes, castTo, exponentials, weightedOneHot } from './classes.ts';
import { inverseCount, sumOfAll, sumOver } from './formulas.ts';

/** 1 / count * dloss */
const seedOf = (g: Builder, count: string, dloss: string): string =>
  g.op('Mul', [inverseCount(g, count), dloss]);

/** The weight of class `label` where the target says so, else 0. */
function weightAt(g: Builder, weights: readonly number[], target: string, label: number): string {
  const here = g.op('Cast', [g.op('Equal', [target, g.bytes([label], [])])], { to: castTo.f32 });
  return weights.length === 0 ? here : g.op('Mul', [here, g.float(weights[label] ?? 0)]);
}

type Binary = { readonly rank: number; readonly weights: readonly number[] };

/** Σ w₀ log(1 + exp x) + w₁ log(1 + exp -x), each over the cells of its label, / count */
export function binaryCrossEntropy(
  g: Builder,
  { rank, weights }: Binary,
  [x, target, count]: readonly [string, string, string],
): string {
  const no = g.op('Mul', [weightAt(g, weights, target, 0), g.op('Softplus', [x])]);
  const yes = g.op('Mul', [weightAt(g, weights, target, 1), g.op('Softplus', [g.op('Neg', [x])])]);
  return g.op('Mul', [sumOfAll(g, g.op('Add', [no, yes]), rank), inverseCount(g, count)]);
}

/** dloss / count * (w₀ sigmoid(x) - w₁ sigmoid(-x)), each where its label is */
export function binaryCrossEntropyGradient(
  g: Builder,
  { weights }: Pick<Binary, 'weights'>,
  [x, target, count, dloss]: readonly [string, string, string, string],
): string {
  const no = g.op('Mul', [weightAt(g, weights, target, 0), g.op('Sigmoid', [x])]);
  const yes = g.op('Mul', [weightAt(g, weights, target, 1), g.op('Sigmoid', [g.op('Neg', [x])])]);
  return g.op('Mul', [g.op('Sub', [no, yes]), seedOf(g, count, dloss)]);
}

export type Focal = Classes & { readonly gamma: number };

/** Below this share of the other classes, -log p is its series: the logarithm itself would cancel in fp32. */
const sure = 0.01;

/** Of each cell: p of its label, 1 - p as the sum of the other shares, and -log p / (1 - p). */
type Focus = {
  readonly shares: string;
  readonly hot: string;
  readonly p: string;
  readonly miss: string;
  readonly ratio: string;
  /** The label's weight; 0 where there is no label. */
  readonly weight: string;
};

function focus(g: Builder, focal: Focal, x: string, target: string): Focus {
  const hot = weightedOneHot(g, { ...focal, weights: [] }, target);
  const { e, sum, max } = exponentials(g, x);
  const shares = g.op('Div', [e, sum]);
  const ofLabel = g.op('Mul', [shares, hot]);
  const miss = sumOver(g, g.op('Sub', [shares, ofLabel]), [1], true);
  const terms = g.op('Mul', [hot, g.op('Sub', [g.op('Add', [g.op('Log', [sum]), max]), x])]);
  const series = g.op('Add', [
    g.op('Mul', [g.op('Add', [g.op('Mul', [miss, g.float(1 / 3)]), g.float(1 / 2)]), miss]),
    g.float(1),
  ]);
  const isSure = g.op('Less', [miss, g.float(sure)]);
  const weight = focal.weights.length === 0 ? hot : weightedOneHot(g, focal, target);
  return {
    shares,
    hot,
    p: sumOver(g, ofLabel, [1], true),
    miss,
    ratio: g.op('Where', [isSure, series, g.op('Div', [sumOver(g, terms, [1], true), miss])]),
    weight: sumOver(g, weight, [1], true),
  };
}

const power = (g: Builder, x: string, exponent: number): string =>
  exponent === 2 ? g.op('Mul', [x, x]) : g.op('Pow', [x, g.float(exponent)]);

/** Σ w (1 - p)^γ -log p / count */
export function focalLoss(
  g: Builder,
  focal: Focal,
  [x, target, count]: readonly [string, string, string],
): string {
  const { miss, ratio, weight } = focus(g, focal, x, target);
  const surprise = g.op('Mul', [ratio, miss]);
  const terms = g.op('Mul', [weight, g.op('Mul', [power(g, miss, focal.gamma), surprise])]);
  return g.op('Mul', [sumOfAll(g, terms, focal.rank), inverseCount(g, count)]);
}

/** dloss / count * w (1 - p)^γ (1 + γ p -log p / (1 - p)) * (softmax(x) - one hot) */
export function focalGradient(
  g: Builder,
  focal: Focal,
  [x, target, count, dloss]: readonly [string, string, string, string],
): string {
  const { shares, hot, p, miss, ratio, weight } = focus(g, focal, x, target);
  const bend = g.op('Mul', [g.op('Mul', [p, ratio]), g.float(focal.gamma)]);
  const slope = g.op('Mul', [power(g, miss, focal.gamma), g.op('Add', [bend, g.float(1)])]);
  const factor = g.op('Mul', [g.op('Mul', [weight, slope]), seedOf(g, count, dloss)]);
  // softmax - one hot cancels at the label: there it is minus the shares of the others
  const others = g.op('Mul', [shares, g.op('Sub', [g.float(1), hot])]);
  return g.op('Mul', [factor, g.op('Sub', [others, g.op('Mul', [hot, miss])])]);
}
