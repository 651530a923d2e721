/**
 * Parts of a network that are worth doing in strips of rows, and what that costs: from somewhere in the last levels to
 * the losses, where most of the memory is needed at once. The rows that a strip needs are told by intervals.
 */
import { at, hull, intersect, length, type Range, range } from '../../../ir/box.ts';
import type { Op } from '../../../ir/graph.ts';
import { isSpatial, modelTypes, regionOf } from '../../../ir/intervals.ts';
import type { Model } from '../../../ir/model.ts';
import type { OpKind } from '../../../ir/ops/attributes.ts';
import type { OpDefinition } from '../../../ir/ops/definition.ts';
import { ops } from '../../../ir/ops/table.ts';
import type { Strips } from '../../../ir/schedule.ts';
import { isLeftToBackward } from '../../../ir/strips.ts';
import type { ValueType } from '../../../ir/type.ts';
import type { Part } from './strips.ts';
import type { Tape } from './tape.ts';

/** A part, as a schedule names it, and the extra seconds of each op of the model. */
export type StripsPart = { readonly strips: Strips; readonly part: Part; readonly extra: readonly number[] };

export type Times = {
  readonly model: Model;
  readonly forward: readonly number[];
  readonly backward: readonly number[];
  /** Tiles along the first axis, whose rows the strips share out. */
  readonly rowTiles: number;
};

const counts = [2, 4, 8, 16];

/** Ends of the parts: each begins where maps become finer, or after that, and ends with the last map or loss. */
export function partsOf(times: Times, tape: Tape): StripsPart[] {
  const { model } = times;
  const last = model.ops.findLastIndex((op) => hasRows(op));
  const least = model.ops.slice(0, last + 1).findLastIndex((op) => !mayBeInStrips(model, op)) + 1;
  if (last < 0 || least > last) return [];
  const firsts = beginnings(model, least, last);
  return firsts.flatMap((first) =>
    counts.flatMap((count): StripsPart[] => {
      const found = partBetween(times, tape, first, last, count);
      return found === undefined ? [] : [found];
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

/** The first op that may be, and the last ops after which maps become finer, with the ops that follow them. */
function beginnings(model: Model, least: number, last: number): number[] {
  const types = modelTypes(model);
  const rows = (name: string) => rowsOf(types.get(name)) ?? 0;
  const finer = model.ops.flatMap(({ output, inputs }, index) => {
    const coarsest = Math.min(...inputs.filter((name) => isSpatial(types.get(name))).map(rows));
    return index >= least && index <= last && rows(output) > coarsest ? [index] : [];
  });
  const near = finer.slice(-2).flatMap((index) => [index, index + 1]);
  return [...new Set([...near, ...(near.length === 0 ? [least] : [])])].filter((index) => index <= last);
}

const rowsOf = (type: ValueType | undefined): number | undefined =>
  type?.kind === 'map' && type.box.length > 0 ? length(at(type.box, 0)) : undefined;

function partBetween(
  { model, forward, backward, rowTiles }: Times,
  tape: Tape,
  first: number,
  last: number,
  count: number,
): StripsPart | undefined {
  const types = modelTypes(model);
  const rows = (name: string) => Math.ceil((rowsOf(types.get(name)) ?? 1) / rowTiles);
  const body = model.ops.slice(first, last + 1);
  const each = Array.from({ length: count }, (_, strip) => neededRows(body, rows, types, strip, count));
  const all = new Map<string, number[]>();
  for (const needed of each)
    for (const [name, one] of needed) all.set(name, [...(all.get(name) ?? []), length(one)]);
  // A strip that needs most of what enters saves nothing.
  const share = (name: string) => Math.max(1 / count, ...(all.get(name) ?? [])) / rows(name);
  if (body.some(({ output }) => isSpatial(types.get(output)) && rows(output) < count)) return undefined;
  const work = (op: Op) => {
    const counted = isSpatial(op.type) ? op.output : at(op.inputs, 0);
    return (all.get(counted) ?? []).reduce((sum, one) => sum + one, 0) / rows(counted);
  };
  const strips = { from: at(model.ops, first).output, to: at(model.ops, last).output, count };
  const fused = isLeftToBackward(model, { chunks: [] }, strips);
  const extra = model.ops.map((op, index) => {
    if (index < first || index > last) return 0;
    const more = Math.max(0, work(op) - 1);
    return (fused ? more : work(op)) * at(forward, index) + more * at(backward, index);
  });
  const steps = tape.steps.flatMap(({ origin }, step) =>
    step < tape.forward && origin >= first && origin <= last ? [step] : [],
  );
  const shares = new Map(
    tape.values.flatMap(({ name }, value) => (all.has(name) ? [[value, share(name)] as const] : [])),
  );
  if (steps.length === 0) return undefined;
  const seconds = extra.reduce((sum, one) => sum + one, 0);
  const part = {
    first: at(steps, 0),
    last: at(steps, steps.length - 1),
    count,
    shares,
    seconds,
    fused,
  };
  return { strips, part, extra };
}

/** The rows that a strip needs of each value, for its own rows of what leaves the part. */
function neededRows(
  body: readonly Op[],
  rows: (name: string) => number,
  types: ReadonlyMap<string, ValueType>,
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
    if (isSpatial(op.type) && !read.has(op.output)) need(op.output, own(op.output));
  }
  for (const op of body.toReversed()) {
    const out = needed.get(op.output);
    if (out === undefined || !isSpatial(op.type)) continue;
    op.inputs.forEach((name, operand) => {
      if (!isSpatial(types.get(name))) return;
      need(name, intersect(regionOf(op, 0, out, operand), range(0, rows(name))));
    });
  }
  return needed;
}
