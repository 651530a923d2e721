/**
 * Where tiles take their margins from: for each operand, recompute the margin or exchange it with the neighbours.
 *
 * `priceHalo` prices given decisions on an interior tile that lies on the grid, by propagating margins backwards
 * through the graph. All axes are taken to have the margins of the first, and what a tile at the border of the
 * image saves is not counted, so the price is an upper bound of what lowering makes of it.
 */
import { at, type Range, range } from '../../ir/box.ts';
import type { Op } from '../../ir/graph.ts';
import { regionOf } from '../../ir/intervals.ts';
import { type Kernel, kernelSeconds } from '../../ir/kernels.ts';
import type { Device } from '../../ir/machine.ts';
import { ops as definitions } from '../../ir/ops/table.ts';
import type { Coarsening, Exchange } from '../../ir/schedule.ts';
import { bytesOf } from '../../ir/type.ts';
import { descend } from './halo-descent.ts';
import { nestedHalo } from './halo-nested.ts';
import type { OpProfile, Profile, ValueProfile } from './profile.ts';

export type HaloQuestion = {
  readonly profile: Profile;
  readonly device: Device;
  /** Cells of the finest result that the tile owns, an axis. */
  readonly tile: readonly number[];
  /** It begins on a multiple of so many of them, an axis. */
  readonly units: readonly number[];
  /** Tiles along each axis; where there is one, there are no margins. */
  readonly grid: readonly number[];
  /** Samples worked on together. */
  readonly samples: number;
  /** Seconds in which a device gives its neighbours margins of so many bytes in all, and gets theirs. */
  exchangeSeconds(bytes: number): number;
  /** Seconds in which all tiles give each other so many bytes each: what statistics over the whole extent take. */
  gatherSeconds(bytes: number): number;
  /** Sums that a sweep makes ahead of all else: nothing of them is gathered. */
  readonly swept: ReadonlySet<string>;
  /** Whether neighbours can give margins: tiles that come one after another cannot. */
  readonly exchanges: boolean;
};

export type HaloAnswer = {
  readonly exchanges: readonly Exchange[];
  readonly coarsen?: Coarsening;
  /** Seconds of one micro-batch, for each op of the model, messages apart. */
  readonly forward: readonly number[];
  readonly backward: readonly number[];
  readonly messages: {
    /** Seconds. */
    readonly forward: number;
    readonly backward: number;
    readonly count: number;
    readonly bytes: number;
  };
  /** Bytes of the maps with margins that exchanges make; they are kept beside those they are made of. */
  readonly copies: number;
  /** Cells beyond those that a tile owns, on both sides together, by spatial value. */
  readonly margins: ReadonlyMap<string, number>;
  /** Forward, backward and messages. */
  readonly seconds: number;
};

/** Cells beyond the own ones, on the low and the high side. */
export type Margin = readonly [lo: number, hi: number];

export const noMargin: Margin = [0, 0];

/** A spatial operand of an op of the model. */
export type Edge = { readonly op: number; readonly operand: number; readonly value: string };

/** What pricing needs, made once for a question. */
export type Pricing = {
  readonly question: HaloQuestion;
  /** Spatial operands of each op. */
  readonly edges: readonly (readonly Edge[])[];
  /** The margin that an operand needs for a result with the given one; undefined: only cells that the tile owns. */
  needed(edge: Edge, out: Margin): Margin;
  /** Seconds of an op both ways on a result with the margin. */
  opSeconds(op: number, margin: Margin): { readonly forward: number; readonly backward: number };
  /** Seconds of an exchange one way, the bytes that it moves, and those of the map that it makes. */
  exchange(
    value: string,
    margin: Margin,
  ): { readonly seconds: number; readonly bytes: number /** What it gives. */; readonly held: number };
  /** Whether shares of a cotangent go back. */
  readonly returns: (value: string) => boolean;
};

const moving = { kernel: 'move', flops: { fixed: 0, perCell: 0 }, pixels: 0, channels: 0 } as const;

const isNothing = ([lo, hi]: Margin): boolean => lo === 0 && hi === 0;

/** Ops that sum over, or take statistics of, the cells that a tile owns. */
const ownedOnly = ({ kind }: Op): boolean =>
  definitions[kind].sumsOwnedCells === true || definitions[kind].wholeExtent === true;

