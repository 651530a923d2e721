/**
 * The gradient of a convolution's weight: for each cell k of the kernel the product of the input, shifted by
 * k, with the transposed cotangent, summed over all cells. Three ways, chosen by sizes (`rules.ts`).
 */
import { at } from '../../ir/box.ts';
import type { Sides } from '../../ir/ops/attributes.ts';
import { reach } from '../../ir/ops/windows.ts';
import { product } from '../../ir/type.ts';
import type { Builder } from './builder.ts';
import { convWeightInBlocks } from './conv-weight-blocks.ts';
import { channelsAt, extentAt, type Site } from './emitter.ts';
import { fitSpace, positions, reshape, sumOver } from './formulas.ts';
import { cotangentStandsLeft, isDeep, mostCellsInOneProduct } from './rules.ts';
import { asWeight, productWithTransposed, type WeightSite } from './weight-site.ts';

const isPointwise = ({ attrs, input, output }: WeightSite): boolean =>
  product(input) <= mostCellsInOneProduct &&
  product(attrs.kernel) === 1 &&
  product(attrs.stride) === 1 &&
  attrs.pad.every(([lo]) => lo === 0) &&
  input.every((size, axis) => size === at(output, axis));

/** A kernel of one cell: nothing to shift, so nothing to copy. */
function pointwise(g: Builder, weight: WeightSite, x: string, dy: string): string {
  const { attrs, input, cin, cout, samples } = weight;
  const flat = (map: string, channels: number): string =>
    reshape(g, map, [samples, attrs.groups, channels, product(input)]);
  const sums = (left: string, right: string): string =>
    sumOver(g, g.op('FusedMatMul', [left, right], { transB: 1 }), [0], false);
  const [cells, cotangents] = [flat(x, cin), flat(dy, cout)];
  if (!cotangentStandsLeft(cin, cout)) return asWeight(g, weight, sums(cells, cotangents), 'input first');
  return asWeight(g, weight, sums(cotangents, cells), 'cotangent first');
}

/** Channels first, then samples beside cells: `[channels, rest, samples * cells]`. */
function bySamples(g: Builder, x: string, [samples, channels, rest, cells]: readonly number[]): string {
  const split = [samples ?? 1, channels ?? 1, rest ?? 1, cells ?? 1];
  if (samples === 1) return x;
  return g.op('Transpose', [reshape(g, x, split)], { perm: [1, 2, 0, 3] });
}

/**
 * For maps of few cells and many channels: the cotangent, `[cout, cells]`, times the transposed columns, `[cin * taps,
 * cells]`. What comes out lies as a weight does. (Weights of millions of elements take longer to turn than to compute.)
 */
function byColumns(g: Builder, weight: WeightSite, x: string, dy: string): string {
  const { attrs, input, output, cin, cout, samples } = weight;
  const [cells, taps] = [product(output), product(attrs.kernel)];
  const ends = output.map((size, axis) => (size - 1) * at(attrs.stride, axis) + reach(attrs, axis));
  const sides = ends.map((end, axis): Sides => {
    const [lo] = at(attrs.pad, axis);
    return [lo, end - lo - at(input, axis)];
  });
  const fitted = fitSpace(g, x, input, sides);
  const copies = positions(attrs.kernel).map((tap) => {
    const from = tap.map((k, axis) => k * at(attrs.dilation, axis));
    const to = from.map((start, axis) => start + (at(output, axis) - 1) * at(attrs.stride, axis) + 1);
    const axes = from.map((_, axis) => axis + 2);
    const copy = g.op('Slice', [fitted, g.ints(from), g.ints(to), g.ints(axes), g.ints(attrs.stride)]);
    return reshape(g, copy, [samples, cin, 1, cells]);
  });
  const columns = copies.length === 1 ? at(copies, 0) : g.op('Concat', copies, { axis: 2 });
  const left = reshape(g, bySamples(g, dy, [samples, cout, 1, cells]), [cout, samples * cells]);
  const right = reshape(g, bySamples(g, columns, [samples, cin, taps, cells]), [cin * taps, samples * cells]);
  return reshape(g, productWithTransposed(g, left, right), [cout, cin, ...attrs.kernel]);
}

/** Gradient of the weight of `conv`, `[cout, cin / groups, ...kernel]`, summed over samples and cells. */
export function convWeight(g: Builder, site: Site<'conv_weight'>, x: string, dy: string): string {
  const { attrs, types, samples } = site;
  const weight: WeightSite = {
    attrs,
    samples,
    input: extentAt(types, 0),
    output: extentAt(types, 1),
    cin: channelsAt(types, 0) / attrs.groups,
    cout: channelsAt(types, 1) / attrs.groups,
  };
  if (isPointwise(weight)) return pointwise(g, weight, x, dy);
  if (attrs.groups === 1 && isDeep(samples * product(weight.output), weight.cout))
    return byColumns(g, weight, x, dy);
  return convWeightInBlocks(g, weight, x, dy);
}
