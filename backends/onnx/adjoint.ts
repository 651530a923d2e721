/** Emission of the ops that gradients are made of, and of what notes bytes for them. */

import { at } from '../../ir/box.ts';
import type { OpKind } from '../../ir/ops/attributes.ts';
import type { Builder } from './builder.ts';
import { floatTensor } from './builder.ts';
import { crossEntropyGradient } from './classes.ts';
import { convData } from './conv-data.ts';
import { convWeight } from './conv-weight.ts';
import { diceGradient, diceSumsGradient } from './dice.ts';
import { channelsAt, type EmitTable, extentAt, type Site } from './emitter.ts';
import { binaryCrossEntropyGradient, focalGradient } from './entropies.ts';
import { inverseCount, normalOf, slice, spatialAxes, sumOver, toBool, toByte, toFloat } from './formulas.ts';
import {
  axesOf,
  cellsOf,
  centered,
  groupedBy,
  intoGroups,
  inverseDeviation,
  outOfGroups,
  pairOf,
  perCell,
  shared,
} from './moments.ts';
import {
  avgPoolGradient,
  maxPoolGradient,
  maxPoolIndex,
  maxPoolIndexGradient,
  resizeGradient,
} from './pools.ts';
import { stretchGradient } from './stretch.ts';

/** Times this, every positive normal number is at least 1. */
const steep = 3.4e38;

/** 1 where y is positive, else 0, in one pass over memory: a clipped, very steep line. */
const isPositive = (g: Builder, y: string): string =>
  g.op('HardSigmoid', [y], { alpha: { float: steep }, beta: { float: 0 } });

function leakyReluGradient(g: Builder, slope: number, y: string, dy: string): string {
  if (slope >= 0 && slope <= 1)
    return g.op('Mul', [dy, g.op('Clip', [g.op('Mul', [y, g.float(steep)]), g.float(slope), g.float(1)])]);
  const positive = g.op('Greater', [y, g.float(0)]);
  return g.op('Where', [positive, dy, g.op('Mul', [dy, g.float(slope)])]);
}

/** dy times 1 or the slope: no matter of rounding, as a sum of products would be. */
function reluMaskGradient(g: Builder, slope: number, mask: string, dy: string): string {
  if (slope < 0 || slope > 1) return g.op('Where', [toBool(g, mask), dy, g.op('Mul', [dy, g.float(slope)])]);
  const passing = toFloat(g, mask);
  return g.op('Mul', [dy, slope === 0 ? passing : g.op('Clip', [passing, g.float(slope), g.float(1)])]);
}

/** dy * (s + x * s * (1 - s)), s = sigmoid(x) */
function siluGradient(g: Builder, x: string, dy: string): string {
  const s = g.op('Sigmoid', [x]);
  const bend = g.op('Mul', [g.op('Mul', [x, s]), g.op('Sub', [g.float(1), s])]);
  return g.op('Mul', [dy, g.op('Add', [s, bend])]);
}

/** dy * (Φ(x) + x exp(-x²/2) / √2π) */
function geluGradient(g: Builder, x: string, dy: string): string {
  const bell = g.op('Exp', [g.op('Mul', [g.op('Mul', [x, x]), g.float(-0.5)])]);
  const slope = g.op('Mul', [g.op('Mul', [x, bell]), g.float(1 / Math.sqrt(2 * Math.PI))]);
  return g.op('Mul', [dy, g.op('Add', [normalOf(g, x), slope])]);
}

/** y * (dy - Σ dy y) */
function softmaxGradient(g: Builder, y: string, dy: string): string {
  const sum = sumOver(g, g.op('Mul', [dy, y]), [1], true);
  return g.op('Mul', [y, g.op('Sub', [dy, sum])]);
}

/** dmean / N + (x - mean) * 2 dvariance / N, each cotangent summed over the samples that share it. */
function momentsGradient(
  g: Builder,
  { attrs: { over }, types }: Site<'moments_grad'>,
  x: string,
  both: string,
  d: string,
): string {
  const view = groupedBy(at(types, 0), at(types, 1));
  const [stats, cotangents, cells] = [perCell(g, both, view), perCell(g, d, view), over * cellsOf(view)];
  const sum = (part: string): string => shared(g, 'ReduceSum', part, over, view);
  const slope = g.op('Mul', [sum(cotangents.variance), g.float(2 / cells)]);
  const level = g.op('Mul', [sum(cotangents.mean), g.float(1 / cells)]);
  const away = centered(g, intoGroups(g, x, view), stats);
  return outOfGroups(g, g.op('Add', [g.op('Mul', [away, slope]), level]), view);
}

/** dy / sqrt(variance + epsilon) */
function normalizeGradient(
  g: Builder,
  { attrs, types }: Site<'normalize_grad'>,
  both: string,
  dy: string,
): string {
  const view = groupedBy(at(types, 0), at(types, 1));
  const rate = inverseDeviation(g, perCell(g, both, view), attrs.epsilon);
  return outOfGroups(g, g.op('Mul', [intoGroups(g, dy, view), rate]), view);
}

