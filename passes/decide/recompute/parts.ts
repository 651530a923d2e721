/**
 * Parts of a network that are worth doing in strips of rows, and what that costs: from somewhere in the last levels to
 * the losses, where most of the memory is needed at once. The rows that a strip needs are told by intervals; they are
 * those along the longest axis, where margins are the smallest share of a strip.
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
  const { pieces = smoothPieces(times.forward, times.backward) } = times;
  const axis = pieces.anyAxis ? longestAxis(model) : 0;
  return ranges.flatMap((all) =>
    counts.flatMap((count) => {
      // The first of two has less to hold.
      const few = Math.max(2, count / 2);
      const found = all.flatMap(
        (one, i) =>
          partBetween({ ...times, pieces }, tape, one, axis, i + 1 < all.length ? few : count) ?? [],
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

/** The outermost of those along which the network gives most cells. */
function longestAxis(model: Model): number {
  const extents = tiledExtents(model);
  return extents.indexOf(Math.max(...extents));
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

function partBetween(
  { model, forward, backward, pieces }: Times & { readonly pieces: Pieces },
  tape: Tape,
  { from: first, to: end }: Range,
  axis: number,
  count: number,
): StripsPart | undefined {
  const last = end - 1;
  const types = modelTypes(model);
  const rows = (name: string) => rowsOf(types.get(name), axis) ?? 1;
  const body = model.ops.slice(first, end);
  const readAfter = new Set(model.ops.slice(end).flatMap(({ inputs }) => inputs));
  const each = Array.from({ length: count }, (_, strip) =>
    neededRows({ body, readAfter, types, axis, rows }, strip, count),
  );
  const all = new Map<string, number[]>();
  for (const needed of each)
    for (const [name, one] of needed) all.set(name, [...(all.get(name) ?? []), length(one)]);
  // A strip that needs most of what enters saves nothing.
  const share = (name: string) => Math.max(1 / count, ...(all.get(name) ?? [])) / rows(name);
  if (body.some(({ output }) => isSpatial(types.get(output)) && rows(output) < count)) return undefined;
  const sharesOf = (name: string) => (all.get(name) ?? []).map((one) => one / rows(name));
  const inPieces = (index: number, way: 'forward' | 'backward') => {
    const { output, inputs, type } = at(model.ops, index);
    const shares = sharesOf(isSpatial(type) ? output : at(inputs, 0));
    return shares.reduce((sum, one) => sum + pieces.seconds(index, way, one), 0);
  };
  const of = axis === 0 ? {} : { of: axisWordOf(model.rank, axis) };
  const strips = { from: at(model.ops, first).output, to: at(model.ops, last).output, count, ...of };
  const fused = isLeftToBackward(model, { chunks: [] }, strips);
  const steps = tape.steps.flatMap(({ origin }, step) =>
    step < tape.forward && origin >= first && origin <= last ? [step] : [],
  );
  if (steps.length === 0) return undefined;
  const ends = { first: at(steps, 0), last: at(steps, steps.length - 1), fused };
  const computed = new Set(stepsInStrips(tape, ends).map(({ origin }) => origin));
  // What is cut out of maps from before the strips, and added to their cotangents and those of parameters.
  const bytesOf = new Map(tape.values.map(({ name, bytes }) => [name, bytes]));
  const moved = (names: Iterable<string>, seconds: (bytes: number) => number) =>
    [...new Set(names)].reduce((sum, name) => {
      const bytes = bytesOf.get(name) ?? 0;
      return sharesOf(name).reduce((all, one) => all + seconds(bytes * one), sum);
    }, 0);
  const made = new Set(body.map(({ output }) => output));
  const entering = body.flatMap(({ inputs }) => inputs).filter((name) => !made.has(name));
  const differentiated = entering.filter((name) => model.ops.some(({ output }) => output === name));
  const leaving = [...made].filter((name) => readAfter.has(name));
  const gradients = gradientBytesOf(tape, ends);
  const moves =
    moved([...entering, ...leaving], pieces.cut) +
    moved(differentiated, pieces.add) +
    count * (gradients.reduce((sum, bytes) => sum + pieces.add(bytes), 0) + pieces.session);
  const extra = model.ops.map((_, index) => {
    if (index < first || index > last) return 0;
    const again = inPieces(index, 'forward') - (fused ? at(forward, index) : 0);
    const back = inPieces(index, 'backward') - at(backward, index);
    const own = (fused || computed.has(index) ? Math.max(0, again) : 0) + Math.max(0, back);
    return index === last ? own + moves : own;
  });
  const shares = new Map(
    tape.values.flatMap(({ name }, value) => (all.has(name) ? [[value, share(name)] as const] : [])),
  );
  const seconds = extra.reduce((sum, one) => sum + one, 0);
  return { strips, part: { ...ends, count, shares, seconds }, extra };
}

/** Ops of a part, what ops behind it read, and the rows of values along an axis. */
type Body = {
  readonly body: readonly Op[];
  readonly readAfter: ReadonlySet<string>;
  readonly types: ReadonlyMap<string, ValueType>;
  readonly axis: number;
  rows(name: string): number;
};

/** The rows that a strip needs of each value, for its own rows of what leaves the part. */
function neededRows(
  { body, readAfter, types, axis, rows }: Body,
  strip: number,
  count: number,
): Map<string, Range> {
  const read = new Set(body.flatMap(({ inputs }) => inputs));
  const own = (name: string) =>
    range(Math.floor((rows(name) * strip) / count), Math.floor((rows(name) * (strip + 1)) / count));
  const needed = new Map<string, Range>();
  const need = (name: string, one: Range) => needed.set(name, hull(needed.get(name) ?? one, one));
  for (const op of body) {
    if (sums(op.kind)) for (const name of op.inputs) if (isSpatial(types.get(name))) need(name, own(name));
    if (isSpatial(op.type) && (!read.has(op.output) || readAfter.has(op.output)))
      need(op.output, own(op.output));
  }
  for (const op of body.toReversed()) {
    const out = needed.get(op.output);
    if (out === undefined || !isSpatial(op.type)) continue;
    op.inputs.forEach((name, operand) => {
      if (!isSpatial(types.get(name))) return;
      need(name, intersect(regionOf(op, axis, out, operand), range(0, rows(name))));
    });
  }
  return needed;
}
