/** Where a model may be cut into stages: known from its ops alone, whatever they cost. */
import { at } from '../../ir/box.ts';
import type { Model } from '../../ir/model.ts';
import type { OpProfile } from './profile.ts';

/** A value that ops read: where it is made, and by which ops it is read, ascending. */
export type Reads = {
  readonly value: string;
  readonly made: number;
  readonly reads: readonly number[];
  /** The last of them. */
  readonly last: number;
};

/** A value, by its index among all, that crosses a place, and the first op after it that reads it. */
export type Crossing = { readonly index: number; readonly next: number };

export type Ground = {
  /** In the order in which they are made. */
  readonly values: readonly Reads[];
  /** Ops before which a chunk may begin, ascending. */
  readonly positions: readonly number[];
  /** The positions, and both ends. */
  readonly places: Int32Array;
  /** The index of an op among the places. */
  readonly placeOf: ReadonlyMap<number, number>;
  /** By place, the values that are made before it and read from it on, in the order in which they are made. */
  readonly crossing: readonly (readonly Crossing[])[];
  /** Whether the ops in [e, d) get one value from before them and give one to after them, and no more. */
  isNested(e: number, d: number): boolean;
  /**
   * By indices of places: the first at or after d such that what lies between e and it is nested; the number of places
   * if there is none.
   */
  nextNested(e: number, d: number): number;
};

/** With more ops than this, chunks begin only with ops of much arithmetic, and where the grid changes. */
const mostPositions = 400;

export function groundOf(model: Model, ops: readonly OpProfile[]): Ground {
  const values = valuesRead(ops);
  const { mostTo, leastFrom } = nesting(values, ops.length);
  const positions = positionsOf(model, ops);
  const places = Int32Array.from([0, ...positions, ops.length]);
  const isNested = (e: number, d: number): boolean =>
    d <= (mostTo[e] ?? 0) && e >= (leastFrom[d] ?? ops.length);
  let next: Int16Array | undefined;
  return {
    values,
    positions,
    places,
    crossing: crossingsOf(values, places),
    placeOf: new Map([...places].map((place, index) => [place, index])),
    isNested,
    nextNested(e, d) {
      next ??= nextNestedOf(places, isNested);
      return next[e * places.length + d] ?? places.length;
    },
  };
}

function crossingsOf(values: readonly Reads[], places: Int32Array): Crossing[][] {
  let open: number[] = [];
  let made = 0;
  return Array.from(places, (place) => {
    for (; made < values.length && at(values, made).made < place; made++) open.push(made);
    open = open.filter((index) => at(values, index).last >= place);
    return open.map((index) => ({
      index,
      next: at(values, index).reads.find((read) => read >= place) ?? at(values, index).last,
    }));
  });
}

/** For each e, and each d, what `nextNested` gives. */
function nextNestedOf(places: Int32Array, isNested: Ground['isNested']): Int16Array {
  const count = places.length;
  const next = new Int16Array(count * count).fill(count);
  for (let e = 0; e < count; e++)
    for (let d = count - 1, found = count; d > e; d--) {
      if (isNested(places[e] ?? 0, places[d] ?? 0)) found = d;
      next[e * count + d] = found;
    }
  return next;
}

function valuesRead(ops: readonly OpProfile[]): Reads[] {
  const reads = new Map<string, number[]>(ops.map(({ op }) => [op.output, []]));
  ops.forEach(({ op }, index) => {
    for (const name of new Set(op.inputs)) reads.get(name)?.push(index);
  });
  return ops.flatMap(({ op }, made): Reads[] => {
    const readers = reads.get(op.output) ?? [];
    const last = readers.at(-1);
    return last === undefined ? [] : [{ value: op.output, made, reads: readers, last }];
  });
}

function positionsOf(model: Model, ops: readonly OpProfile[]): number[] {
  const tied = tiedOps(
    model.parameters.map(({ name }) => name),
    ops,
  );
  const all = ops.map((_, index) => index).filter((index) => index > 0 && !tied.has(index));
  if (all.length <= mostPositions) return all;
  const isConv = (index: number) => at(ops, index).forward.some(({ kernel }) => kernel === 'conv');
  const moves = (index: number) =>
    at(ops, index).op.kind === 'max_pool' || at(ops, index).op.kind === 'resize';
  return all.filter((index) => isConv(index) || moves(index));
}

/** Ops with a reader of some parameter before them and another from them on: both must be on one stage. */
function tiedOps(parameters: readonly string[], ops: readonly OpProfile[]): Set<number> {
  const wanted = new Set(parameters);
  const first = new Map<string, number>();
  const tied = new Set<number>();
  ops.forEach(({ op }, index) => {
    for (const name of op.inputs.filter((one) => wanted.has(one))) {
      const from = first.get(name) ?? index;
      first.set(name, from);
      for (let between = from + 1; between <= index; between++) tied.add(between);
    }
  });
  return tied;
}

/**
 * For each e the most d, and for each d the least e, so that [e, d) gets, or gives, one value only: the second
 * first read from e on of the values made before e, and the second last place of those that are read from d on.
 */
function nesting(values: readonly Reads[], ops: number) {
  const mostTo = new Int32Array(ops + 1).fill(ops);
  const leastFrom = new Int32Array(ops + 1);
  const byPlace = new Map(values.map((value) => [value.made, value]));
  let crossing: Reads[] = [];
  for (let place = 0; place <= ops; place++) {
    const made = byPlace.get(place - 1);
    if (made !== undefined) crossing.push(made);
    crossing = crossing.filter(({ last }) => last >= place);
    if (crossing.length < 2) continue;
    const next = crossing.map(({ reads }) => reads.find((read) => read >= place) ?? ops);
    mostTo[place] = at(
      next.sort((a, b) => a - b),
      1,
    );
    // They come in the order in which they are made.
    leastFrom[place] = at(crossing, crossing.length - 2).made + 1;
  }
  return { mostTo, leastFrom };
}
