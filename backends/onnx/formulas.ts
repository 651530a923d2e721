/** Short phrases of ONNX that several emissions need. */
import { at } from '../../ir/box.ts';
import type { Sides, Window } from '../../ir/ops/attributes.ts';
import type { Builder } from './builder.ts';
import type { NodeType } from './node-facts.ts';
import type { Attribute } from './proto.ts';

export const ones = (count: number): number[] => Array.from({ length: count }, () => 1);

/** The numbers 0 to `count` - 1. */
export const indices = (count: number): number[] => Array.from({ length: count }, (_, index) => index);

/** All positions of a box of these sizes, row-major. */
export const positions = (sizes: readonly number[]): number[][] =>
  sizes.reduce<number[][]>((all, size) => all.flatMap((p) => indices(size).map((i) => [...p, i])), [[]]);

/** Axes of space in `[samples, channels, ...space]`. */
export const spatialAxes = (rank: number): number[] => indices(rank).map((axis) => axis + 2);

/** ONNX lists all low sides, then all high sides. */
export const sidesList = (sides: readonly Sides[]): number[] => [
  ...sides.map(([lo]) => lo),
  ...sides.map(([, hi]) => hi),
];

export const allZero = (sides: readonly Sides[]): boolean => sides.every(([lo, hi]) => lo === 0 && hi === 0);

export const windowAttributes = ({ kernel, stride }: Window): Record<string, Attribute> => ({
  kernel_shape: kernel,
  strides: stride,
});

export const reshape = (g: Builder, x: string, dims: readonly number[]): string =>
  g.op('Reshape', [x, g.ints(dims)]);

/** By ONNX's codes for elements. */
export const toFloat = (g: Builder, x: string): string => g.op('Cast', [x], { to: 1 });
export const toByte = (g: Builder, x: string): string => g.op('Cast', [x], { to: 2 });
export const toInt = (g: Builder, x: string): string => g.op('Cast', [x], { to: 7 });
export const toBool = (g: Builder, x: string): string => g.op('Cast', [x], { to: 9 });

export type Cut = { readonly axis: number; readonly from: number; readonly to: number };

/** The cells `from <= i < to` of each axis named. */
export const slice = (g: Builder, x: string, cuts: readonly Cut[]): string =>
  g.op('Slice', [
    x,
    g.ints(cuts.map(({ from }) => from)),
    g.ints(cuts.map(({ to }) => to)),
    g.ints(cuts.map(({ axis }) => axis)),
  ]);

/** A map whose cells on each side of its spatial axes are cut off; `extent` is what it has before. */
export function cropSpace(g: Builder, x: string, extent: readonly number[], sides: readonly Sides[]): string {
  const cuts = sides
    .map(([lo, hi], axis) => ({ axis: axis + 2, from: lo, to: at(extent, axis) - hi, lo, hi }))
    .filter(({ lo, hi }) => lo !== 0 || hi !== 0);
  return cuts.length === 0 ? x : slice(g, x, cuts);
}

/**
 * A map with zeros, or another filler, added on each side of its spatial axes. The axes are named although they could be left
 * out, for that keeps ONNX Runtime (1.30) from merging the node into a pooling that follows: it would take
 * these zeros for padding, which never wins a maximum, and refuses sides as wide as the window.
 */
export const padSpace = (g: Builder, x: string, sides: readonly Sides[], filler = 0): string =>
  allZero(sides)
    ? x
    : g.op('Pad', [x, g.ints(sidesList(sides)), g.float(filler), g.ints(spatialAxes(sides.length))]);

/** Each cell of the spatial axes repeated `factor` times along its axis. */
export const enlarge = (g: Builder, x: string, factor: readonly number[]): string =>
  factor.every((f) => f === 1)
    ? x
    : g.op('Resize', [x, '', g.floats([1, 1, ...factor])], {
        mode: 'nearest',
        coordinate_transformation_mode: 'asymmetric',
        nearest_mode: 'floor',
      });

export const positive = (sides: readonly Sides[]): Sides[] =>
  sides.map(([lo, hi]): Sides => [Math.max(0, lo), Math.max(0, hi)]);

export const negated = (sides: readonly Sides[]): Sides[] => sides.map(([lo, hi]): Sides => [0 - lo, 0 - hi]);

/** Adds the positive sides and cuts off the negative ones. */
export const fitSpace = (g: Builder, x: string, extent: readonly number[], sides: readonly Sides[]): string =>
  padSpace(g, cropSpace(g, x, extent, positive(negated(sides))), positive(sides));

/** Numbers for each channel, as they broadcast over `[samples, channels, ...space]`. */
export const channelConstant = (g: Builder, values: readonly number[], rank: number): string =>
  new Set(values).size === 1 ? g.float(at(values, 0)) : g.floats(values, [values.length, ...ones(rank)]);

/**
 * Reduces over axes in ascending order, one after another from the innermost on. ONNX Runtime adds fp32 in
 * one run: over all cells of 2048 x 2048 at once a mean of 300 is off by 0.2 %, axis by axis by 1e-7.
 */
const reduce = (g: Builder, type: NodeType, x: string, axes: readonly number[], keep: boolean): string =>
  axes.reduceRight((sum, axis) => g.op(type, [sum, g.ints([axis])], { keepdims: keep ? 1 : 0 }), x);

export const sumOver = (g: Builder, x: string, axes: readonly number[], keep: boolean): string =>
  reduce(g, 'ReduceSum', x, axes, keep);

/** Sum of squares over axes, which stay with extent 1; the first of them in one pass, without a map of squares. */
export const squaresOver = (g: Builder, x: string, axes: readonly number[]): string => {
  const [inner, ...others] = [...axes].reverse();
  if (inner === undefined) return g.op('Mul', [x, x]);
  const rows = g.op('ReduceSumSquare', [x, g.ints([inner])], { keepdims: 1 });
  return sumOver(g, rows, others.reverse(), true);
};

/** Mean over axes, which stay with extent 1. */
export const meanOver = (g: Builder, x: string, axes: readonly number[]): string =>
  reduce(g, 'ReduceMean', x, axes, true);

/** Sum of all elements of a map of `rank` axes of space, a scalar. */
export const sumOfAll = (g: Builder, x: string, rank: number): string =>
  sumOver(g, x, indices(rank + 2), false);

/** 1 / count, and 0 where there is nothing to count. */
export const inverseCount = (g: Builder, count: string): string =>
  g.op('Where', [g.op('Equal', [count, g.float(0)]), g.float(0), g.op('Reciprocal', [count])]);

/** The standard normal distribution at each cell: (1 + erf(x / √2)) / 2. */
export const normalOf = (g: Builder, x: string): string => {
  const erf = g.op('Erf', [g.op('Mul', [x, g.float(Math.SQRT1_2)])]);
  return g.op('Mul', [g.op('Add', [erf, g.float(1)]), g.float(0.5)]);
};