/** Σ -dy r and Σ -dy (x - mean) r³ / 2, r = 1 / sqrt(variance + epsilon) */
function normalizeMomentsGradient(
  g: Builder,
  { attrs, types }: Site<'normalize_moments_grad'>,
  x: string,
  both: string,
  dy: string,
): string {
  const view = groupedBy(at(types, 0), at(types, 1));
  const stats = perCell(g, both, view);
  const [away, flowing] = [centered(g, intoGroups(g, x, view), stats), intoGroups(g, dy, view)];
  const r = inverseDeviation(g, stats, attrs.epsilon);
  const mean = g.op('Mul', [sumOver(g, flowing, axesOf(view), true), g.op('Neg', [r])]);
  const moved = sumOver(g, g.op('Mul', [flowing, away]), axesOf(view), true);
  const cube = g.op('Mul', [g.op('Mul', [r, r]), g.op('Mul', [r, g.float(-0.5)])]);
  return pairOf(g, { mean, variance: g.op('Mul', [moved, cube]) }, view);
}

/** Σ f (cos(x f) dsin - sin(x f) dcos) */
function sineGradient(
  g: Builder,
  { attrs: { frequencies } }: Site<'sine_grad'>,
  x: string,
  dy: string,
): string {
  const half = frequencies.length;
  const factors = g.floats(frequencies, [1, half]);
  const angles = g.op('Mul', [x, factors]);
  const dSin = slice(g, dy, [{ axis: 1, from: 0, to: half }]);
  const dCos = slice(g, dy, [{ axis: 1, from: half, to: 2 * half }]);
  const rise = g.op('Mul', [g.op('Cos', [angles]), dSin]);
  const fall = g.op('Mul', [g.op('Sin', [angles]), dCos]);
  return sumOver(g, g.op('Mul', [g.op('Sub', [rise, fall]), factors]), [1], true);
}

/** The axes of samples and cells, and not the channels'. */
const allButChannels = (types: Site<'channel_dot'>['types']): number[] => [
  0,
  ...spatialAxes(extentAt(types, 0).length),
];

export const adjointEmits = {
  fill: (g, { attrs: { value, dims } }) =>
    g.op('ConstantOfShape', [g.ints(dims)], { value: floatTensor([value], [1]) }),
  conv_data: convData,
  conv_weight: convWeight,
  channel_sum: (g, { types }, dy) => sumOver(g, dy, allButChannels(types), false),
  channel_dot: (g, { types }, dy, x) => sumOver(g, g.op('Mul', [dy, x]), allButChannels(types), false),
  space_sum: (g, { types }, dy) => sumOver(g, dy, spatialAxes(extentAt(types, 0).length), false),
  linear_data: (g, _site, dy, weight) => g.op('MatMul', [dy, weight]),
  linear_weight: (g, _site, x, dy) => g.op('Gemm', [dy, x], { transA: 1 }),
  sine_grad: sineGradient,
  relu_grad: (g, _site, y, dy) => g.op('Mul', [dy, isPositive(g, y)]),
  leaky_relu_grad: (g, { attrs }, y, dy) => leakyReluGradient(g, attrs.slope, y, dy),
  relu_mask: (g, _site, y) => toByte(g, g.op('Greater', [y, g.float(0)])),
  relu_mask_grad: (g, { attrs }, mask, dy) => reluMaskGradient(g, attrs.slope, mask, dy),
  silu_grad: (g, _site, x, dy) => siluGradient(g, x, dy),
  sigmoid_grad: (g, _site, y, dy) => g.op('Mul', [dy, g.op('Mul', [y, g.op('Sub', [g.float(1), y])])]),
  gelu_grad: (g, _site, x, dy) => geluGradient(g, x, dy),
  softmax_grad: (g, _site, y, dy) => softmaxGradient(g, y, dy),
  gate_grad: (g, _site, dy, x) => sumOver(g, g.op('Mul', [dy, x]), [1], true),
  max_pool_grad: (g, site, x, _y, dy) => maxPoolGradient(g, site, x, dy),
  max_pool_index: maxPoolIndex,
  max_pool_index_grad: maxPoolIndexGradient,
  avg_pool_grad: avgPoolGradient,
  channels: (g, { attrs: { from, to } }, x) => slice(g, x, [{ axis: 1, from, to }]),
  resize_grad: resizeGradient,
  stretch_grad: stretchGradient,
  moments_grad: momentsGradient,
  normalize_grad: (g, site, _x, both, dy) => normalizeGradient(g, site, both, dy),
  normalize_moments_grad: normalizeMomentsGradient,
  cross_entropy_grad(g, { attrs, types }, logits, target, count, dloss) {
    const classes = { classes: channelsAt(types, 0), rank: extentAt(types, 0).length, ...attrs };
    return crossEntropyGradient(g, classes, [logits, target, count, dloss]);
  },
  binary_cross_entropy_grad: (g, { attrs }, x, target, count, dloss) =>
    binaryCrossEntropyGradient(g, attrs, [x, target, count, dloss]),
  focal_grad(g, { attrs, types }, x, target, count, dloss) {
    const focal = { classes: channelsAt(types, 0), rank: extentAt(types, 0).length, ...attrs };
    return focalGradient(g, focal, [x, target, count, dloss]);
  },
  l1_grad(g, _site, x, target, count, dloss) {
    const side = g.op('Sign', [g.op('Sub', [x, target])]);
    return g.op('Mul', [side, g.op('Mul', [inverseCount(g, count), dloss])]);
  },
  dice_sums_grad: diceSumsGradient,
  dice_grad: diceGradient,
  mse_grad(g, _site, x, target, count, dloss) {
    const factor = g.op('Mul', [g.op('Mul', [inverseCount(g, count), dloss]), g.float(2)]);
    return g.op('Mul', [g.op('Sub', [x, target]), factor]);
  },
  scale: (g, { attrs }, x) => g.op('Mul', [x, g.float(attrs.factor)]),
} satisfies Partial<EmitTable<OpKind>>;
