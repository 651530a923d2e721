/**
 * The backward pass of a part of a program in strips of rows. Of the forward pass only the values that enter the
 * part are kept. Each strip computes the rest again on the rows that it needs, which intervals tell, margins
 * included, and differentiates that for its own rows of the results. What it finds are shares: the strips' own rows
 * partition those of every result, so shares of a cotangent add up to it, wherever they overlap. The last part of a
 * network is computed in its strips alone, which then give their parts of the losses and predictions as well.
 *
 * Rows are those along one axis, counted here from the first that the program holds of a value.
 */
import { at, hull, type Range, range } from '../../ir/box.ts';
import type { Graph, Op } from '../../ir/graph.ts';
import { isSpatial, rangesNeeded } from '../../ir/intervals.ts';
import { valueOfBytes } from '../../ir/lean.ts';
import type { Model } from '../../ir/model.ts';
import type { Program } from '../../ir/module.ts';
import type { OpKind } from '../../ir/ops/attributes.ts';
import type { OpDefinition } from '../../ir/ops/definition.ts';
import { ops } from '../../ir/ops/table.ts';
import type { Schedule } from '../../ir/schedule.ts';
import { scoredOutputs } from '../../ir/stages.ts';
import { axisOfStrips, isLeftToBackward, opsInStrips, ownOf, type Strip, shareOf } from '../../ir/strips.ts';
import type { ValueType } from '../../ir/type.ts';
import { type Cotangents, type Flow, flowBack } from './flow-back.ts';
import { type Indexed, rowsIn, StripGraph } from './strip-graph.ts';
import type { Tape } from './tape.ts';

/** Ops of a program that are done in at most `count` strips of rows along `axis`; `index`: which of the schedule's. */
export type Part = {
  readonly index: number;
  readonly axis: number;
  readonly count: number;
  readonly body: readonly Indexed[];
  /** Of a part that the forward pass leaves to the backward pass: the sums and predictions that it makes. */
  readonly gives?: ReadonlySet<string>;
};

/** One op of a program, by its index, or all those of a part. */
export type Item = number | Part;

/** A program in an order, as good as its own, in which the ops of each part follow one another. */
export function itemsOf({ graph, origins }: Program, model: Model, schedule: Schedule): Item[] {
  const scored = new Set(scoredOutputs(model).map(({ value }) => value));
  const parts = schedule.strips.map((one, index): Part => {
    const inside = new Set(opsInStrips(model, one));
    const body = graph.ops.flatMap((op, i) => (inside.has(at(origins, i)) ? [{ op, index: i }] : []));
    const part = { index, axis: axisOfStrips(model, one), count: one.count, body };
    if (!isLeftToBackward(model, schedule, one)) return part;
    const given = body.filter(({ op }) => isSum(op) || scored.has(op.output));
    return { ...part, gives: new Set(given.map(({ op }) => op.output)) };
  });
  const begins = new Map(parts.flatMap((part) => part.body.slice(0, 1).map(({ index }) => [index, part])));
  const items: Item[] = [];
  for (let index = 0; index < graph.ops.length; index++) {
    const part = begins.get(index);
    if (part === undefined) items.push(index);
    else {
      items.push(...around(graph, part));
      index = at(part.body, part.body.length - 1).index;
    }
  }
  return items;
}

/** The part, between the ops of its stretch of the program that it does not hold: those that read of it come last. */
function around(graph: Graph, part: Part): Item[] {
  const own = new Set(part.body.map(({ index }) => index));
  const made = new Set(part.body.map(({ op }) => op.output));
  const before: number[] = [];
  const after: number[] = [];
  const last = at(part.body, part.body.length - 1).index;
  for (let index = at(part.body, 0).index; index <= last; index++) {
    if (own.has(index)) continue;
    const { inputs, output } = at(graph.ops, index);
    const reads = inputs.some((name) => made.has(name));
    if (reads) made.add(output);
    (reads ? after : before).push(index);
  }
  return [...before, part, ...after];
}

const isSum = ({ kind }: Op): boolean => (ops[kind] as OpDefinition<OpKind>).sumsOwnedCells === true;

/** The ops that are made of a part and are not in it, where the forward pass leaves it to the backward pass: sums of its sums. */
export function madeOfPart({ ops: all }: Graph, { body }: Part): Indexed[] {
  const own = new Set(body.map(({ index }) => index));
  const made = new Set(body.map(({ op }) => op.output));
  return all.flatMap((op, index) => {
    if (own.has(index) || !op.inputs.some((name) => made.has(name))) return [];
    made.add(op.output);
    return [{ op, index }];
  });
}

/**
 * A result of a part, a map, or a sum over the rows of its operands: one that a cotangent has come to, or that the
 * part gives.
 */
export type End = {
  readonly op: Op;
  readonly sums: boolean;
  readonly given: boolean;
  readonly rows: number;
  readonly cotangent: string | undefined;
};

function endsOf(
  { axis, body, gives }: Part,
  types: ReadonlyMap<string, ValueType>,
  cotangents: Cotangents,
): End[] {
  return body.flatMap(({ op }): End[] => {
    const cotangent = cotangents.get(op.output);
    const given = gives?.has(op.output) === true;
    if (cotangent === undefined && !given) return [];
    const sums = isSum(op);
    const rows = rowsIn(types, sums ? at(op.inputs, 0) : op.output, axis);
    return [{ op, sums, given, rows, cotangent }];
  });
}

/** The rows of each result that a strip does. */
export const ownRows = ({ rows }: End, strip: number, count: number): Range =>
  range(Math.floor((rows * strip) / count), Math.floor((rows * (strip + 1)) / count));

