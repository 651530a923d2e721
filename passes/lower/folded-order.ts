/**
 * The order of the work of stages with more than one chunk each. A micro-batch visits such a stage four times, and
 * a rule that only looks at what is ready lets the visits get in each other's way. So first a timetable is made
 * that repeats itself every `period`, the work of the busiest stage on one micro-batch (modulo scheduling, Rau and
 * Glaeser 1981): each visit begins as early as its stage is free at that point of the period. Then the stages are
 * simulated: whoever is free takes what is ready and comes first in the timetable, so that the pipeline fills and
 * drains faster than the timetable. All in whole numbers: the same on every machine.
 */
import { at } from '../../ir/box.ts';
import type { Pace } from '../../ir/schedule.ts';
import type { Item } from './order.ts';

const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

/** A visit of a micro-batch to a stage, in the order in which it makes them. */
type Visit = Omit<Item, 'micro'> & { readonly stage: number; readonly length: number };

const visitsOf = (stages: readonly number[], { forward, backward }: Pace): Visit[] => [
  ...stages.map((stage, chunk): Visit => ({ stage, chunk, phase: 'forward', length: at(forward, chunk) })),
  ...stages
    .map((stage, chunk): Visit => ({ stage, chunk, phase: 'backward', length: at(backward, chunk) }))
    .toReversed(),
];

/** For each visit when the first micro-batch makes it; the others follow a period apart. */
type Timetable = { readonly period: number; readonly starts: readonly number[] };

/** For each stage its items, with at most `pace.inFlight` micro-batches between first forward and last backward. */
export function foldedOrder(stages: readonly number[], microBatches: number, pace: Pace): Item[][] {
  const visits = visitsOf(stages, pace);
  const { inFlight } = pace;
  const tables = pauses.flatMap((pause) => timetableOf(visits, pause) ?? []);
  const early: Timetable = { period: 0, starts: visits.map((_, index) => -index) };
  const ways: readonly Way[] = [
    ...tables.map((table) => ({ table, limit: inFlight, isStrict: false })),
    // With many micro-batches in flight waiting for the next in the timetable is of no use.
    ...(inFlight < stages.length
      ? tables.map((table) => ({ table, limit: microBatches, isStrict: true }))
      : []),
    { table: early, limit: inFlight, isStrict: false },
  ];
  const work = workOf(visits);
  let best: Run | undefined;
  for (const way of ways) {
    const one = run(work, microBatches, way, best?.seconds ?? Number.POSITIVE_INFINITY);
    if (one !== undefined && one.inFlight <= inFlight) best = one;
  }
  if (best === undefined) throw new Error('a pipeline without an order');
  return best.items;
}

/** How the stages are simulated: see `run`. */
type Way = { readonly table: Timetable; readonly limit: number; readonly isStrict: boolean };

type Work = {
  readonly visits: readonly Visit[];
  /** For each stage its visits, and how long they take in all. */
  readonly own: readonly (readonly number[])[];
  readonly lengths: readonly number[];
};

function workOf(visits: readonly Visit[]): Work {
  const own: number[][] = upTo(Math.max(...visits.map(({ stage }) => stage)) + 1).map(() => []);
  for (const [index, { stage }] of visits.entries()) at(own, stage).push(index);
  return { visits, own, lengths: own.map((all) => all.reduce((sum, v) => sum + at(visits, v).length, 0)) };
}

/** Times that a micro-batch rests between two stages, as shares of the period: timetables with more or less slack. */
const pauses = [1 / 128, 1 / 32, 1 / 10] as const;

type Run = { readonly items: Item[][]; readonly seconds: number; readonly inFlight: number };

/**
 * Simulates the stages. Each does of its visits that are ready the first in the timetable; if `isStrict`, it waits
 * for the one that is next in the timetable. Undefined as soon as it is known to take `before` or longer: what a stage
 * has left is not done sooner.
 */
function run(
  { visits, own, lengths }: Work,
  microBatches: number,
  { table: { period, starts }, limit, isStrict }: Way,
  before: number,
): Run | undefined {
  const stages = own.length;
  const left = lengths.map((length) => microBatches * length);
  const items: Item[][] = own.map(() => []);
  const last = visits.length - 1;
  const begun = new Int32Array(visits.length);
  const done = new Int32Array(visits.length);
  const working = new Int32Array(stages).fill(-1);
  const ends = new Float64Array(stages);
  /** Stages for which something may have changed since they last looked. */
  const stirred = new Uint8Array(stages).fill(1);
  const isReady = (v: number): boolean => {
    const micro = begun[v] ?? 0;
    return v === 0 ? micro - (done[last] ?? 0) < limit : micro < (done[v - 1] ?? 0);
  };
  const choose = (stage: number): number => {
    let [best, first] = [-1, Number.POSITIVE_INFINITY];
    for (const v of own[stage] ?? []) {
      const micro = begun[v] ?? 0;
      if (micro === microBatches || !(isStrict || isReady(v))) continue;
      const when = (starts[v] ?? 0) + micro * period;
      if (when < first) [best, first] = [v, when];
    }
    return best >= 0 && isReady(best) ? best : -1;
  };
  let [now, most] = [0, 0];
  for (let waiting = microBatches * visits.length; waiting > 0; ) {
    let next = Number.POSITIVE_INFINITY;
    for (let stage = 0; stage < stages; stage++) {
      const v = stirred[stage] === 1 && (working[stage] ?? 0) < 0 ? choose(stage) : -1;
      stirred[stage] = 0;
      if (v >= 0) {
        const { chunk, phase, length } = at(visits, v);
        if (now + (left[stage] ?? 0) >= before) return undefined;
        left[stage] = (left[stage] ?? 0) - length;
        items[stage]?.push({ chunk, phase, micro: begun[v] ?? 0 });
        begun[v] = (begun[v] ?? 0) + 1;
        working[stage] = v;
        ends[stage] = now + length;
        if (v === 0) most = Math.max(most, (begun[0] ?? 0) - (done[last] ?? 0));
      }
      if ((working[stage] ?? 0) >= 0) next = Math.min(next, ends[stage] ?? 0);
    }
    if (next === Number.POSITIVE_INFINITY) throw new Error('a timetable that stands still');
    now = next;
    for (let stage = 0; stage < stages; stage++) {
      const v = working[stage] ?? -1;
      if (v < 0 || (ends[stage] ?? 0) > now) continue;
      done[v] = (done[v] ?? 0) + 1;
      working[stage] = -1;
      stirred[stage] = 1;
      stirred[visits[v === last ? 0 : v + 1]?.stage ?? 0] = 1;
      waiting--;
    }
  }
  return { items, seconds: now, inFlight: most };
}

