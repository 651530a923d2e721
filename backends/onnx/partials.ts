/**
 * Statistics of a tile's part of a map, `[samples, 3 * groups]` (numbers of cells, means, sums of squares around
 * them), and those of all parts together.
 */
import { at } from '../../ir/box.ts';
import type { Builder } from './builder.ts';
import { channelsOf, type EmitTable, extentOf, type Site } from './emitter.ts';
import { meanOver, ones, reshape, slice, squaresOver, sumOver } from './formulas.ts';
import { axesOf, cellsOf, type Grouped, grouped, intoGroups, outOfGroups } from './moments.ts';

type PartialKind =
  | 'partial_moments'
  | 'merge_moments'
  | 'merge_sums'
  | 'merge_sums_grad'
  | 'blank'
  | 'partial_moments_grad'
  | 'merge_moments_grad';

/** One of the three numbers of a partial, broadcasting over the cells of a grouped map. */
const ofPartial = (g: Builder, partial: string, { groups, extent }: Grouped, which: number): string =>
  reshape(g, slice(g, partial, [{ axis: 1, from: which * groups, to: (which + 1) * groups }]), [
    0,
    groups,
    ...ones(extent.length),
  ]);

function partialMoments(g: Builder, { attrs, types, samples }: Site<'partial_moments'>, x: string): string {
  const view = grouped(at(types, 0), attrs.groups);
  const seen = intoGroups(g, x, view);
  const mean = meanOver(g, seen, axesOf(view));
  const away = g.op('Sub', [seen, mean]);
  const squares = squaresOver(g, away, axesOf(view));
  const cells = g.floats(
    Array.from({ length: samples * attrs.groups }, () => cellsOf(view)),
    [samples, attrs.groups, ...ones(view.extent.length)],
  );
  return reshape(g, g.op('Concat', [cells, mean, squares], { axis: 1 }), [0, 3 * attrs.groups]);
}

function partialMomentsGradient(
  g: Builder,
  { attrs, types }: Site<'partial_moments_grad'>,
  x: string,
  partial: string,
  d: string,
): string {
  const view = grouped(at(types, 0), attrs.groups);
  const away = g.op('Sub', [intoGroups(g, x, view), ofPartial(g, partial, view, 1)]);
  const slope = g.op('Mul', [ofPartial(g, d, view, 2), g.float(2)]);
  const level = g.op('Mul', [ofPartial(g, d, view, 1), g.float(1 / cellsOf(view))]);
  return outOfGroups(g, g.op('Add', [g.op('Mul', [away, slope]), level]), view);
}

type Merging = { readonly groups: number; readonly parts: number; readonly over: number };

/**
 * All parts of the samples that share their moments, `[sets, over * parts, groups]` of each of the three numbers, and
 * the sum of the numbers of cells.
 */
function apart(g: Builder, partials: string, { groups, parts, over }: Merging) {
  const all = reshape(g, partials, [-1, over * parts, 3, groups]);
  const which = (index: number): string =>
    reshape(g, slice(g, all, [{ axis: 2, from: index, to: index + 1 }]), [0, over * parts, groups]);
  const cells = which(0);
  return { cells, means: which(1), squares: which(2), total: sumOver(g, cells, [1], true) };
}

function mergeMoments(g: Builder, { attrs, samples }: Site<'merge_moments'>, partials: string): string {
  const { groups, over } = attrs;
  const { cells, means, squares, total } = apart(g, partials, attrs);
  const mean = g.op('Div', [sumOver(g, g.op('Mul', [cells, means]), [1], true), total]);
  const away = g.op('Sub', [means, mean]);
  const around = g.op('Mul', [cells, g.op('Mul', [away, away])]);
  const variance = g.op('Div', [sumOver(g, g.op('Add', [squares, around]), [1], true), total]);
  const both = g.op('Concat', [mean, variance], { axis: 2 });
  const each = over === 1 ? both : g.op('Expand', [both, g.ints([1, over, 1])]);
  return reshape(g, each, [samples, 2 * groups]);
}

function mergeMomentsGradient(
  g: Builder,
  { attrs, samples }: Site<'merge_moments_grad'>,
  partials: string,
  moments: string,
  d: string,
): string {
  const { groups, parts, over } = attrs;
  const { cells, means, total } = apart(g, partials, attrs);
  const perSet = (vector: string) => reshape(g, vector, [-1, over, 2 * groups]);
  const half = (vector: string, from: number): string =>
    slice(g, vector, [{ axis: 2, from, to: from + groups }]);
  const merged = slice(g, perSet(moments), [{ axis: 1, from: 0, to: 1 }]);
  const cotangent = sumOver(g, perSet(d), [1], true);
  const away = g.op('Sub', [means, half(merged, 0)]);
  const dVariance = half(cotangent, groups);
  const twice = g.op('Mul', [g.op('Mul', [away, dVariance]), g.float(2)]);
  const dMean = g.op('Mul', [g.op('Div', [cells, total]), g.op('Add', [twice, half(cotangent, 0)])]);
  const none = g.op('Mul', [cells, g.float(0)]);
  const dSquares = g.op('Add', [none, g.op('Div', [dVariance, total])]);
  const stacked = [none, dMean, dSquares].map((part) => reshape(g, part, [0, over * parts, 1, groups]));
  return reshape(g, g.op('Concat', stacked, { axis: 2 }), [samples, 3 * groups * parts]);
}

export const partialEmits: EmitTable<PartialKind> = {
  partial_moments: partialMoments,
  merge_moments: mergeMoments,
  merge_sums(g, { attrs, type, samples }, parts) {
    const channels = channelsOf(type);
    return sumOver(g, reshape(g, parts, [samples, attrs.parts, channels]), [1], false);
  },
  merge_sums_grad(g, { attrs, types, samples }, dy) {
    const channels = channelsOf(at(types, 0));
    const each = g.op('Expand', [reshape(g, dy, [samples, 1, channels]), g.ints([1, attrs.parts, 1])]);
    return reshape(g, each, [samples, attrs.parts * channels]);
  },
  partial_moments_grad: partialMomentsGradient,
  merge_moments_grad: mergeMomentsGradient,
  blank(g, { attrs, type, samples }) {
    const dims = [samples, attrs.channels, ...extentOf(type)];
    return g.op('ConstantOfShape', [g.ints(dims)], {});
  },
};
