/**
 * Parts of a network that are worth doing in strips of rows, and what that costs: from somewhere in the last levels to
 * the losses, where most of the memory is needed at once. The rows that a strip needs are told by intervals.
 *
 * Strips that begin before a level's first convolution compute wide margins twice, for that reads coarse maps and is
 * the dearest op of the level. Two parts beside one another have none there: the first ends with the convolution,
 * whose result is kept, and whose adjoint goes through every row of its cotangent once.
 */
import { at, hull, intersect, length, type Range, range } from '../../../ir/box.ts';
import type { Op } from '../../../ir/graph.ts';
import { isSpatial, modelTypes, regionOf } from '../../../ir/intervals.ts';
import type { Model } from '../../../ir/model.ts';
import type { OpKind } from '../../../ir/ops/attributes.ts';
import type { OpDefinition } from '../../../ir/ops/definition.ts';
import { ops } from '../../../ir/ops/table.ts';
import { axisWordOf, type Strips } from '../../../ir/schedule.ts';
import { isLeftToBackward } from '../../../ir/strips.ts';
import { tiledExtents } from '../../../ir/tiling.ts';
import type { ValueType } from '../../../ir/type.ts';
import { type Pieces, smoothPieces } from './pieces.ts';
import { gradientBytesOf, type Part, stepsInStrips } from './strips.ts';
import type { Tape } from './tape.ts';

/** A part, as a schedule names it, and the extra seconds of each op of the model. */
export type StripsPart = { readonly strips: Strips; readonly part: Part; readonly extra: readonly number[] };

export type Times = {
  readonly model: Model;
  readonly forward: readonly number[];
  readonly backward: readonly number[];
  /** Absent: `smoothPieces`. */
  readonly pieces?: Pieces | undefined;
};

const counts = [2, 4, 8, 16];

/**
 * What may be done in strips, each time one part or two, in the order of the model: from where maps become finer, or
 * after that, to the last map or loss.
 */
export function partsOf(times: Times, tape: Tape): StripsPart[][] {
  const { model } = times;
  const last = model.ops.findLastIndex((op) => hasRows(op));
  const least = model.ops.slice(0, last + 1).findLastIndex((op) => !mayBeInStrips(model, op)) + 1;
  if (last < 0 || least > last) return [];
  const finer = whereFiner(model, least, last);
  const ranges = [
    ...beginnings(finer, least, last).map((first) => [range(first, last + 1)]),
    ...finer.flatMap((first) => {
      const end = firstConvolution(model, first, last);
      return end === undefined ? [] : [[range(first, end + 1), range(end + 1, last + 1)]];
    }),
  ];
  const { pieces = smoothPieces(times.forward, times.backward, tiledExtents(model)) } = times;
  return ranges.flatMap((all) =>
    counts.flatMap((count) => {
      // The first of two has less to hold.
      const few = Math.max(2, count / 2);
      const found = all.flatMap(
        (one, i) => partBetween({ ...times, pieces }, tape, one, i + 1 < all.length ? few : count) ?? [],
      );
      return found.length === all.length ? [found] : [];
    }),
  );
}

const hasRows = ({ type, kind }: Op): boolean => isSpatial(type) || sums(kind);

const sums = (kind: OpKind): boolean => (ops[kind] as OpDefinition<OpKind>).sumsOwnedCells === true;

/** What needs all rows before any goes back, or has none, is in no strip. */
function mayBeInStrips(model: Model, op: Op): boolean {
  if (!hasRows(op) || ops[op.kind].wholeExtent === true) return false;
  return !model.ops.some(({ kind, inputs }) => ops[kind].needsSums === true && inputs.includes(op.output));
}

/** The last ops after which maps become finer. */
function whereFiner(model: Model, least: number, last: number): number[] {
  const types = modelTypes(model);
  const rows = (name: string) => rowsOf(types.get(name), 0) ?? 0;
  const finer = model.ops.flatMap(({ output, inputs }, index) => {
    const coarsest = Math.min(...inputs.filter((name) => isSpatial(types.get(name))).map(rows));
    return index >= least && index <= last && rows(output) > coarsest ? [index] : [];
  });
  return finer.slice(-2);
}

/** With the ops that follow them; the first op that may be in strips where maps become finer nowhere. */
function beginnings(finer: readonly number[], least: number, last: number): number[] {
  const near = finer.flatMap((index) => [index, index + 1]);
  return [...new Set(near.length === 0 ? [least] : near)].filter((index) => index <= last);
}

/** The first convolution behind the join of a skip, or after maps became finer where none is joined; not the last op. */
function firstConvolution({ ops: all }: Model, finer: number, last: number): number | undefined {
  const isMap = (name: string) => all.some(({ output, type }) => output === name && isSpatial(type));
  const join = all.findIndex(({ inputs }, op) => op >= finer && inputs.filter(isMap).length > 1);
  const after = join < 0 ? finer : join;
  const index = all.findIndex(({ kind }, op) => op > after && ops[kind].kernel === 'conv');
  return index < 0 || index >= last ? undefined : index;
}

const rowsOf = (type: ValueType | undefined, axis: number): number | undefined =>
  type?.kind === 'map' && type.box.length > 0 ? length(at(type.box, axis)) : undefined;

/** The ops of a part, what ops behind it read, and in how many strips of rows along an axis it is done. */
type Body = {
  readonly ops: readonly Op[];
  readonly readAfter: ReadonlySet<string>;
  readonly types: ReadonlyMap<string, ValueType>;
  readonly axis: number;
  readonly count: number;
};

