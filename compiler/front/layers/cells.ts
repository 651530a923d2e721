/** Layers that work cell by cell, drop or enlarge. */
import { wholeBox } from '../../../ir/box.ts';
import { fault } from '../../../ir/ops/definition.ts';
import { type MapType, map } from '../../../ir/type.ts';
import { builtin, type Reader, withDefault } from '../builtin.ts';
import { refuse, type Site } from '../context.ts';
import { axes, flag, real, tensor, tensorOrVector, word } from '../readers.ts';
import type { Tensor, Value } from '../value.ts';
import { emitLayer } from './layer.ts';

const fresh = (site: Site): string => site.context.network.fresh(site.env.path, site.callee);

const share: Reader<number> = real(0, 1 - Number.EPSILON, 'a number from 0 (included) to 1 (excluded)');

/** Dropout multiplies by a mask that the runtime draws; in a model to predict with it does nothing. */
function dropout(site: Site, x: Tensor, p: number, by: 'cell' | 'channel'): Value {
  const name = fresh(site);
  const layer = site.context.network.nextLayer();
  if (site.context.purpose === 'predict' || p === 0) return x;
  const type: MapType = by === 'cell' ? map(x.type.channels, x.type.box) : map(x.type.channels, []);
  const problem = site.context.network.input(`${name}~mask`, type, { from: 'mask', layer, p, by });
  if (problem !== undefined) return refuse(site, problem);
  return emitLayer(site, 'mask', name, [x], {}, { arrays: [`${name}~mask`] });
}

/** Enlarges with aligned corners, one axis after another; the shares of the cells are inputs. */
function stretch(site: Site, x: Tensor, factors: readonly number[]): Value {
  const name = fresh(site);
  const last = factors.findLastIndex((factor) => factor > 1);
  return factors.reduce<Value>((value, factor, axis) => {
    if (value.kind !== 'tensor' || factor === 1) return value;
    const sizes = value.type.box.map((r, i) => (i === axis ? (r.to - r.from) * factor : 1));
    const shares = `${name}~shares${axis}`;
    const source = { from: 'corners', axis, factor } as const;
    const problem = site.context.network.input(shares, map(3, wholeBox(sizes)), source);
    if (problem !== undefined) return refuse(site, problem);
    const attrs = { axis, factor, crop: [0, 0] as const };
    const trace = { stride: Math.max(1, x.trace.stride / Math.max(...factors)) };
    const output = axis === last ? name : `${name}.axis${axis}`;
    return emitLayer(site, 'stretch', output, [value], attrs, { arrays: [shares], trace });
  }, x);
}

export const cellBuiltins = [
  builtin('relu', {
    doc: 'the larger of x and 0',
    parameters: { x: tensorOrVector },
    run: ({ x }, site): Value => emitLayer(site, 'relu', fresh(site), [x], {}),
  }),
  builtin('leaky_relu', {
    doc: 'x where positive, else slope * x',
    parameters: { x: tensorOrVector, slope: withDefault(real(), 0.01) },
    run: ({ x, slope }, site): Value => emitLayer(site, 'leaky_relu', fresh(site), [x], { slope }),
  }),
  builtin('silu', {
    doc: 'x * sigmoid(x)',
    parameters: { x: tensorOrVector },
    run: ({ x }, site): Value => emitLayer(site, 'silu', fresh(site), [x], {}),
  }),
  builtin('gelu', {
    doc: 'x * Φ(x), Φ the normal distribution: exact, by erf',
    parameters: { x: tensorOrVector },
    run: ({ x }, site): Value => emitLayer(site, 'gelu', fresh(site), [x], {}),
  }),
  builtin('sigmoid', {
    doc: '1 / (1 + exp(-x))',
    parameters: { x: tensorOrVector },
    run: ({ x }, site): Value => emitLayer(site, 'sigmoid', fresh(site), [x], {}),
  }),
  builtin('softmax', {
    doc: 'positive shares of each cell that add up to 1 over its channels',
    parameters: { x: tensorOrVector },
    run: ({ x }, site): Value => emitLayer(site, 'softmax', fresh(site), [x], {}),
  }),
  builtin('dropout', {
    doc: 'while training, zeroes cells or whole channels with probability p and scales the rest by 1 / (1 - p)',
    parameters: { x: tensor, p: share, by: withDefault(word('cell', 'channel'), 'cell') },
    run: ({ x, p, by }, site): Value => dropout(site, x, p, by),
  }),
  builtin('resize', {
    doc: 'enlarges by a whole factor: each cell repeated (nearest), or linear between the centres of cells (bilinear); with `align_corners` the centres of the first and the last cell stay where they are',
    parameters: {
      x: tensor,
      factor: withDefault(axes, undefined, '2'),
      mode: withDefault(word('nearest', 'bilinear'), 'nearest'),
      align_corners: withDefault(flag, false),
    },
    run({ x, factor = x.type.box.map(() => 2), mode, align_corners }, site): Value {
      if (align_corners && mode !== 'bilinear') return refuse(site, fault('corners-of-nearest', {}));
      if (align_corners) return stretch(site, x, factor);
      const attrs = { mode, factor, crop: factor.map(() => [0, 0] as const) };
      const trace = { stride: Math.max(1, x.trace.stride / Math.max(...factor)) };
      return emitLayer(site, 'resize', fresh(site), [x], attrs, { trace });
    },
  }),
];
