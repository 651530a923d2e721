/** The gradient of a convolution's input: a convolution again, or a transposed one. */
import { at } from '../../ir/box.ts';
import type { ConvAttributes, Sides } from '../../ir/ops/attributes.ts';
import { reach } from '../../ir/ops/windows.ts';
import { product } from '../../ir/type.ts';
import type { Builder } from './builder.ts';
import { channelsAt, channelsOf, extentAt, type Site } from './emitter.ts';
import {
  cropSpace,
  indices,
  negated,
  padSpace,
  positive,
  reshape,
  sidesList,
  windowAttributes,
} from './formulas.ts';
import { isDeep, mostCellsFlippedByProduct } from './rules.ts';

/** The matrix that reverses a row by multiplication from the right. */
const exchangeMatrix = (size: number): number[] =>
  indices(size * size).map((i) => (Math.floor(i / size) + (i % size) === size - 1 ? 1 : 0));

/** Reverses the last axis of `[rows, cells]`. */
function reversed(g: Builder, x: string, cells: number): string {
  if (cells === 1) return x;
  if (cells <= mostCellsFlippedByProduct)
    return g.op('MatMul', [x, g.floats(exchangeMatrix(cells), [cells, cells])]);
  return g.op('Slice', [x, g.ints([cells - 1]), g.ints([-cells - 1]), g.ints([1]), g.ints([-1])]);
}

/** `[cout, cin / groups, ...kernel]` to `[cin, cout / groups, ...kernel]`, each kernel turned round. */
function turnedWeight(g: Builder, weight: string, attrs: ConvAttributes, cout: number, cin: number): string {
  const cells = product(attrs.kernel);
  const flipped = reversed(g, reshape(g, weight, [cout * cin, cells]), cells);
  const split = reshape(g, flipped, [attrs.groups, cout / attrs.groups, cin, cells]);
  const turned = g.op('Transpose', [split], { perm: [0, 2, 1, 3] });
  return reshape(g, turned, [attrs.groups * cin, cout / attrs.groups, ...attrs.kernel]);
}

/** Stride 1: every input cell meets the kernel backwards. */
function byConv(g: Builder, { attrs, types }: Site<'conv_data'>, dy: string, weight: string): string {
  const extent = extentAt(types, 0);
  const pads = attrs.pad.map(([lo], axis): Sides => {
    const [span, size] = [reach(attrs, axis) - 1, at(extent, axis)];
    const before = span - lo;
    return [before, at(attrs.extent, axis) - size - before + span];
  });
  const cout = channelsAt(types, 0);
  const cin = types[1]?.kind === 'array' ? (types[1].dims[1] ?? 0) : 0;
  const turned = turnedWeight(g, weight, attrs, cout, cin);
  return g.op('Conv', [cropSpace(g, dy, extent, positive(negated(pads))), turned], {
    kernel_shape: attrs.kernel,
    dilations: attrs.dilation,
    pads: sidesList(positive(pads)),
    group: attrs.groups,
  });
}

/** Cells that this many windows in a row cover. */
const covered = (attrs: ConvAttributes, windows: number, axis: number): number =>
  (windows - 1) * at(attrs.stride, axis) + reach(attrs, axis);

/** A transposed convolution, cropped or filled up to the extent of the input. */
function byTransposedConv(g: Builder, site: Site<'conv_data'>, dy: string, weight: string): string {
  const { attrs, types, type, samples } = site;
  const full = extentAt(types, 0).map((size, axis) => covered(attrs, size, axis));
  const crop = attrs.pad.map(([lo], axis): Sides => [lo, at(full, axis) - lo - at(attrs.extent, axis)]);
  // All windows lie in the padding: no cell was read.
  if (crop.some(([lo, hi], axis) => Math.max(lo, hi) >= at(full, axis)))
    return g.op('ConstantOfShape', [g.ints([samples, channelsOf(type), ...attrs.extent])]);
  const spread = g.op('ConvTranspose', [dy, weight], {
    ...windowAttributes(attrs),
    dilations: attrs.dilation,
    pads: sidesList(positive(crop)),
    group: attrs.groups,
  });
  return padSpace(g, spread, positive(negated(crop)));
}

/**
 * Gradient of the input of `conv`, a map of `attrs.extent`. A convolution of weights turned round is the fastest, but a
 * transposed one takes them as they are: where they are more than the cells, turning them costs more than it gains.
 */
export function convData(g: Builder, site: Site<'conv_data'>, dy: string, weight: string): string {
  const { attrs, types, samples } = site;
  const cells = samples * product(extentAt(types, 0));
  return product(attrs.stride) === 1 && !isDeep(cells, channelsAt(types, 0))
    ? byConv(g, site, dy, weight)
    : byTransposedConv(g, site, dy, weight);
}
