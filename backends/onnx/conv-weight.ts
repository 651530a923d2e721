/**
 * The gradient of a convolution's weight: for each cell k of the kernel the product of the input, shifted by
 * k, with the transposed cotangent, summed over all cells.
 *
 * In memory a shift along any axis is a shift of the flattened block, if the rows of the cotangent are as long
 * as those of the padded input and the places beyond its own width hold 0: so each shifted copy is a slice of
 * long contiguous runs, for every rank. A stride splits the input into phases first (one for each remainder of
 * the position by the stride), within which the taps are shifts again.
 *
 *   x, padded   a b c d e     dy   1 2 3 . .     tap k:  Σ flat(x)[i + k] * flat(dy)[i]
 *
 * Boxes are worked through in blocks along the outermost axis, so memory is bounded by the block.
 */
import { at } from '../../ir/box.ts';
import type { ConvAttributes, Sides } from '../../ir/ops/attributes.ts';
import { product } from '../../ir/type.ts';
import type { Builder } from './builder.ts';
import { channelsAt, extentAt, type Site } from './emitter.ts';
import { type Cut, indices, reshape, slice, spatialAxes, sumOver } from './formulas.ts';
import { blockSlabs, cotangentStandsLeft, joinsCopies, mostCellsInOneProduct } from './rules.ts';

type Weight = {
  readonly attrs: ConvAttributes;
  /** Extents of the input and of the cotangent. */
  readonly input: readonly number[];
  readonly output: readonly number[];
  /** Channels of one group, in and out. */
  readonly cin: number;
  readonly cout: number;
  readonly samples: number;
};

/** A part of one sample: `slabs` places of the cotangent on the outermost axis. */
type Block = {
  readonly slabs: number;
  /** Names of tensors of one number: which sample, and the first of its places. */
  readonly sample: string;
  readonly from: string;
};

/** One cell of the kernel: which phase of the input it reads, and how far shifted, on each axis. */
type Tap = { readonly phase: readonly number[]; readonly shift: readonly number[] };

/** All positions of a box of these sizes, row-major. */
const positions = (sizes: readonly number[]): number[][] =>
  sizes.reduce<number[][]>((all, size) => all.flatMap((p) => indices(size).map((i) => [...p, i])), [[]]);

const tapsOf = ({ kernel, stride, dilation }: ConvAttributes): Tap[] =>
  positions(kernel).map((position) => {
    const offset = position.map((k, axis) => k * at(dilation, axis));
    return {
      phase: offset.map((o, axis) => o % at(stride, axis)),
      shift: offset.map((o, axis) => Math.floor(o / at(stride, axis))),
    };
  });

/** The index of a position in a box of these sizes, row-major. */
const flatIndex = (position: readonly number[], sizes: readonly number[]): number =>
  position.reduce((index, p, axis) => index * at(sizes, axis) + p, 0);

/** How far the taps shift on an axis, at most. */
const farthest = ({ kernel, stride, dilation }: ConvAttributes, axis: number): number =>
  Math.floor(((at(kernel, axis) - 1) * at(dilation, axis)) / at(stride, axis));

/**
 * Extents of a block of the input in steps of the stride: what the taps reach. Taps that shift along inner axes
 * run past the end of the last row; one slab more keeps them inside (they meet zeros of the cotangent there).
 */
function gridOf({ attrs, output }: Weight, slabs: number): number[] {
  const reach = output.map((_, axis) => farthest(attrs, axis));
  const spare = reach.slice(1).some((cells) => cells > 0) ? 1 : 0;
  return output.map((size, axis) => at(reach, axis) + (axis === 0 ? slabs + spare : size));
}

const clamp = (g: Builder, value: string, most: number): string =>
  g.op('Min', [g.op('Max', [value, g.ints([0])]), g.ints([most])]);

const join = (g: Builder, parts: readonly string[]): string => g.op('Concat', parts, { axis: 0 });

/** One sample, `from <= i < to` of the outermost axis, and what `cuts` say of the others. */
function part(
  g: Builder,
  { sample }: Block,
  x: string,
  [from, to]: readonly [string, string],
  cuts: readonly Cut[],
) {
  const next = g.op('Add', [sample, g.ints([1])]);
  const starts = [sample, from, ...cuts.map((cut) => g.ints([cut.from]))];
  const ends = [next, to, ...cuts.map((cut) => g.ints([cut.to]))];
  return g.op('Slice', [x, join(g, starts), join(g, ends), g.ints([0, 2, ...cuts.map(({ axis }) => axis)])]);
}

