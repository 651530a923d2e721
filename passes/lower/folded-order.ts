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
  const work = workOf(visits);
  const tables = timetablesOf(work);
  const early: Timetable = { period: 0, starts: visits.map((_, index) => -index) };
  const ways: readonly Way[] = [
    ...tables.map((table) => ({ table, limit: inFlight, isStrict: false })),
    // With many micro-batches in flight waiting for the next in the timetable is of no use.
    ...(inFlight < stages.length
      ? tables.map((table) => ({ table, limit: microBatches, isStrict: true }))
      : []),
    { table: early, limit: inFlight, isStrict: false },
  ];
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
    let best = -1;
    let first = Number.POSITIVE_INFINITY;
    for (const v of own[stage] ?? []) {
      const micro = begun[v] ?? 0;
      if (micro === microBatches || !(isStrict || isReady(v))) continue;
      const when = (starts[v] ?? 0) + micro * period;
      if (when >= first) continue;
      best = v;
      first = when;
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

/** A visit as the packing of its stage sees it. */
type Packed = {
  readonly length: number;
  /** The visits to the stage before it, by their index. */
  readonly before: readonly number[];
  /** How long those take, and it itself. */
  readonly lengths: readonly number[];
  /** How long those take that come after it. */
  readonly left: readonly number[];
  /** From where each visit before it begins, how far it is to where it borders on that, or has some of those left between. */
  readonly borders: readonly (readonly number[])[];
  /** It comes from another stage. */
  readonly moves: boolean;
};

/** The first visits of a micro-batch. */
type Draft = { readonly starts: readonly number[]; readonly end: number };

/** How many drafts are carried on from visit to visit, and how many starts of a visit each tries. */
const width = 12;
const tried = 4;

/** A stage with more visits is too much to pack. */
const mostVisits = 6;

function packedOf({ visits, own: all }: Work): Packed[] {
  return visits.map(({ stage, length }, index) => {
    const lengthsOf = (some: readonly number[]) => some.map((one) => at(visits, one).length);
    const own = at(all, stage);
    const left = lengthsOf(own.filter((one) => one > index));
    const sums = [0];
    for (const one of left) sums.push(...sums.map((sum) => sum + one));
    const moves = index > 0 && at(visits, index - 1).stage !== stage;
    const before = own.filter((one) => one < index);
    return {
      length,
      before,
      lengths: lengthsOf(own.filter((one) => one <= index)),
      left,
      borders: before.map((one) => sums.flatMap((sum) => [at(visits, one).length + sum, -length - sum])),
      moves,
    };
  });
}

/** None where a stage has too many visits. */
function timetablesOf(work: Work): Timetable[] {
  const { own, lengths } = work;
  if (own.some(({ length }) => length > mostVisits)) return [];
  const period = Math.max(...lengths);
  const packed = packedOf(work);
  return pauses.flatMap((share) => timetableOf(packed, period, Math.floor(period * share)) ?? []);
}

/** The timetable in which a micro-batch is done soonest, as far as a beam search finds it. */
function timetableOf(packed: readonly Packed[], period: number, pause: number): Timetable | undefined {
  let drafts: Draft[] = [{ starts: [], end: 0 }];
  for (const visit of packed) {
    const next = drafts.flatMap((draft) => {
      const ready = draft.end + (visit.moves ? pause : 0);
      const froms = visit.before.map((one) => at(draft.starts, one) % period);
      return startsFor(visit, froms, ready, period).map((start) => ({
        draft,
        start,
        end: start + visit.length,
      }));
    });
    drafts = next
      .sort((a, b) => a.end - b.end)
      .slice(0, width)
      .map(({ draft, start, end }) => ({ starts: draft.starts.concat(start), end }));
  }
  const [best] = drafts;
  return best === undefined ? undefined : { period, starts: best.starts };
}

/**
 * The first moments from `ready` on at which a visit leaves room for those that are left: `ready` itself, or where it, and
 * some of these, border on a visit before it. `froms`: where in the period those begin.
 */
function startsFor(visit: Packed, froms: readonly number[], ready: number, period: number): number[] {
  const found: number[] = [];
  const all = froms.concat(0);
  for (let start = ready; found.length < tried && start < ready + period; ) {
    all[froms.length] = start % period;
    if (isFree(visit, all, period) && hasRoom(visit, all, period)) found.push(start);
    start = nextBorder(visit, froms, ready, start, period);
  }
  return found;
}

/** The first such place within a period of `ready` that comes after another. */
function nextBorder(
  { borders }: Packed,
  froms: readonly number[],
  ready: number,
  after: number,
  period: number,
): number {
  const now = ready % period;
  const passed = after - ready;
  let next = period;
  for (let i = 0; i < froms.length; i++) {
    const ofOne = at(borders, i);
    const from = at(froms, i) - now;
    for (let k = 0; k < ofOne.length; k++) {
      const place = within(from + at(ofOne, k), period);
      if (place > passed && place < next) next = place;
    }
  }
  return ready + next;
}

/** A place that is at most a few periods off, in the first of them: sooner done in steps than divided. */
function within(place: number, period: number): number {
  let inside = place;
  while (inside < 0) inside += period;
  while (inside >= period) inside -= period;
  return inside;
}

/** Whether the last of some visits overlaps with none of the others. */
function isFree({ length, lengths }: Packed, froms: readonly number[], period: number): boolean {
  const own = froms.length - 1;
  for (let i = 0; i < own; i++) {
    const after = within((froms[own] ?? 0) - (froms[i] ?? 0), period);
    if (after < (lengths[i] ?? 0) || after + length > period) return false;
  }
  return true;
}

/** Whether the gaps between the visits take those that are left. */
function hasRoom({ lengths, left }: Packed, froms: readonly number[], period: number): boolean {
  if (left.length === 0) return true;
  const gaps = froms.map((from, i) => {
    let next = period;
    for (const other of froms) if (other !== from) next = Math.min(next, within(other - from, period));
    return next - (lengths[i] ?? 0);
  });
  return fits(gaps, left, 0);
}

/** Whether gaps take lengths, from that of an index on. */
function fits(gaps: number[], lengths: readonly number[], index: number): boolean {
  const length = lengths[index];
  if (length === undefined) return true;
  for (let which = 0; which < gaps.length; which++) {
    const gap = gaps[which] ?? 0;
    if (gap < length) continue;
    gaps[which] = gap - length;
    const does = fits(gaps, lengths, index + 1);
    gaps[which] = gap;
    if (does) return true;
  }
  return false;
}
