/** Pooling and resizing on the way back, and what pooling notes for it. */
import { at, wholeBox } from '../../ir/box.ts';
import type { PoolAttributes, Sides, Window } from '../../ir/ops/attributes.ts';
import { sum } from '../../ir/ops/definition.ts';
import { product } from '../../ir/type.ts';
import type { Builder } from './builder.ts';
import { channelsAt, extentAt, extentOf, type Site } from './emitter.ts';
import { type Fitted, fittedPads, fitWindow } from './fit-window.ts';
import {
  allZero,
  enlarge,
  fitSpace,
  indices,
  ones,
  padSpace,
  positions,
  reshape,
  sidesList,
  slice,
  toInt,
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
  const { places, plane } = firstMaxima(g, attrs, extent, x);
  return spreadTo(g, attrs, [samples, channelsAt(types, 0)], plane, places, dy);
}

/** The cells of a plane that windows read: its extents, the pads beyond them, and what was cut off it. */
type Plane = Omit<Fitted, 'x'> & { readonly held: readonly number[] };

const planeOf = (extent: readonly number[], { pad, cut }: Omit<Fitted, 'x'>): Plane => ({
  pad,
  cut,
  held: extent.map((size, axis) => size - at(cut, axis)[0] - at(cut, axis)[1]),
});

/** The flat position of each window's first maximum among the cells that windows read, planes one after another. */
function firstMaxima(g: Builder, attrs: PoolAttributes, extent: readonly number[], x: string) {
  const fitted = fitWindow(g, x, extent, attrs);
  const attributes = { ...windowAttributes(attrs), pads: sidesList(fitted.pad) };
  return { places: g.second('MaxPool', [fitted.x], attributes), plane: planeOf(extent, fitted) };
}

/** Each cell of dy at its flat position, zeros elsewhere. `batch`: samples and channels. */
function spreadTo(
  g: Builder,
  attrs: PoolAttributes,
  batch: readonly number[],
  { held, pad, cut }: Plane,
  places: string,
  dy: string,
): string {
  const dims = [...batch, ...held];
  const spread =
    allZero(pad) && !overlaps(attrs)
      ? g.op('MaxUnpool', [dy, places, g.ints(dims)], windowAttributes(attrs))
      : addAt(g, dims, places, dy);
  return padSpace(g, spread, cut);
}

/** How far apart in memory neighbours along each axis are. */
const strides = (sizes: readonly number[]): number[] =>
  sizes.map((_, axis) => product(sizes.slice(axis + 1)));

/**
 * `places` less (`Sub`), or with (`Add`), the flat position of the corner of each window: a small tensor for each axis
 * and one for the planes, so that the file stays small however large the map is.
 */
function byCorners(
  g: Builder,
  how: 'Add' | 'Sub',
  places: string,
  { stride }: Window,
  batch: readonly number[],
  windows: readonly number[],
  { held, pad }: Plane,
): string {
  const planes = indices(product(batch)).map((plane) => plane * product(held));
  const rank = windows.length;
  const apart = strides(held);
  return windows.reduce(
    (sum, count, axis) => {
      const corners = indices(count).map((i) => (i * at(stride, axis) - at(pad, axis)[0]) * at(apart, axis));
      return g.op(how, [sum, g.ints(corners, [count, ...ones(rank - 1 - axis)])]);
    },
    g.op(how, [places, g.ints(planes, [...batch, ...ones(rank)])]),
  );
}

/** For each place of a window how far it is from the window's corner in memory. */
const distances = ({ kernel }: Window, { held }: Plane): number[] => {
  const apart = strides(held);
  return positions(kernel).map((cell) => cell.reduce((sum, i, axis) => sum + i * at(apart, axis), 0));
};

/** The place in its window of each first maximum: read off a table, by the distance from the window's corner. */
export function maxPoolIndex(g: Builder, site: Site<'max_pool_index'>, x: string): string {
  const { attrs, type, types, samples } = site;
  const extent = extentAt(types, 0);
  const batch = [samples, channelsAt(types, 0)];
  // On an axis of fewer cells than the window several places would be as far from the corner.
  const { held } = planeOf(extent, fittedPads(extent, attrs));
  if (held.some((size, axis) => size < at(attrs.kernel, axis))) return narrowIndex(g, site, x);
  const { places, plane } = firstMaxima(g, attrs, extent, x);
  const far = distances(attrs, plane);
  const table = new Array<number>(Math.max(...far) + 1).fill(0);
  far.forEach((distance, place) => {
    table[distance] = place;
  });
  const away = byCorners(g, 'Sub', places, attrs, batch, extentOf(type), plane);
  return g.op('Gather', [g.bytes(table), away]);
}

/** The same where all padding is put on first: then every window is whole. */
function narrowIndex(g: Builder, site: Site<'max_pool_index'>, x: string): string {
  const { attrs, types, samples } = site;
  const extent = extentAt(types, 0);
  const fitted = fitWindow(g, x, extent, attrs);
  const { pad, held } = planeOf(extent, fitted);
  const whole = held.map((size, axis) => size + sum(at(pad, axis)));
  const padded = padSpace(g, fitted.x, pad, lowest);
  const unpadded = { ...attrs, pad: pad.map((): Sides => [0, 0]) };
  const like = { kind: 'map', element: 'f32', channels: channelsAt(types, 0), box: wholeBox(whole) } as const;
  return maxPoolIndex(g, { attrs: unpadded, types: [like], type: site.type, samples }, padded);
}

/** Of all finite numbers in fp32. */
const lowest = -3.4028234663852886e38;

/** The same cells as `maxPoolGradient`, from the place in each window. */
export function maxPoolIndexGradient(
  g: Builder,
  { attrs, types, samples }: Site<'max_pool_index_grad'>,
  index: string,
  dy: string,
): string {
  const { extent } = attrs;
  const plane = planeOf(extent, fittedPads(extent, attrs));
  const batch = [samples, channelsAt(types, 1)];
  const windows = extentAt(types, 1);
  // With a dimension more than on the way there: else ONNX Runtime would keep the memory of those numbers for these.
  const apart = toInt(g, reshape(g, index, [1, ...batch, ...windows]));
  const away = g.op('Gather', [g.ints(distances(attrs, plane)), apart]);
  const places = byCorners(g, 'Add', away, attrs, batch, windows, plane);
  return spreadTo(g, attrs, batch, plane, reshape(g, places, [...batch, ...windows]), dy);
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