/** The rows of each value that a strip needs. */
function neededRows(
  { axis, body }: Part,
  types: ReadonlyMap<string, ValueType>,
  ends: readonly End[],
  rows: (end: End) => Range,
): Map<string, Range> {
  const demands = new Map<string, Range>();
  for (const end of ends)
    for (const name of end.sums ? end.op.inputs : [end.op.output])
      if (isSpatial(types.get(name))) demands.set(name, hull(demands.get(name) ?? range(0, 0), rows(end)));
  const needed = rangesNeeded(
    body.map(({ op }) => op),
    types,
    axis,
    demands,
  );
  // Bytes are noted of all that there is of a value: that is what its cotangent has cells of.
  for (const { op } of body) {
    const rows = needed.get(valueOfBytes(op.output) ?? '');
    if (rows !== undefined) needed.set(op.output, rows);
  }
  return needed;
}

/** Writes the strips of a part, one after another; gives the runs of ops that do one each. */
export function stripsBack(
  tape: Tape,
  part: Part,
  types: ReadonlyMap<string, ValueType>,
  { cotangents, wanted, noted }: Flow,
): Range[] {
  const ends = endsOf(part, types, cotangents);
  if (ends.length === 0) return [];
  // Each strip has rows of every result, so each gives a share of every cotangent.
  const count = Math.min(part.count, ...ends.map(({ rows }) => rows));
  const made = new Set(part.body.map(({ op }) => op.output));
  const read = part.body.flatMap(({ op }) => op.inputs);
  const entering = [...new Set(read)].filter((name) => wanted.has(name) && !made.has(name));
  const results = new Map<string, string>();
  const sums = new Map<string, string>();
  const runs: Range[] = [];
  for (let strip = 0; strip < count; strip++) {
    const own = { strips: part.index, strip };
    const from = tape.length;
    const rows = (end: End) => ownRows(end, strip, count);
    const graph = new StripGraph(tape, types, own, part.axis, neededRows(part, types, ends, rows), wanted);
    const { given, shares } = differentiated(tape, graph, part, { ends, rows, entering, noted });
    runs.push(range(from, tape.length));
    const isLast = strip === count - 1;
    for (const [value, piece] of given)
      results.set(value, pasted(tape, value, value, own, piece, results.get(value), isLast));
    for (const [value, share] of shares) {
      const before = strip === 0 ? cotangents.get(value) : undefined;
      const into = `${value}~sum${part.index}`;
      const add = (part: string, isLast: boolean) =>
        sums.set(value, pasted(tape, value, into, own, part, sums.get(value), isLast));
      if (before !== undefined) add(before, false);
      add(share, isLast);
    }
  }
  for (const [value, sum] of sums) cotangents.set(value, sum);
  return runs;
}

/** Where a strip begins its way back, the rows that it does, where it ends, and what is noted on the way. */
type Ways = Pick<Flow, 'noted'> & {
  readonly ends: readonly End[];
  readonly rows: (end: End) => Range;
  readonly entering: readonly string[];
};

/** By value what a strip has of it: of what the part gives, and its share of the cotangent of what enters. */
type Done = { readonly given: readonly [string, string][]; readonly shares: readonly [string, string][] };

/** One strip: its ops forward, then backward. */
function differentiated(
  tape: Tape,
  graph: StripGraph,
  { body }: Part,
  { ends, rows, entering, noted }: Ways,
): Done {
  const from = tape.length;
  for (const { op, index } of body) {
    const end = ends.find((one) => one.op === op);
    if (end?.sums) graph.sum(op, index, rows(end));
    else graph.compute(op, index);
    if (end !== undefined && !end.sums) graph.result(op.output, rows(end));
  }
  const forward = graph.written();
  const cotangents: Cotangents = new Map();
  const here = [...noted].map(([value, bytes]) => [graph.nameOf(value), graph.nameOf(bytes)] as const);
  const flow = { cotangents, wanted: graph.wanted, noted: new Map(here) };
  const seeds = new Set<string>();
  const given = ends
    .filter((end) => end.given)
    .map(({ op: { output } }): [string, string] => [
      output,
      tape.name(graph.resultOf(output), ownOf(output, graph.strip), from),
    ]);
  for (const end of ends) {
    if (end.cotangent === undefined) continue;
    const seed = end.sums ? end.cotangent : graph.rowsOf(end.cotangent, rows(end));
    seeds.add(seed);
    cotangents.set(graph.resultOf(end.op.output), seed);
  }
  for (const { op, index } of forward.toReversed()) {
    tape.reading(op.output, index);
    const dy = cotangents.get(op.output);
    if (dy !== undefined) flowBack(tape, op, dy, flow);
  }
  const shares = entering.flatMap((value): [string, string][] => {
    const found = cotangents.get(graph.nameOf(value));
    if (found === undefined) return [];
    const name = shareOf(value, graph.strip);
    // The rows of a cotangent that flow through unchanged are not this strip's to rename.
    return [[value, tape.name(found, name, seeds.has(found) ? tape.length : from)]];
  });
  return { given, shares };
}

/** A step of the sum of what strips have of a value, or of its cotangent; the last one has its name. */
function pasted(
  tape: Tape,
  value: string,
  into: string,
  { strip }: Strip,
  share: string,
  sum: string | undefined,
  isLast: boolean,
): string {
  const type = tape.typeOf(value);
  const output = isLast ? into : `${into}~${sum === undefined ? 'first' : strip}`;
  const extent = type.kind === 'map' ? type.box.map(({ from, to }) => to - from) : [];
  const inputs = sum === undefined ? [share] : [share, sum];
  return tape.append({ kind: 'paste', output, inputs, attrs: { into, extent }, type });
}
