/**
 * Where tiles take their margins from: for each operand, recompute the margin or exchange it with the neighbours.
 *
 * `priceHalo` prices given decisions on an interior tile that lies on the grid, by propagating margins backwards
 * through the graph. All axes are taken to have the margins of the first, and what a tile at the border of the
 * image saves is not counted, so the price is an upper bound of what lowering makes of it.
 */
import { at, range } from '../../ir/box.ts';
import type { Op } from '../../ir/graph.ts';
import { regionOf } from '../../ir/intervals.ts';
import { bytesSeconds, isCotangent, type Kernel, kernelSeconds } from '../../ir/kernels.ts';
import type { Device } from '../../ir/machine.ts';
import { ops as definitions } from '../../ir/ops/table.ts';
import type { Coarsening, Exchange } from '../../ir/schedule.ts';
import { bytesOf } from '../../ir/type.ts';
import { descend } from './halo-descent.ts';
import { nestedHalo } from './halo-nested.ts';
import {
  holdingsOf,
  isNothing,
  isSame,
  lessBy,
  type Margin,
  marginKey,
  noMargin,
  type Tiles,
  wider,
} from './margins.ts';
import type { OpProfile, Profile } from './profile.ts';

export type HaloQuestion = Tiles & {
  readonly device: Device;
  /** It begins on a multiple of so many of them, an axis. */
  readonly units: readonly number[];
  /** Samples worked on together. */
  readonly samples: number;
  /** Seconds in which a device gives its neighbours along each axis, so many tiles away, so many bytes, and gets theirs. */
  exchangeSeconds(bytes: readonly number[], away: readonly number[]): number;
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
    /** Seconds on the way back, for each op of the model. */
    readonly backwardOf: readonly number[];
  };
  /** Bytes of the maps with margins that exchanges make; they are kept beside those they are made of. */
  readonly copies: number;
  /** Cells beyond those that a tile owns, on both sides together, by spatial value. */
  readonly margins: ReadonlyMap<string, number>;
  /** Where tiles are grouped: the values of which each has all that its group has. */
  readonly ofGroups?: ReadonlySet<string>;
  /** Forward, backward and messages. */
  readonly seconds: number;
};

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
    kept?: Margin,
  ): { readonly seconds: number; readonly bytes: number /** What it gives. */; readonly held: number };
  /** Seconds both ways of cutting what an op reads, a margin included, out of what is held wider for others. */
  crop(value: string, margin: Margin): number;
  /** How many cells a side neighbours must give so that nothing of a margin is left to compute. */
  reach(value: string, margin: Margin): number;
  /** Whether shares of a cotangent go back. */
  readonly returns: (value: string) => boolean;
};

/** Ops that sum over, or take statistics of, the cells that a tile owns. */
const ownedOnly = ({ kind }: Op): boolean =>
  definitions[kind].sumsOwnedCells === true || definitions[kind].wholeExtent === true;

