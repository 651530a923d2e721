/** Gradients of pooling and of resizing. */
import { at } from '../../ir/box.ts';
import type { Sides, Window } from '../../ir/ops/attributes.ts';
import { product } from '../../ir/type.ts';
import type { Builder } from './builder.ts';
import { channelsAt, extentAt, type Site } from './emitter.ts';
import { fitWindow } from './fit-window.ts';
import {
  allZero,
  enlarge,
  fitSpace,
  padSpace,
  reshape,
  sidesList,
  slice,
  windowAttributes,
} from './formulas.ts';

const overlaps = ({ kernel, stride }: Window): boolean =>
  kernel.some((size, axis) => size > at(stride, axis));

const tiles = ({ kernel, stride }: Window): boolean =>
  kernel.every((size, axis) => size === at(stride, axis));

/**
 * ONNX Runtime's MaxPool names the first maximum of each window in row-major order (it compares with `>`).
 * Windows that overlap may name a cell twice: then the cotangents are added, else simply placed
 * (which MaxUnpool does, without padding).
 */
export function maxPoolGradient(g: Builder, site: Site<'max_pool_grad'>, x: string, dy: string): string {
  const { attrs, types, samples } = site;
  const extent = extentAt(types, 0);
  const fitted = fitWindow(g, x, extent, attrs);
  const attributes = { ...windowAttributes(attrs), pads: sidesList(fitted.pad) };
  const places = g.second('MaxPool', [fitted.x], attributes);
  const held = extent.map((size, axis) => size - at(fitted.cut, axis)[0] - at(fitted.cut, axis)[1]);
  const dims = [samples, channelsAt(types, 0), ...held];
  const spread =
    allZero(fitted.pad) && !overlaps(attrs)
      ? g.op('MaxUnpool', [dy, places, g.ints(dims)], windowAttributes(attrs))
      : addAt(g, dims, places, dy);
  return padSpace(g, spread, fitted.cut);
}

/** A tensor of `dims` with each of `updates` added at its flat position. */
function addAt(g: Builder, dims: readonly number[], positions: string, updates: string): string {
  const zeros = g.op('ConstantOfShape', [g.ints([product(dims)])]);
  const flat = [zeros, reshape(g, positions, [-1]), reshape(g, updates, [-1])];
  return reshape(g, g.op('ScatterElements', flat, { axis: 0, reduction: 'add' }), dims);
}

/** Sides that fill a map of extent `from` up to `to`, at the high side. */
const fillUp = (from: readonly number[], to: readonly number[]): Sides[] =>
  to.map((size, axis): Sides => [0, size - at(from, axis)]);

/** dy / cells spread over each window. */
export function avgPoolGradient(g: Builder, { attrs, types }: Site<'avg_pool_grad'>, dy: string): string {
  const { kernel, stride, extent } = attrs;
  const [size, share, channels] = [extentAt(types, 0), 1 / product(kernel), channelsAt(types, 0)];
  const covered = size.map((places, axis) => (places - 1) * at(stride, axis) + at(kernel, axis));
  const spread = tiles(attrs)
    ? enlarge(g, g.op('Mul', [dy, g.float(share)]), kernel)
    : g.op('ConvTranspose', [dy, shares(g, channels, kernel, share)], {
        ...windowAttributes(attrs),
        group: channels,
      });
  return fitSpace(g, spread, covered, fillUp(covered, extent));
}

/** A kernel of equal weights for each channel. */
const shares = (g: Builder, channels: number, kernel: readonly number[], share: number): string =>
  g.op('Expand', [g.float(share), g.ints([channels, 1, ...kernel])]);

/** Sum over the copies of each cell: the mean over them, times their number. */
export function resizeGradient(g: Builder, { attrs, types }: Site<'resize_grad'>, dy: string): string {
  const { factor, crop, extent } = attrs;
  const whole = fitSpace(g, dy, extentAt(types, 0), crop);
  if (attrs.mode === 'bilinear')
    return factor.reduce((d, _, axis) => unblend(g, d, channelsAt(types, 0), factor, extent, axis), whole);
  if (product(factor) === 1) return whole;
  const mean = g.op('AveragePool', [whole], { kernel_shape: factor, strides: factor });
  return g.op('Mul', [mean, g.float(product(factor))]);
}

/**
 * Shares of a cell's lower neighbour, itself, and its upper neighbour in each of the `factor` cells that it
 * becomes: those of the half-pixel centres.
 */
function sharesOf(factor: number): { lower: number[]; own: number[]; upper: number[] } {
  const away = Array.from({ length: factor }, (_, i) => (2 * i + 1 - factor) / (2 * factor));
  return {
    lower: away.map((a) => Math.max(0, -a)),
    own: away.map((a) => 1 - Math.abs(a)),
    upper: away.map((a) => Math.max(0, a)),
  };
}

/**
 * The cotangent before linear enlarging along one axis; axes before it are done. Each cell gets what its own
 * `factor` cells, and those of its two neighbours, hold for it; beyond the border is the border cell itself.
 */
function unblend(
  g: Builder,
  dy: string,
  channels: number,
  factor: readonly number[],
  extent: readonly number[],
  axis: number,
): string {
  const [times, size] = [at(factor, axis), at(extent, axis)];
  if (times === 1) return dy;
  const before = extent.slice(0, axis);
  const after = extent.slice(axis + 1).map((cells, i) => cells * at(factor, axis + 1 + i));
  const apart = reshape(g, dy, [0, channels, ...before, size, times, ...after]);
  const weighted = (weights: readonly number[]): string => {
    const wide = g.floats(weights, [times, ...after.map(() => 1)]);
    return g.op('ReduceSum', [g.op('Mul', [apart, wide]), g.ints([axis + 3])], { keepdims: 0 });
  };
  const { lower, own, upper } = sharesOf(times);
  const padded = (x: string, lo: number, hi: number): string =>
    padSpace(
      g,
      x,
      extent.map((_, other): Sides => (other === axis ? [lo, hi] : [0, 0])),
    );
  // With one cell more at both ends, which stand for the border cells.
  const longer = [padded(weighted(lower), 0, 2), padded(weighted(own), 1, 1), padded(weighted(upper), 2, 0)];
  const sum = longer.reduce((a, b) => g.op('Add', [a, b]));
  const part = (from: number, to: number): string => slice(g, sum, [{ axis: axis + 2, from, to }]);
  const ends = g.op('Add', [padded(part(0, 1), 0, size - 1), padded(part(size + 1, size + 2), size - 1, 0)]);
  return g.op('Add', [part(1, size + 1), ends]);
}