export function pricingOf(question: HaloQuestion): Pricing {
  const { profile, device, samples } = question;
  const { ops, values, likes } = profile;
  const axis = Math.max(
    0,
    question.grid.findIndex((count) => count > 1),
  );
  const begins = beginnings(question, axis);
  const owned = (name: string, begin: number): Range => {
    const step = at(valueIn(values, name).stride, axis);
    const from = Math.ceil(begin / step);
    return range(from, Math.max(from + 1, Math.ceil((begin + at(question.tile, axis)) / step)));
  };
  const edges = ops.map(({ op }, index) =>
    op.inputs.flatMap((value, operand): Edge[] => (values.has(value) ? [{ op: index, operand, value }] : [])),
  );
  const needed = memo((edge: Edge, [lo, hi]: Margin): Margin => {
    const { op } = at(ops, edge.op);
    if (ownedOnly(op) || !values.has(op.output)) return noMargin;
    return begins.reduce((most: Margin, begin): Margin => {
      const [result, own] = [owned(op.output, begin), owned(edge.value, begin)];
      const { from, to } = regionOf(op, axis, range(result.from - lo, result.to + hi), edge.operand);
      return wider(most, [own.from - from, to - own.to]);
    }, noMargin);
  });
  const cells = (value: string, margin: Margin): number =>
    samples * held(question, valueIn(values, value), margin);
  const seconds = (kernels: readonly Kernel[], count: number) =>
    kernels.reduce((sum, kernel) => sum + kernelSeconds(device, kernel, count), 0);
  const opSeconds = memo((index: number, margin: Margin) => {
    const op = at(ops, index);
    const count = op.counted === undefined ? 1 : cells(op.counted, countsResult(op) ? margin : noMargin);
    return { forward: seconds(op.forward, count), backward: seconds(op.backward, count) };
  });
  return {
    question,
    edges,
    // Ops that are alike need and cost the same.
    needed: (edge, out) => needed(edge, out, at(likes, edge.op) + edge.operand * likes.length),
    opSeconds: (op, margin) => opSeconds(op, margin, at(likes, op)),
    exchange(value, margin) {
      const { cellBytes } = valueIn(values, value);
      const [own, wide] = [cells(value, noMargin) * cellBytes, cells(value, margin) * cellBytes];
      // What a tile has is copied into the wider map that it gets.
      const copy = kernelSeconds(device, { ...moving, bytes: { fixed: own + wide, perCell: 0 } }, 0);
      return { seconds: copy + question.exchangeSeconds(wide - own), bytes: wide - own, held: wide };
    },
    returns: returnsIn(profile),
  };
}

/** Where a tile may begin, as far as that matters: up to the step of the coarsest value. */
function beginnings({ profile, units }: HaloQuestion, axis: number): number[] {
  const unit = at(units, axis);
  const step = Math.max(...[...profile.values.values()].map(({ stride }) => at(stride, axis)));
  return Array.from({ length: Math.max(1, Math.ceil(step / unit)) }, (_, index) => index * unit);
}

const countsResult = ({ op, counted }: OpProfile): boolean => counted === op.output;

/** Cells of one sample that a tile with a margin holds; no axis holds more than the image has. */
function held({ tile, grid }: HaloQuestion, { stride, extents }: ValueProfile, [lo, hi]: Margin): number {
  return stride.reduce((cells, step, axis) => {
    const side = Math.ceil(at(tile, axis) / step) + (at(grid, axis) > 1 ? lo + hi : 0);
    return cells * Math.min(at(extents, axis), Math.max(1, side));
  }, 1);
}

function valueIn(values: ReadonlyMap<string, ValueProfile>, name: string): ValueProfile {
  const value = values.get(name);
  if (value === undefined) throw new Error(`${name} is no spatial value`);
  return value;
}

/** Keeps what was computed by a number that stands for the first argument, and the margin. */
function memo<A, R>(compute: (a: A, margin: Margin) => R): (a: A, margin: Margin, key: number) => R {
  const known: (Map<number, R> | undefined)[] = [];
  return (a, margin, key) => {
    const own = known[key] ?? new Map<number, R>();
    known[key] = own;
    const found = own.get(marginKey(margin));
    if (found !== undefined) return found;
    const fresh = compute(a, margin);
    own.set(marginKey(margin), fresh);
    return fresh;
  };
}

/** Margins of whole cells as one number. */
export const marginKey = ([lo, hi]: Margin): number => lo * 2 ** 26 + hi;

/** Cotangents flow back to what some op before made; not to images, labels and masks. */
function returnsIn({ model }: Profile): (value: string) => boolean {
  const given = new Set(model.inputs.map(({ name }) => name));
  return (value) => !given.has(value);
}

/** Statistics and sums over whole samples, of which tiles have parts. */
const gathers = ({ profile, swept }: HaloQuestion, { kind, output }: Op): boolean =>
  definitions[kind].wholeExtent === true || (profile.sums.has(output) && !swept.has(output));

/** A part of mean and variance is a count, a mean and a sum of squares. */
const statisticsPerSum = 1.5;

