/** Enlarging one axis with aligned corners: three shifted copies, each times its shares. */
import { at } from '../../ir/box.ts';
import type { Sides, StretchAttributes } from '../../ir/ops/attributes.ts';
import type { Builder } from './builder.ts';
import { channelsOf, extentAt, extentOf, type Site } from './emitter.ts';
import { cropSpace, enlarge, indices, padSpace, reshape, slice } from './formulas.ts';

const taps = [0, 1, 2] as const;

/** `own` on the axis that is stretched, `other` on all others. */
const onAxis = <T>(rank: number, axis: number, own: T, other: T): T[] =>
  indices(rank).map((i) => (i === axis ? own : other));

const shareOf = (g: Builder, shares: string, tap: number): string =>
  slice(g, shares, [{ axis: 1, from: tap, to: tap + 1 }]);

const sumOf = (g: Builder, parts: readonly string[]): string => parts.reduce((a, b) => g.op('Add', [a, b]));

export function stretch(g: Builder, { attrs, types }: Site<'stretch'>, x: string, shares: string): string {
  const extent = extentAt(types, 0);
  const { axis, factor } = attrs;
  const [rank, cells] = [extent.length, at(extent, axis)];
  const widened = padSpace(g, x, onAxis<Sides>(rank, axis, [1, 1], [0, 0]));
  const copy = (tap: number): string => {
    const shifted = slice(g, widened, [{ axis: axis + 2, from: tap, to: tap + cells }]);
    const enlarged = enlarge(g, shifted, onAxis(rank, axis, factor, 1));
    const whole = extent.map((size, i) => (i === axis ? size * factor : size));
    return cropSpace(g, enlarged, whole, onAxis<Sides>(rank, axis, attrs.crop, [0, 0]));
  };
  return sumOf(
    g,
    taps.map((tap) => g.op('Mul', [copy(tap), shareOf(g, shares, tap)])),
  );
}

/** The sum of dy times the shares over each run of cells of one original cell, put back where the copy was from. */
export function stretchGradient(
  g: Builder,
  { attrs, type }: Site<'stretch_grad'>,
  dy: string,
  shares: string,
): string {
  const extent = extentOf(type);
  const { axis } = attrs;
  const [rank, cells] = [extent.length, at(extent, axis)];
  const back = (tap: number): string => {
    const shared = g.op('Mul', [dy, shareOf(g, shares, tap)]);
    const sums = sumOfRuns(g, attrs, shared, channelsOf(type), extent);
    return padSpace(g, sums, onAxis<Sides>(rank, axis, [tap, 2 - tap], [0, 0]));
  };
  return slice(g, sumOf(g, taps.map(back)), [{ axis: axis + 2, from: 1, to: cells + 1 }]);
}

/** One cell for each `factor` cells of the axis, those that were cropped counted as 0. */
function sumOfRuns(
  g: Builder,
  { axis, factor, crop }: StretchAttributes,
  x: string,
  channels: number,
  extent: readonly number[],
): string {
  const whole = padSpace(g, x, onAxis<Sides>(extent.length, axis, crop, [0, 0]));
  const runs = extent.flatMap((size, i) => (i === axis ? [size, factor] : [size]));
  return g.op('ReduceSum', [reshape(g, whole, [0, channels, ...runs]), g.ints([axis + 3])], { keepdims: 0 });
}