/** A part of the period in which a stage works. */
type Slot = { readonly from: number; readonly length: number };

type Draft = {
  /** The last start, and the draft that it was added to. */
  readonly start: number;
  readonly before?: Draft;
  readonly end: number;
  /** For each stage. */
  readonly slots: readonly (readonly Slot[])[];
};

/** How many drafts are carried on from visit to visit, and how many starts of a visit each tries. */
const width = 12;
const tried = 4;

/** A stage with more visits is too much to pack. */
const mostVisits = 6;

/** The timetable in which a micro-batch is done soonest, as far as a beam search finds it. */
function timetableOf(visits: readonly Visit[], share: number): Timetable | undefined {
  const stages = Math.max(...visits.map(({ stage }) => stage)) + 1;
  const own = upTo(stages).map((stage) => visits.filter((visit) => visit.stage === stage));
  if (own.some(({ length }) => length > mostVisits)) return undefined;
  const period = Math.max(...own.map((all) => all.reduce((sum, { length }) => sum + length, 0)));
  const pause = Math.floor(period * share);
  let drafts: Draft[] = [{ start: 0, end: 0, slots: own.map(() => []) }];
  visits.forEach(({ stage, length }, index) => {
    const rest = visits.slice(index + 1).filter((visit) => visit.stage === stage);
    const left = rest.map((visit) => visit.length);
    const moves = index > 0 && at(visits, index - 1).stage !== stage;
    const next = drafts.flatMap((before) => {
      const ready = before.end + (moves ? pause : 0);
      const found = startsFor(at(before.slots, stage), ready, length, left, period);
      return found.map((start) => ({ before, start, end: start + length }));
    });
    drafts = next
      .sort((a, b) => a.end - b.end)
      .slice(0, width)
      .map((one): Draft => {
        const slots = [...at(one.before.slots, stage), { from: one.start % period, length }];
        return { ...one, slots: one.before.slots.with(stage, slots) };
      });
  });
  const [best] = drafts;
  return best === undefined ? undefined : { period, starts: startsOf(best) };
}

/** The starts of a draft in the order of the visits; the empty one that all begin with has none. */
function startsOf(draft: Draft): number[] {
  const starts: number[] = [];
  for (let one = draft; one.before !== undefined; one = one.before) starts.push(one.start);
  return starts.reverse();
}

/** The first moments from `ready` on at which a visit leaves room for those that are left. */
function startsFor(
  slots: readonly Slot[],
  ready: number,
  length: number,
  left: readonly number[],
  period: number,
): number[] {
  const sums = [0];
  for (const one of left) for (let i = sums.length - 1; i >= 0; i--) sums.push((sums[i] ?? 0) + one);
  const later = [ready];
  const add = (place: number) => later.push(ready + ((((place - ready) % period) + period) % period));
  for (const slot of slots)
    for (const sum of sums) {
      add(slot.from + slot.length + sum);
      add(slot.from - length - sum);
    }
  later.sort((a, b) => a - b);
  const found: number[] = [];
  for (const [index, start] of later.entries()) {
    if (start === later[index - 1]) continue;
    const slot = { from: start % period, length };
    if (isFree(slots, slot, period) && hasRoom([...slots, slot], left, period)) found.push(start);
    if (found.length === tried) break;
  }
  return found;
}

const isFree = (slots: readonly Slot[], { from, length }: Slot, period: number): boolean =>
  slots.every((slot) => {
    const after = (from - slot.from + period) % period;
    return after >= slot.length && after + length <= period;
  });

/** Whether the gaps between the slots take the lengths that are left. */
function hasRoom(slots: readonly Slot[], left: readonly number[], period: number): boolean {
  const sorted = slots.toSorted((a, b) => a.from - b.from);
  const gaps = sorted.map(({ from, length }, index) => {
    const next = sorted[index + 1]?.from ?? at(sorted, 0).from + period;
    return next - from - length;
  });
  const fits = (index: number): boolean => {
    const length = left[index];
    if (length === undefined) return true;
    return gaps.some((gap, which) => {
      if (gap < length) return false;
      gaps[which] = gap - length;
      const does = fits(index + 1);
      gaps[which] = gap;
      return does;
    });
  };
  return fits(0);
}
