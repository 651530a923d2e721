/** Emission of the ops of forward graphs. No formula depends on the number of samples. */
import { at } from '../../ir/box.ts';
import type { ConvAttributes, OpKind, PoolAttributes } from '../../ir/ops/attributes.ts';
import type { Builder } from './builder.ts';
import { classify, crossEntropy } from './classes.ts';
import { dice, diceSums } from './dice.ts';
import { channelsAt, type EmitTable, extentAt, type Site } from './emitter.ts';
import { binaryCrossEntropy, focalLoss } from './entropies.ts';
import { fitWindow } from './fit-window.ts';
import {
  channelConstant,
  cropSpace,
  enlarge,
  inverseCount,
  meanOver,
  normalOf,
  padSpace,
  sidesList,
  slice,
  spatialAxes,
  squaresOver,
  sumOfAll,
  sumOver,
  windowAttributes,
} from './formulas.ts';
import {
  axesOf,
  cellsOf,
  centered,
  grouped,
  groupedBy,
  intoGroups,
  inverseDeviation,
  outOfGroups,
  pairOf,
  perCell,
  shared,
} from './moments.ts';
import { stretch } from './stretch.ts';

/** Conv with the pads, strides and groups of ours; operands after `x` as they are. */
export function conv(
  g: Builder,
  attrs: ConvAttributes,
  extent: readonly number[],
  x: string,
  ...rest: string[]
): string {
  const fitted = fitWindow(g, x, extent, attrs);
  return g.op('Conv', [fitted.x, ...rest], {
    ...windowAttributes(attrs),
    dilations: attrs.dilation,
    pads: sidesList(fitted.pad),
    group: attrs.groups,
  });
}

function maxPool(g: Builder, attrs: PoolAttributes, extent: readonly number[], x: string): string {
  const fitted = fitWindow(g, x, extent, attrs);
  return g.op('MaxPool', [fitted.x], { ...windowAttributes(attrs), pads: sidesList(fitted.pad) });
}

/** Linear along each axis between the centres of cells. */
const blend = (g: Builder, x: string, factor: readonly number[]): string =>
  g.op('Resize', [x, '', g.floats([1, 1, ...factor])], {
    mode: 'linear',
    coordinate_transformation_mode: 'half_pixel',
  });

/** Two passes: a mean of squares minus a squared mean loses the variance where the mean is large. */
function moments(g: Builder, { attrs, types }: Site<'moments'>, x: string): string {
  const view = grouped(at(types, 0), attrs.groups);
  const seen = intoGroups(g, x, view);
  const together = (each: string): string => shared(g, 'ReduceMean', each, attrs.over, view);
  const mean = together(meanOver(g, seen, axesOf(view)));
  const squares = squaresOver(g, g.op('Sub', [seen, mean]), axesOf(view));
  const variance = together(g.op('Mul', [squares, g.float(1 / cellsOf(view))]));
  return pairOf(g, { mean, variance }, view);
}

function runningShare(g: Builder, { attrs, types }: Site<'running_share'>, both: string): string {
  const groups = channelsAt(types, 0) / 2;
  const { of, samples, cells, over } = attrs;
  const count = cells * over;
  const from = of === 'mean' ? 0 : groups;
  const part = slice(g, both, [{ axis: 1, from, to: from + groups }]);
  const factor = (of === 'mean' ? 1 : count / (count - 1)) / samples;
  return g.op('Mul', [sumOver(g, part, [0], false), g.float(factor)]);
}

/** Mean first: of numbers far from 0 a product and then a sum would lose digits. */
function normalizeBy(
  g: Builder,
  { attrs: { epsilon }, types }: Site<'normalize_by'>,
  x: string,
  mean: string,
  variance: string,
): string {
  const rank = extentAt(types, 0).length;
  const rate = g.op('Reciprocal', [g.op('Sqrt', [g.op('Add', [variance, g.float(epsilon)])])]);
  const away = g.op('Add', [x, overSpace(g, g.op('Neg', [mean]), rank)]);
  return g.op('Mul', [away, overSpace(g, rate, rank)]);
}

function normalize(g: Builder, { attrs, types }: Site<'normalize'>, x: string, both: string): string {
  const view = groupedBy(at(types, 0), at(types, 1));
  const stats = perCell(g, both, view);
  const away = centered(g, intoGroups(g, x, view), stats);
  return outOfGroups(g, g.op('Mul', [away, inverseDeviation(g, stats, attrs.epsilon)]), view);
}

/** One number a channel, of an array or a vector, gets axes of space to broadcast over. */
const overSpace = (g: Builder, numbers: string, rank: number): string =>
  rank === 0
    ? numbers
    : g.op('Unsqueeze', [numbers, g.ints(spatialAxes(rank).map((axis) => axis - 2 - rank))]);

/** With a shift, a batch norm of mean 0 and variance 1 does it in one pass over memory. */
function scaleShift(g: Builder, { types }: Site<'scale_shift'>, x: string, scale: string, shift?: string) {
  if (shift === undefined) return g.op('Mul', [x, overSpace(g, scale, extentAt(types, 0).length)]);
  const channels = channelsAt(types, 0);
  const all = (value: number): string => g.floats(Array.from({ length: channels }, () => value));
  return g.op('BatchNormalization', [x, scale, shift, all(0), all(1)], { epsilon: { float: 0 } });
}