/** Zeros around a part: `outer` on the outermost axis, and `inner` on the others. */
function surround(g: Builder, x: string, outer: readonly [string, string], inner: readonly Sides[]): string {
  const pads = [outer[0], g.ints(inner.map(([lo]) => lo)), outer[1], g.ints(inner.map(([, hi]) => hi))];
  return g.op('Pad', [x, join(g, pads), g.float(0), g.ints(spatialAxes(inner.length + 1))]);
}

/** The input under a block, with zeros wherever it leaves the image. */
function window(
  g: Builder,
  { attrs, input }: Weight,
  block: Block,
  grid: readonly number[],
  x: string,
): string {
  const ranges = input.map((size, axis) => {
    const from = -at(attrs.pad, axis)[0];
    const to = from + at(grid, axis) * at(attrs.stride, axis);
    return {
      axis: axis + 2,
      from,
      to,
      first: Math.min(size, Math.max(0, from)),
      last: Math.max(0, Math.min(size, to)),
    };
  });
  const [outer, ...inner] = ranges;
  if (outer === undefined) throw new Error('a convolution has at least one axis');
  const begin = g.op('Mul', [block.from, g.ints([at(attrs.stride, 0)])]);
  const [from, to] = [g.op('Add', [begin, g.ints([outer.from])]), g.op('Add', [begin, g.ints([outer.to])])];
  const [first, last] = [clamp(g, from, at(input, 0)), clamp(g, to, at(input, 0))];
  const cuts = inner.map((r) => ({ axis: r.axis, from: r.first, to: r.last }));
  return surround(
    g,
    part(g, block, x, [first, last], cuts),
    [g.op('Sub', [first, from]), g.op('Sub', [to, last])],
    inner.map((r): Sides => [r.first - r.from, r.to - r.last]),
  );
}

/** Every `stride`-th cell from `phase` on, as [1, groups, C / groups, cells of the grid]. */
function phaseOf(
  g: Builder,
  weight: Weight,
  grid: readonly number[],
  x: string,
  phase: readonly number[],
): string {
  const { attrs, cin } = weight;
  const axes = indices(grid.length).filter((axis) => at(attrs.stride, axis) > 1);
  const pick = (numbers: readonly number[]): string => g.ints(axes.map((axis) => at(numbers, axis)));
  const ends = grid.map((size, axis) => size * at(attrs.stride, axis));
  const cells =
    axes.length === 0
      ? x
      : g.op('Slice', [x, pick(phase), pick(ends), g.ints(axes.map((axis) => axis + 2)), pick(attrs.stride)]);
  return reshape(g, cells, [1, attrs.groups, cin, product(grid)]);
}

/** One shifted copy of the input for each tap, `places` long. */
function copiesOf(g: Builder, weight: Weight, grid: readonly number[], places: number, x: string): string[] {
  const phases = new Map<string, string>();
  return tapsOf(weight.attrs).map(({ phase, shift }) => {
    const key = String(phase);
    const cells = phases.get(key) ?? phaseOf(g, weight, grid, x, phase);
    phases.set(key, cells);
    const from = flatIndex(shift, grid);
    return from === 0 && places === product(grid)
      ? cells
      : slice(g, cells, [{ axis: 3, from, to: from + places }]);
  });
}

/** The cotangent of a block with rows as long as those of the grid: [1, groups, places, C / groups]. */
function cotangent(g: Builder, weight: Weight, block: Block, grid: readonly number[], dy: string): string {
  const { attrs, output, cout } = weight;
  const end = g.op('Add', [block.from, g.ints([block.slabs])]);
  const to = g.op('Min', [end, g.ints([at(output, 0)])]);
  const inner = output.slice(1).map((size, axis): Sides => [0, at(grid, axis + 1) - size]);
  const cells = part(g, block, dy, [block.from, to], []);
  const padded = surround(g, cells, [g.ints([0]), g.op('Sub', [end, to])], inner);
  const flat = reshape(g, padded, [1, attrs.groups, cout, placesOf(block, grid)]);
  return g.op('Transpose', [flat], { perm: [0, 1, 3, 2] });
}