/** How much of the margin that an operand needs is exchanged: so many cells a side. */
export type Choice = (edge: Edge, need: Margin) => number;

/** Prices decisions by walking the ops backwards: each value is held as wide as all that read it need. */
export function walk(pricing: Pricing, choice: Choice): HaloAnswer {
  const { question, edges } = pricing;
  const { ops } = question.profile;
  const hasNeighbours = question.grid.some((count) => count > 1);
  const margins = new Map<string, Margin>();
  const forward = new Array<number>(ops.length).fill(0);
  const backward = new Array<number>(ops.length).fill(0);
  const messages = { forward: 0, backward: 0, count: 0, bytes: 0 };
  const exchanges: Exchange[] = [];
  let copies = 0;
  for (let index = ops.length - 1; index >= 0; index--) {
    const { op } = at(ops, index);
    const out = margins.get(op.output) ?? noMargin;
    const spent = pricing.opSeconds(index, out);
    forward[index] = spent.forward;
    backward[index] = spent.backward;
    if (hasNeighbours && gathers(question, op)) {
      const bytes = bytesOf(op.type, question.samples) * statisticsPerSum;
      messages.forward += question.gatherSeconds(bytes);
      messages.backward += question.gatherSeconds(bytes);
      messages.count += 2;
      messages.bytes += 2 * bytes;
    }
    for (const edge of hasNeighbours ? at(edges, index) : []) {
      const need = pricing.needed(edge, out);
      const cells = isNothing(need) ? 0 : choice(edge, need);
      if (cells > 0) {
        const { seconds, bytes, held: made } = pricing.exchange(edge.value, need);
        copies += made;
        exchanges.push({ before: op.output, operand: edge.operand, cells });
        messages.forward += seconds;
        messages.backward += pricing.returns(edge.value) ? seconds : 0;
        messages.count += pricing.returns(edge.value) ? 2 : 1;
        messages.bytes += bytes * (pricing.returns(edge.value) ? 2 : 1);
      }
      const rest: Margin = [Math.max(0, need[0] - cells), Math.max(0, need[1] - cells)];
      margins.set(edge.value, wider(margins.get(edge.value) ?? noMargin, rest));
    }
  }
  const work = forward.reduce((sum, one, index) => sum + one + at(backward, index), 0);
  return {
    exchanges: exchanges.reverse(),
    forward,
    backward,
    messages,
    copies,
    margins: new Map([...margins].map(([name, [lo, hi]]) => [name, lo + hi])),
    seconds: work + messages.forward + messages.backward,
  };
}

export const wider = (a: Margin, b: Margin): Margin => [Math.max(a[0], b[0]), Math.max(a[1], b[1])];

/** Exchanges of images are read from the file as cheaply; labels and masks are no maps of floats. */
export function mayExchange({ profile }: HaloQuestion): (edge: Edge) => boolean {
  const inputs = new Set(profile.model.inputs.map(({ name }) => name));
  const spatial = (op: number) => profile.values.has(at(profile.ops, op).op.output);
  return ({ value, op }) => !inputs.has(value) && spatial(op);
}

/** The price of given decisions. */
export function priceHalo(
  question: HaloQuestion,
  exchanges: readonly Exchange[],
  coarsen?: Coarsening,
): HaloAnswer {
  const pricing = pricingOf(question);
  const byEdge = new Map(exchanges.map(({ before, operand, cells }) => [`${before} ${operand}`, cells]));
  const name = ({ op, operand }: Edge) => `${at(question.profile.ops, op).op.output} ${operand}`;
  const answer = walk(pricing, (edge) => byEdge.get(name(edge)) ?? 0);
  // What was asked for stays, an exchange that an interior tile does not need included.
  return { ...answer, exchanges, ...(coarsen === undefined ? {} : { coarsen }) };
}

/** Never exchange: every margin is recomputed. */
export const pureOverlap = (question: HaloQuestion): HaloAnswer => walk(pricingOf(question), () => 0);

/** Exchange before every op that needs a margin: nothing is recomputed. */
export function pureExchange(question: HaloQuestion): HaloAnswer {
  const may = mayExchange(question);
  return walk(pricingOf(question), (edge, need) => (may(edge) ? Math.max(...need) : 0));
}

/**
 * The best decisions: exact, among those that exchange the whole margin of an operand or nothing, where the graph is made
 * of chains and forks that join again (`halo-nested.ts`); elsewhere the best that changing single operands leads to.
 */
export function bestHalo(question: HaloQuestion): HaloAnswer {
  if (!question.exchanges || question.grid.every((count) => count === 1)) return pureOverlap(question);
  const pricing = pricingOf(question);
  const may = mayExchange(question);
  const nested = nestedHalo(pricing, may);
  return nested ?? descend(pricing, may);
}