export function pricingOf(question: HaloQuestion): Pricing {
  const { profile, device, samples } = question;
  const { ops, values, likes } = profile;
  const axes = axesOf(question);
  const returns = returnsIn(profile);
  const holdings = holdingsOf(question);
  const bytesOfCell = (value: string): number => values.get(value)?.cellBytes ?? 0;
  const edges = ops.map(({ op }, index) =>
    op.inputs.flatMap((value, operand): Edge[] => (values.has(value) ? [{ op: index, operand, value }] : [])),
  );
  const needed = memo((edge: Edge, [lo, hi, group]: Margin): Margin => {
    const { op } = at(ops, edge.op);
    if (ownedOnly(op) || !values.has(op.output)) return noMargin;
    // A tile that has all that its group has reads what the group reads, of a fine value, too.
    const isGroup = group === 1 || holdings.isCoarse(op.output);
    const isSpread = isGroup && !holdings.isCoarse(edge.value);
    return axes.reduce(
      (widest: Margin, { axis, begins }) =>
        begins.reduce((most: Margin, begin): Margin => {
          const result = holdings.owned(op.output, axis, begin, isGroup);
          const own = holdings.owned(edge.value, axis, begin, isGroup);
          const { from, to } = regionOf(op, axis, range(result.from - lo, result.to + hi), edge.operand);
          return wider(most, [own.from - from, to - own.to, isSpread ? 1 : 0]);
        }, widest),
      noMargin,
    );
  });
  // Ops that are alike need and cost the same.
  const neededOf = (edge: Edge, out: Margin): Margin =>
    needed(edge, out, at(likes, edge.op) + edge.operand * likes.length);
  const cells = (value: string, margin: Margin): number => samples * holdings.cells(value, margin);
  const seconds = (kernels: readonly Kernel[], count: number, pixels?: number) =>
    kernels.reduce(
      (sum, kernel) => sum + kernelSeconds(device, kernel, count, isCotangent(kernel) ? pixels : undefined),
      0,
    );
  const opSeconds = memo((index: number, margin: Margin) => {
    const op = at(ops, index);
    const count = op.counted === undefined ? 1 : cells(op.counted, countsResult(op) ? margin : noMargin);
    const edge = at(edges, index).find(({ value }) => value === op.reads?.value);
    // The cotangent of an operand has all cells that were read of it.
    const read = edge === undefined ? undefined : cells(edge.value, neededOf(edge, margin));
    return { forward: seconds(op.forward, count), backward: seconds(op.backward, count, read) };
  });
  return {
    question,
    edges,
    needed: neededOf,
    opSeconds: (op, margin) => opSeconds(op, margin, at(likes, op)),
    exchange(value, margin, kept = noMargin) {
      const cellBytes = bytesOfCell(value);
      const each = samples * cellBytes;
      const [own, wide] = [cells(value, kept) * cellBytes, cells(value, margin) * cellBytes];
      // What a tile has is copied into the wider map that it gets.
      const beyond = holdings.borders(value, margin, kept);
      const given = beyond.cells.map((count) => each * count);
      const copy = bytesSeconds(device, 'move', own + wide, 'exchange');
      return { seconds: copy + question.exchangeSeconds(given, beyond.away), bytes: wide - own, held: wide };
    },
    crop(value, margin) {
      const bytes = 2 * cells(value, margin) * bytesOfCell(value);
      return (returns(value) ? 2 : 1) * bytesSeconds(device, 'move', bytes);
    },
    reach: holdings.reach,
    returns,
  };
}

/** The axes that margins are counted along: one stands for all, where all have groups of as many tiles. */
function axesOf(question: HaloQuestion): { readonly axis: number; readonly begins: readonly number[] }[] {
  const { grid, coarsen } = question;
  const cut = grid.flatMap((count, axis) => (count > 1 ? [axis] : []));
  const chosen = coarsen === undefined ? cut.slice(0, 1) : cut;
  return (chosen.length > 0 ? chosen : [0]).map((axis) => ({ axis, begins: beginnings(question, axis) }));
}

/** Where a tile may begin, as far as that matters: up to the step of the coarsest value. */
function beginnings({ profile, units }: HaloQuestion, axis: number): number[] {
  const unit = at(units, axis);
  const step = Math.max(...[...profile.values.values()].map(({ stride }) => at(stride, axis)));
  return Array.from({ length: Math.max(1, Math.ceil(step / unit)) }, (_, index) => index * unit);
}