/** A vector is added to all cells of a map. */
function add(g: Builder, { types }: Site<'add'>, a: string, b: string): string {
  const [rank, other] = [extentAt(types, 0).length, extentAt(types, 1).length];
  return g.op('Add', [a, rank === other ? b : overSpace(g, b, rank)]);
}

/** sin and cos of x times each frequency. */
function sine(g: Builder, { attrs: { frequencies } }: Site<'sine'>, x: string): string {
  const angles = g.op('Mul', [x, g.floats(frequencies, [1, frequencies.length])]);
  return g.op('Concat', [g.op('Sin', [angles]), g.op('Cos', [angles])], { axis: 1 });
}

/** A mask for each channel gets axes of space to broadcast over. */
function mask(g: Builder, { types }: Site<'mask'>, x: string, m: string): string {
  const [rank, maskRank] = [extentAt(types, 0).length, extentAt(types, 1).length];
  return g.op('Mul', [x, rank === maskRank ? m : overSpace(g, m, rank)]);
}

const isAll = (values: readonly number[], value: number): boolean => values.every((v) => v === value);

export const forwardEmits = {
  affine(g, { attrs: { scale, shift }, types }, x) {
    const rank = extentAt(types, 0).length;
    const scaled = isAll(scale, 1) ? x : g.op('Mul', [x, channelConstant(g, scale, rank)]);
    return isAll(shift, 0) ? scaled : g.op('Add', [scaled, channelConstant(g, shift, rank)]);
  },
  conv: (g, { attrs, types }, x, ...rest) => conv(g, attrs, extentAt(types, 0), x, ...rest),
  // Cropping is what ONNX calls the pads of a transposed convolution.
  up_conv: (g, { attrs }, ...operands) =>
    g.op('ConvTranspose', operands, { ...windowAttributes(attrs), pads: sidesList(attrs.crop) }),
  relu: (g, _site, x) => g.op('Relu', [x]),
  leaky_relu: (g, { attrs }, x) => g.op('LeakyRelu', [x], { alpha: { float: attrs.slope } }),
  silu: (g, _site, x) => g.op('Mul', [x, g.op('Sigmoid', [x])]),
  sigmoid: (g, _site, x) => g.op('Sigmoid', [x]),
  gelu: (g, _site, x) => g.op('Mul', [x, normalOf(g, x)]),
  softmax: (g, _site, x) => g.op('Softmax', [x], { axis: 1 }),
  mul: (g, _site, x, gate) => g.op('Mul', [x, gate]),
  max_pool: (g, { attrs, types }, x) => maxPool(g, attrs, extentAt(types, 0), x),
  avg_pool: (g, { attrs }, x) => g.op('AveragePool', [x], windowAttributes(attrs)),
  concat: (g, _site, ...xs) => g.op('Concat', xs, { axis: 1 }),
  add,
  crop: (g, { attrs, types }, x) => cropSpace(g, x, extentAt(types, 0), attrs.sides),
  pad: (g, { attrs }, x) => padSpace(g, x, attrs.sides),
  resize(g, { attrs, types }, x) {
    const extent = extentAt(types, 0).map((size, axis) => size * at(attrs.factor, axis));
    const enlarged = attrs.mode === 'nearest' ? enlarge(g, x, attrs.factor) : blend(g, x, attrs.factor);
    return cropSpace(g, enlarged, extent, attrs.crop);
  },
  stretch,
  mask,
  moments,
  running_share: runningShare,
  normalize,
  normalize_by: normalizeBy,
  scale_shift: scaleShift,
  linear: (g, _site, ...operands) => g.op('Gemm', operands, { transB: 1 }),
  sine,
  classify: (g, { types }, x) => classify(g, channelsAt(types, 0), x),
  cross_entropy: (g, { attrs, types }, logits, target, count) =>
    crossEntropy(
      g,
      { classes: channelsAt(types, 0), rank: extentAt(types, 0).length, ...attrs },
      logits,
      target,
      count,
    ),
  binary_cross_entropy: (g, { attrs, types }, x, target, count) =>
    binaryCrossEntropy(g, { rank: extentAt(types, 0).length, ...attrs }, [x, target, count]),
  focal: (g, { attrs, types }, x, target, count) =>
    focalLoss(g, { classes: channelsAt(types, 0), rank: extentAt(types, 0).length, ...attrs }, [
      x,
      target,
      count,
    ]),
  l1(g, { types }, x, target, count) {
    const away = g.op('Abs', [g.op('Sub', [x, target])]);
    return g.op('Mul', [sumOfAll(g, away, extentAt(types, 0).length), inverseCount(g, count)]);
  },
  mse(g, { types }, x, target, count) {
    const away = g.op('Sub', [x, target]);
    const sum = sumOfAll(g, g.op('Mul', [away, away]), extentAt(types, 0).length);
    return g.op('Mul', [sum, inverseCount(g, count)]);
  },
  dice_sums: diceSums,
  dice,
  weighted_sum: (g, { attrs }, ...losses) =>
    losses
      .map((loss, i) =>
        at(attrs.weights, i) === 1 ? loss : g.op('Mul', [loss, g.float(at(attrs.weights, i))]),
      )
      .reduce((a, b) => g.op('Add', [a, b])),
} satisfies Partial<EmitTable<OpKind>>;