/** Places of the flattened cotangent of a block, those beyond its width included. */
const placesOf = ({ slabs }: Block, grid: readonly number[]): number => slabs * product(grid.slice(1));

/** [1, groups, taps * cin, cout], the share of one block. */
function blockShare(g: Builder, weight: Weight, block: Block, x: string, dy: string): string {
  const grid = gridOf(weight, block.slabs);
  const input = window(g, weight, block, grid, x);
  const copies = copiesOf(g, weight, grid, placesOf(block, grid), input);
  const right = cotangent(g, weight, block, grid, dy);
  const stack = (parts: readonly string[]): string =>
    parts.length === 1 ? at(parts, 0) : g.op('Concat', parts, { axis: 2 });
  if (joinsCopies(weight.cin)) return g.op('MatMul', [stack(copies), right]);
  return stack(copies.map((copy) => g.op('MatMul', [copy, right])));
}

/** The shares of all blocks of all samples, added up. */
function sumOfBlocks(g: Builder, weight: Weight, x: string, dy: string): string {
  const { attrs, samples, input, output, cin, cout } = weight;
  const slabCells = product(input.slice(1)) * at(attrs.stride, 0);
  const slabs = blockSlabs(at(output, 0), slabCells, attrs.groups * Math.max(cin, cout));
  const blocks = Math.ceil(at(output, 0) / slabs);
  const dims = [1, attrs.groups, product(attrs.kernel) * cin, cout];
  return g.sum(samples * blocks, dims, (index) => {
    const sample = g.op('Div', [index, g.ints([blocks])]);
    const from = g.op('Mul', [g.op('Mod', [index, g.ints([blocks])]), g.ints([slabs])]);
    return blockShare(g, weight, { slabs, sample, from }, x, dy);
  });
}

/** [..., groups, taps * cin, cout] to the layout of a weight, [groups * cout, cin, ...kernel]. */
function asWeight(g: Builder, { attrs, cin, cout }: Weight, shares: string): string {
  const taps = product(attrs.kernel);
  const split = reshape(g, shares, [attrs.groups, taps, cin, cout]);
  const turned = g.op('Transpose', [split], { perm: [0, 3, 2, 1] });
  return reshape(g, turned, [attrs.groups * cout, cin, ...attrs.kernel]);
}

const isPointwise = ({ attrs, input, output }: Weight): boolean =>
  product(input) <= mostCellsInOneProduct &&
  product(attrs.kernel) === 1 &&
  product(attrs.stride) === 1 &&
  attrs.pad.every(([lo]) => lo === 0) &&
  input.every((size, axis) => size === at(output, axis));

/** A kernel of one cell: nothing to shift, so nothing to copy but one transposed operand. */
function pointwise(g: Builder, weight: Weight, x: string, dy: string): string {
  const { attrs, input, cin, cout, samples } = weight;
  const flat = (map: string, channels: number): string =>
    reshape(g, map, [samples, attrs.groups, channels, product(input)]);
  const turned = (map: string): string => g.op('Transpose', [map], { perm: [0, 1, 3, 2] });
  const [left, right] = [flat(x, cin), flat(dy, cout)];
  if (!cotangentStandsLeft(cin, cout))
    return asWeight(g, weight, sumOver(g, g.op('MatMul', [left, turned(right)]), [0], false));
  const sums = sumOver(g, g.op('MatMul', [right, turned(left)]), [0], false);
  return reshape(g, sums, [attrs.groups * cout, cin, ...attrs.kernel]);
}

/** Gradient of the weight of `conv`, `[cout, cin / groups, ...kernel]`, summed over samples and cells. */
export function convWeight(g: Builder, site: Site<'conv_weight'>, x: string, dy: string): string {
  const { attrs, types, samples } = site;
  const weight: Weight = {
    attrs,
    samples,
    input: extentAt(types, 0),
    output: extentAt(types, 1),
    cin: channelsAt(types, 0) / attrs.groups,
    cout: channelsAt(types, 1) / attrs.groups,
  };
  if (isPointwise(weight)) return pointwise(g, weight, x, dy);
  return asWeight(g, weight, sumOfBlocks(g, weight, x, dy));
}
