/** Means and variances, kept as `[samples, 2 * groups]`, spread over the cells of a map. */
import { product, type ValueType } from '../../ir/type.ts';
import type { Builder } from './builder.ts';
import { channelsOf, extentOf } from './emitter.ts';
import { ones, reshape, slice, spatialAxes } from './formulas.ts';

/** Each `[samples, groups, 1, ...]`. */
export type Moments = { readonly mean: string; readonly variance: string };

/**
 * A map as its statistics see it: one channel a group, the channels of a group beside the cells of the
 * outermost axis. The numbers lie in memory as before.
 */
export type Grouped = {
  readonly groups: number;
  /** Cells of a group on each axis. */
  readonly extent: readonly number[];
  readonly isWhole: boolean;
  readonly type: ValueType;
};

export function grouped(type: ValueType, groups: number): Grouped {
  const [channels, extent] = [channelsOf(type), extentOf(type)];
  const [first = 1, ...others] = extent;
  const isWhole = channels === groups && extent.length > 0;
  return { groups, extent: [(channels / groups) * first, ...others], isWhole, type };
}

/** As `grouped` by moments of a type. */
export const groupedBy = (type: ValueType, moments: ValueType): Grouped =>
  grouped(type, channelsOf(moments) / 2);

export const axesOf = ({ extent }: Grouped): number[] => spatialAxes(extent.length);

export const cellsOf = ({ extent }: Grouped): number => product(extent);

export const intoGroups = (g: Builder, x: string, { groups, extent, isWhole }: Grouped): string =>
  isWhole ? x : reshape(g, x, [0, groups, ...extent]);

export const outOfGroups = (g: Builder, x: string, { type, isWhole }: Grouped): string =>
  isWhole ? x : reshape(g, x, [0, channelsOf(type), ...extentOf(type)]);

/** Splits a pair of vectors of groups; both broadcast over the cells. */
export function perCell(g: Builder, both: string, { groups, extent }: Grouped): Moments {
  const part = (from: number): string =>
    reshape(g, slice(g, both, [{ axis: 1, from, to: from + groups }]), [0, groups, ...ones(extent.length)]);
  return { mean: part(0), variance: part(groups) };
}

/** The opposite of `perCell`: a pair with one number a group, as one vector. */
export const pairOf = (g: Builder, { mean, variance }: Moments, { groups }: Grouped): string =>
  reshape(g, g.op('Concat', [mean, variance], { axis: 1 }), [0, 2 * groups]);

export const centered = (g: Builder, x: string, { mean }: Moments): string => g.op('Sub', [x, mean]);

/** 1 / sqrt(variance + epsilon) */
export const inverseDeviation = (g: Builder, { variance }: Moments, epsilon: number): string =>
  g.op('Reciprocal', [g.op('Sqrt', [g.op('Add', [variance, g.float(epsilon)])])]);

/**
 * The mean, or the sum, over each `over` consecutive samples of one number a group, `[samples, groups, 1, ...]`,
 * for each of these samples again.
 */
export function shared(
  g: Builder,
  reduce: 'ReduceMean' | 'ReduceSum',
  x: string,
  over: number,
  { groups, extent }: Grouped,
): string {
  if (over === 1) return x;
  const bySet = reshape(g, x, [-1, over, groups]);
  const ofSet = g.op(reduce, [bySet, g.ints([1])], { keepdims: 1 });
  const again = g.op('Expand', [ofSet, g.ints([1, over, 1])]);
  return reshape(g, again, [-1, groups, ...ones(extent.length)]);
}
