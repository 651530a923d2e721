/** Random chains of forward ops: what an optimizer of neighbouring nodes may get wrong. Used by tests only. */
import * as fc from 'fast-check';
import { wholeBox } from '../../../ir/box.ts';
import { isFault } from '../../../ir/diagnostics/diagnostic.ts';
import type { Op } from '../../../ir/graph.ts';
import type { OpAttributes, OpKind, Sides } from '../../../ir/ops/attributes.ts';
import { makeOp } from '../../../ir/ops/table.ts';
import { array, type MapType, map, type Value } from '../../../ir/type.ts';
import type { Case } from './cases.ts';

/** What a link draws: windows, sides and channels of the next op. */
type Draw = {
  readonly kernel: number;
  readonly stride: number;
  readonly lo: number;
  readonly hi: number;
  readonly channels: number;
  readonly bias: boolean;
  readonly keep: boolean;
};

type Chain = { readonly ops: readonly Op[]; readonly inputs: readonly Value[]; readonly last: MapType };

type Link = { readonly add: (x: MapType, d: Draw) => Call; readonly draw: Draw };

/** An op of the map before it, its other operands new inputs. */
type Call = {
  [K in OpKind]: { kind: K; attrs: OpAttributes[K]; extra: readonly (readonly number[])[] };
}[OpKind];

const each = <T>(x: MapType, value: T): T[] => x.box.map(() => value);
const sides = (d: Draw): Sides => [d.lo, d.hi];

const links: readonly ((x: MapType, d: Draw) => Call)[] = [
  (x, d) => ({
    kind: 'conv',
    attrs: {
      kernel: each(x, d.kernel),
      stride: each(x, d.stride),
      dilation: each(x, 1),
      pad: each(x, sides(d)),
      groups: 1,
    },
    extra: [[d.channels, x.channels, ...each(x, d.kernel)], ...(d.bias ? [[d.channels]] : [])],
  }),
  (x, d) => ({
    kind: 'up_conv',
    attrs: { kernel: each(x, d.kernel), stride: each(x, d.stride), crop: each(x, [0, 0] as const) },
    extra: [[x.channels, d.channels, ...each(x, d.kernel)]],
  }),
  (x, d) => ({
    kind: 'max_pool',
    attrs: {
      kernel: each(x, d.kernel),
      stride: each(x, d.stride),
      pad: each(x, [Math.min(d.lo, d.kernel - 1), Math.min(d.hi, d.kernel - 1)] as const),
    },
    extra: [],
  }),
  (x, d) => ({
    kind: 'avg_pool',
    attrs: { kernel: each(x, d.kernel), stride: each(x, d.stride) },
    extra: [],
  }),
  (x, d) => ({ kind: 'pad', attrs: { sides: each(x, sides(d)) }, extra: [] }),
  (x, d) => ({ kind: 'crop', attrs: { sides: each(x, [0, d.hi] as const) }, extra: [] }),
  (x, d) => ({
    kind: 'resize',
    attrs: { mode: 'nearest', factor: each(x, d.stride), crop: each(x, [0, 0] as const) },
    extra: [],
  }),
  (x, d) => ({
    kind: 'affine',
    attrs: {
      scale: Array.from({ length: x.channels }, (_, i) => 1 + i / 2),
      shift: Array.from({ length: x.channels }, () => d.lo),
    },
    extra: [],
  }),
  () => ({ kind: 'relu', attrs: {}, extra: [] }),
  () => ({ kind: 'leaky_relu', attrs: { slope: 0.125 }, extra: [] }),
  () => ({ kind: 'silu', attrs: {}, extra: [] }),
  (_x, d) => ({ kind: 'scale', attrs: { factor: d.lo - 0.5 }, extra: [] }),
];

const draw: fc.Arbitrary<Draw> = fc.record({
  kernel: fc.integer({ min: 1, max: 3 }),
  stride: fc.integer({ min: 1, max: 2 }),
  lo: fc.integer({ min: 0, max: 2 }),
  hi: fc.integer({ min: 0, max: 2 }),
  channels: fc.integer({ min: 1, max: 3 }),
  bias: fc.boolean(),
  keep: fc.boolean(),
});

/** The chain with one more op; as it was where the op does not fit. */
function extended(chain: Chain, { add, draw }: Link): Chain {
  const { kind, attrs, extra } = add(chain.last, draw);
  const output = `v${chain.ops.length}`;
  const x = chain.ops.at(-1)?.output ?? 'x';
  const operands = extra.map((dims, i) => ({ name: `${output}.${i}`, type: array(dims) }));
  const op = makeOp(kind, output, [x, ...operands.map(({ name }) => name)], attrs, [
    chain.last,
    ...operands.map((operand) => operand.type),
  ]);
  if (isFault(op) || op.type.kind !== 'map') return chain;
  return { ops: [...chain.ops, op], inputs: [...chain.inputs, ...operands], last: op.type };
}

const link: fc.Arbitrary<Link> = fc.record({ add: fc.constantFrom(...links), draw });

/** Chains of up to six ops on maps of rank 1 or 2, some of their values outputs beside the last one. */
export const chains: fc.Arbitrary<Case> = fc
  .record({
    extent: fc.array(fc.integer({ min: 3, max: 9 }), { minLength: 1, maxLength: 2 }),
    channels: fc.integer({ min: 1, max: 3 }),
    links: fc.array(link, { minLength: 2, maxLength: 6 }),
    samples: fc.integer({ min: 1, max: 2 }),
    seed: fc.nat(),
  })
  .map(({ extent, channels, links: drawn, samples, seed }): Case => {
    const x = map(channels, wholeBox(extent));
    const chain = drawn.reduce(extended, { ops: [], inputs: [{ name: 'x', type: x }], last: x });
    const kept = chain.ops.filter((_, i) => drawn[i]?.draw.keep === true || i === chain.ops.length - 1);
    const outputs = kept.map(({ output }) => output);
    return { graph: { inputs: chain.inputs, ops: chain.ops, outputs }, samples, fills: {}, seed };
  })
  .filter(({ graph }) => graph.ops.length > 1);