const countsResult = ({ op, counted }: OpProfile): boolean => counted === op.output;

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
  const backwardOf = new Array<number>(ops.length).fill(0);
  const exchanges: Exchange[] = [];
  let copies = 0;
  const read = new Map<string, Margin[]>();
  const crops = (value: string): number =>
    cropsOf(pricing, value, read.get(value), margins.get(value) ?? noMargin);
  for (let index = ops.length - 1; index >= 0; index--) {
    const { op } = at(ops, index);
    const out = margins.get(op.output) ?? noMargin;
    const spent = pricing.opSeconds(index, out);
    forward[index] = spent.forward;
    // What is cut out of a map counts as work of the op that makes it, on the way back.
    backward[index] = spent.backward + crops(op.output);
    if (hasNeighbours && gathers(question, op)) {
      const bytes = bytesOf(op.type, question.samples) * statisticsPerSum;
      const seconds = question.gatherSeconds(bytes);
      messages.forward += seconds;
      messages.backward += seconds;
      backwardOf[index] = seconds;
      messages.count += 2;
      messages.bytes += 2 * bytes;
    }
    for (const edge of hasNeighbours ? at(edges, index) : []) {
      const need = pricing.needed(edge, out);
      const cells = isNothing(need) ? 0 : choice(edge, need);
      const rest = lessBy(need, cells, pricing.reach(edge.value, need));
      if (cells > 0) {
        const { seconds, bytes, held: made } = pricing.exchange(edge.value, need, rest);
        copies += made;
        exchanges.push({ before: op.output, operand: edge.operand, cells });
        messages.forward += seconds;
        messages.backward += pricing.returns(edge.value) ? seconds : 0;
        backwardOf[index] = at(backwardOf, index) + (pricing.returns(edge.value) ? seconds : 0);
        messages.count += pricing.returns(edge.value) ? 2 : 1;
        messages.bytes += bytes * (pricing.returns(edge.value) ? 2 : 1);
      } else if (cropsApart(op)) read.set(edge.value, [...(read.get(edge.value) ?? []), need]);
      margins.set(edge.value, wider(margins.get(edge.value) ?? noMargin, rest));
    }
  }
  const work = forward.reduce((sum, one, index) => sum + one + at(backward, index), 0);
  return {
    exchanges: exchanges.reverse(),
    forward,
    backward,
    messages: { ...messages, backwardOf },
    copies,
    margins: new Map([...margins].map(([name, [lo, hi]]) => [name, lo + hi])),
    ...(question.coarsen === undefined
      ? {}
      : { coarsen: question.coarsen, ofGroups: ofGroups(question, margins) }),
    seconds: work + messages.forward + messages.backward,
  };
}

function ofGroups(question: HaloQuestion, margins: ReadonlyMap<string, Margin>): Set<string> {
  const { isCoarse } = holdingsOf(question);
  const names = [...question.profile.values.keys()];
  return new Set(names.filter((name) => isCoarse(name) || margins.get(name)?.[2] === 1));
}

/** Whether an op has what it reads cut out of what is held, where that is more. */
export const cropsApart = ({ kind }: Op): boolean =>
  definitions[kind].cropsItself !== true && definitions[kind].wholeExtent !== true;

/** Of a value held with a margin, what is cut out for those that read less of it: the same once. */
function cropsOf(
  { crop }: Pricing,
  value: string,
  read: readonly Margin[] | undefined,
  margin: Margin,
): number {
  if (read === undefined || read.every((one) => isSame(one, margin))) return 0;
  const cut = new Map(read.filter((one) => !isSame(one, margin)).map((one) => [one.join(), one]));
  return [...cut.values()].reduce((sum, margin) => sum + crop(value, margin), 0);
}

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
  const pricing = pricingOf(coarsen === undefined ? question : { ...question, coarsen });
  const byEdge = new Map(exchanges.map(({ before, operand, cells }) => [`${before} ${operand}`, cells]));
  const name = ({ op, operand }: Edge) => `${at(question.profile.ops, op).op.output} ${operand}`;
  const answer = walk(pricing, (edge) => byEdge.get(name(edge)) ?? 0);
  // What was asked for stays, an exchange that an interior tile does not need included.
  return { ...answer, exchanges };
}

/** Never exchange: every margin is recomputed. */
export const pureOverlap = (question: HaloQuestion): HaloAnswer => walk(pricingOf(question), () => 0);

/** Exchange before every op that needs a margin: nothing is recomputed. */
export function pureExchange(question: HaloQuestion): HaloAnswer {
  const may = mayExchange(question);
  const pricing = pricingOf(question);
  return walk(pricing, (edge, need) => (may(edge) ? pricing.reach(edge.value, need) : 0));
}

/**
 * The best decisions: exact but for cuts, among exchanges of a few cells or of the whole margin of an operand, where the
 * graph is made of chains and forks that join again (`halo-nested.ts`); elsewhere the best that changing single operands leads to.
 *
 * Coarsening is priced where it is pinned, and never looked for: without it, with the same exchanges, each tile computes
 * a part of what it computed as a member of a group, and is given a part of what it was given. What a gather saves on
 * coarse levels an exchange of a wide margin saves as well.
 */
export function bestHalo(question: HaloQuestion): HaloAnswer {
  if (!question.exchanges || question.grid.every((count) => count === 1)) return pureOverlap(question);
  const pricing = pricingOf(question);
  const may = mayExchange(question);
  return nestedHalo(pricing, may) ?? descend(pricing, may);
}