function partBetween(
  { model, forward, backward, pieces }: Times & { readonly pieces: Pieces },
  tape: Tape,
  { from: first, to: end }: Range,
  count: number,
): StripsPart | undefined {
  const { axis } = pieces;
  const types = modelTypes(model);
  const readAfter = new Set(model.ops.slice(end).flatMap(({ inputs }) => inputs));
  const body: Body = { ops: model.ops.slice(first, end), readAfter, types, axis, count };
  // A strip that needs most of what enters saves nothing.
  const tooFew = ({ output }: Op) => isSpatial(types.get(output)) && rowsIn(body, output) < count;
  const steps = tape.steps.flatMap(({ origin }, step) =>
    step < tape.forward && origin >= first && origin < end ? [step] : [],
  );
  if (steps.length === 0 || body.ops.some(tooFew)) return undefined;
  const of = axis === 0 ? {} : { of: axisWordOf(model.rank, axis) };
  const strips = { from: at(model.ops, first).output, to: at(model.ops, end - 1).output, count, ...of };
  const fused = isLeftToBackward(model, { chunks: [] }, strips);
  const ends = { first: at(steps, 0), last: at(steps, steps.length - 1), fused };
  const shares = sharesOfStrips(body);
  const computed = new Set(stepsInStrips(tape, ends).map(({ origin }) => origin));
  const moves = movingSeconds(body, tape, shares, pieces);
  const sharing = count * gradientBytesOf(tape, ends).reduce((sum, bytes) => sum + pieces.add(bytes), 0);
  const inPieces = (index: number, way: 'forward' | 'backward') => {
    const { output, inputs, type } = at(model.ops, index);
    const own = shares.get(isSpatial(type) ? output : at(inputs, 0)) ?? [];
    return own.reduce((sum, one) => sum + pieces.seconds(index, way, one), 0);
  };
  const extra = model.ops.map((_, index) => {
    if (index < first || index >= end) return 0;
    const again = inPieces(index, 'forward') - (fused ? at(forward, index) : 0);
    const back = inPieces(index, 'backward') - at(backward, index);
    const own = (fused || computed.has(index) ? Math.max(0, again) : 0) + Math.max(0, back);
    // The part goes back from its last op on.
    return index === end - 1 ? own + moves + sharing + count * pieces.session : own;
  });
  const seconds = extra.reduce((sum, one) => sum + one, 0);
  const most = new Map(
    tape.values.flatMap(({ name }, value) => {
      const own = shares.get(name);
      return own === undefined ? [] : [[value, Math.max(...own)] as const];
    }),
  );
  return { strips, part: { ...ends, count, shares: most, seconds }, extra };
}

const rowsIn = ({ types, axis }: Body, name: string): number => rowsOf(types.get(name), axis) ?? 1;

/** By value, for each strip that needs some of it, the share of its rows. */
function sharesOfStrips(body: Body): Map<string, readonly number[]> {
  const shares = new Map<string, number[]>();
  for (let strip = 0; strip < body.count; strip++)
    for (const [name, rows] of neededRows(body, strip)) {
      const known = shares.get(name) ?? [];
      shares.set(name, known);
      known.push(length(rows) / rowsIn(body, name));
    }
  return shares;
}

/** Seconds of cutting maps, and cotangents that come from behind, and of adding shares to those that go on. */
function movingSeconds(
  { ops: all, readAfter }: Body,
  tape: Tape,
  shares: ReadonlyMap<string, readonly number[]>,
  { cut, add }: Pieces,
): number {
  const values = new Map(tape.values.map((value) => [value.name, value]));
  const made = new Set(all.map(({ output }) => output));
  const entering = new Set(all.flatMap(({ inputs }) => inputs).filter((name) => !made.has(name)));
  const leaving = [...made].filter((name) => readAfter.has(name));
  const seconds = (name: string, move: (bytes: number) => number) => {
    const { bytes = 0 } = values.get(name) ?? {};
    return (shares.get(name) ?? []).reduce((sum, share) => sum + move(bytes * share), 0);
  };
  return [
    ...[...entering, ...leaving].map((name) => seconds(name, cut)),
    // What is there from the first step on is an input, to which no cotangent goes.
    ...[...entering].map((name) => (values.get(name)?.early === true ? 0 : seconds(name, add))),
  ].reduce((sum, one) => sum + one, 0);
}

/** The rows that a strip needs of each value, for its own rows of what leaves the part. */
function neededRows(body: Body, strip: number): Map<string, Range> {
  const { ops: all, readAfter, types, axis, count } = body;
  const read = new Set(all.flatMap(({ inputs }) => inputs));
  const own = (name: string) => {
    const rows = rowsIn(body, name);
    return range(Math.floor((rows * strip) / count), Math.floor((rows * (strip + 1)) / count));
  };
  const needed = new Map<string, Range>();
  const need = (name: string, one: Range) => needed.set(name, hull(needed.get(name) ?? one, one));
  for (const op of all) {
    if (sums(op.kind)) for (const name of op.inputs) if (isSpatial(types.get(name))) need(name, own(name));
    if (isSpatial(op.type) && (!read.has(op.output) || readAfter.has(op.output)))
      need(op.output, own(op.output));
  }
  for (const op of all.toReversed()) {
    const out = needed.get(op.output);
    if (out === undefined || !isSpatial(op.type)) continue;
    op.inputs.forEach((name, operand) => {
      if (!isSpatial(types.get(name))) return;
      need(name, intersect(regionOf(op, axis, out, operand), range(0, rowsIn(body, name))));
    });
  }
  return needed;
}
