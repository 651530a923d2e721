/**
 * What a change of a choice costs at least, told from the account of the choice itself: most changes need not be
 * looked at any closer.
 *
 * To drop a value takes its bytes away while nobody reads it, and nothing from any other moment; to keep it again
 * saves its making, and that of what was made for it. What a change does to the lives of what the value is made of is
 * counted in its favour, or nothing is told of the memory. Where steps run in sessions, a change also parts or joins
 * them; that is not counted, so there the bounds are estimates.
 */
import type { Cost, QuickCost } from './cost.ts';
import { type Maxima, maximaOf } from './maxima.ts';
import type { Redone } from './redone.ts';
import type { Drops, Tape } from './tape.ts';
import type { Unit } from './units.ts';

export type Bounds = {
  /** Takes up the choice whose cost was asked for last. */
  take(paid: Cost): void;
  /** No more than what it costs when the unit is changed. */
  least(unit: Unit, drops: Drops): Cost;
  /** Takes up what is above a limit; for `relief`. */
  limit(bytes: number): void;
  /**
   * How much of what is above the limit the dropping of a kept value would take away, if nothing else changed: its
   * bytes while nobody reads it, at the moments that are above the limit.
   */
  relief(value: number): number;
};

type State = {
  readonly redone: Redone;
  readonly bytes: Float64Array;
  readonly noting: readonly boolean[];
  /** 1 for values that others are dropped with. */
  readonly isFollowed: Uint8Array;
  /** By bytes: the steps that read them where they are noted, and what these then no longer read. */
  readonly relieved: ReadonlyMap<number, readonly Relieved[]>;
  /** The most bytes that are there at a step or in the run before it. */
  readonly most: Maxima;
  paid: Cost;
};

/** Where a change may save anything. */
const nothing: Cost = { peak: 0, seconds: 0 };

type Relieved = { readonly step: number; readonly values: readonly number[] };

export function boundsOf(tape: Tape, { redone, account }: QuickCost): Bounds {
  const count = tape.steps.length;
  const most = maximaOf(count);
  const state: State = {
    redone,
    bytes: Float64Array.from(tape.values, (value) => value.bytes),
    noting: tape.values.map(({ noting }) => noting !== undefined),
    isFollowed: followedIn(tape),
    relieved: relievedIn(tape),
    most,
    paid: { peak: 0, seconds: 0 },
  };
  const counted = new Int32Array(count + 1);
  const { alive, aliveAgain } = account;
  return {
    take(paid) {
      state.paid = paid;
      most.begin(alive);
      const { runOf, stepOf, makings } = redone;
      for (let making = 0; making < makings; making++)
        most.raise(stepOf[runOf[making] as number] as number, aliveAgain[making] as number);
      most.end();
    },
    least: (unit, drops) => leastOf(state, unit, drops),
    limit(bytes) {
      const { runOf, stepOf, makings } = redone;
      let making = 0;
      for (let step = 0; step < count; step++) {
        let above = (alive[step] as number) > bytes ? 1 : 0;
        for (; making < makings && stepOf[runOf[making] as number] === step; making++)
          if ((aliveAgain[making] as number) > bytes) above++;
        counted[step + 1] = (counted[step] as number) + above;
      }
    },
    relief(value) {
      const until = firstRead(redone, value);
      if (redone.dropped[value] === 1 || until < 0) return 0;
      const from = lastAhead(redone, value) + 1;
      return (state.bytes[value] as number) * ((counted[until] as number) - (counted[from] as number));
    },
  };
}

function followedIn({ values, steps, forward }: Tape): Uint8Array {
  const isFollowed = new Uint8Array(values.length);
  for (const { reads, makes } of steps.slice(0, forward))
    if (values[makes]?.follows === true) for (const value of reads) isFollowed[value] = 1;
  return isFollowed;
}

function relievedIn({ steps }: Tape): Map<number, Relieved[]> {
  const relieved = new Map<number, Relieved[]>();
  for (const [step, { reads, lean }] of steps.entries()) {
    if (lean === undefined) continue;
    const values = reads.filter((value) => !lean.reads.includes(value));
    relieved.set(lean.bytes, [...(relieved.get(lean.bytes) ?? []), { step, values }]);
  }
  return relieved;
}

/** The step that reads a value last in the forward pass, or makes it. */
function lastAhead({ arrays, reading }: Redone, value: number): number {
  return Math.max(arrays.maker[value] as number, reading.aheadStep[value] as number);
}

/** The step that something is made of the value before, or the one that reads it, whichever is first; -1: none. */
function firstRead({ reading, firstAgain, runOf, stepOf }: Redone, value: number): number {
  const step = reading.firstStep[value] as number;
  const making = firstAgain[value] as number;
  if (making < 0) return step;
  const run = stepOf[runOf[making] as number] as number;
  return step < 0 || run <= step ? run : step;
}

function leastOf(state: State, { values }: Unit, drops: Drops): Cost {
  if (values.length === 1) return leastOfOne(state, values[0] as number, drops);
  // All of them are dropped, or kept: what they take away is at most the sum of what each does.
  const { paid } = state;
  const to = values.some((value) => drops[value] === 0) ? 1 : 0;
  let { peak, seconds } = paid;
  for (const value of values) {
    if (drops[value] === to) continue;
    const alone = leastOfOne(state, value, drops);
    seconds += alone.seconds - paid.seconds;
    peak -= Math.max(0, paid.peak - alone.peak);
  }
  return { peak, seconds };
}

function leastOfOne(state: State, value: number, drops: Drops): Cost {
  if (state.noting[value] === true)
    return drops[value] === 1 ? leastUnnoted(state, value) : leastNoted(state, value);
  return state.redone.dropped[value] === 1 ? leastKept(state, value) : leastDropped(state, value);
}

function leastDropped(state: State, value: number): Cost {
  const { redone, bytes, isFollowed, most, paid } = state;
  const { arrays, reading } = redone;
  // What is cut from it goes with it, or the forward pass need not make it: nothing is told of that.
  if (isFollowed[value] === 1 || (reading.aheadStep[value] as number) < 0) return nothing;
  const until = firstRead(redone, value);
  if (until < 0 || arrays.late[value] === 1) return paid;
  const { seconds, isSure } = madeFor(redone, value, until);
  const price = arrays.price[value] as number;
  const from = lastAhead(redone, value) + 1;
  const peak = isSure
    ? Math.max(
        most.before(from),
        most.between(from, until + 1) - (bytes[value] as number),
        most.from(until + 1),
      )
    : 0;
  return { peak, seconds: paid.seconds + price + seconds };
}

/**
 * What is made for a value that is dropped: of what it is made of that which is dropped and not made again yet.
 * Nothing is sure where something of it is made again later: it would be made earlier then, and not later.
 */
function madeFor(redone: Redone, value: number, until: number): { seconds: number; isSure: boolean } {
  const { arrays, dropped, again, reading, runOf, stepOf } = redone;
  const { maker, price, reads } = arrays;
  const step = maker[value] as number;
  const end = reads.starts[step + 1] as number;
  let seconds = 0;
  let isSure = true;
  for (let i = reads.starts[step] as number; i < end; i++) {
    const input = reads.items[i] as number;
    if (dropped[input] === 0) continue;
    const making = again[input] as number;
    if (making >= 0) {
      const run = stepOf[runOf[making] as number] as number;
      if (run >= until) isSure = false;
      continue;
    }
    if (reading.isMade[input] === 1) seconds += price[input] as number;
    const more = madeFor(redone, input, until);
    seconds += more.seconds;
    isSure &&= more.isSure;
  }
  return { seconds, isSure };
}

function leastKept(state: State, value: number): Cost {
  const { redone, bytes, isFollowed, most, paid } = state;
  const { again, reading, runOf, stepOf } = redone;
  const making = again[value] as number;
  if (isFollowed[value] === 1) return nothing;
  // Nobody reads it again.
  if (making < 0) return paid;
  const { seconds, slack, isAlone, first } = madeWith(state, value, making);
  if (reading.isMade[value] === 0) return { peak: 0, seconds: paid.seconds - seconds };
  const step = stepOf[runOf[making] as number] as number;
  const from = lastAhead(redone, value) + 1;
  const peak = Math.max(
    most.before(first + 1),
    most.between(first + 1, from) - slack,
    most.between(from, step) - slack + (bytes[value] as number),
    most.from(step + 1) - (isAlone ? 0 : slack),
  );
  return { peak, seconds: paid.seconds - seconds };
}

type MadeWith = {
  readonly seconds: number;
  /** Bytes of what may be there for less long without that. */
  readonly slack: number;
  /** Whether nothing else was made for it. */
  readonly isAlone: boolean;
  /** The first step of the forward pass that makes any of it. */
  readonly first: number;
};

/** What was made for a value when it was made again, in the same run; `last`: the making of all of that. */
function madeWith(state: State, value: number, last: number): MadeWith {
  const { redone, bytes } = state;
  const { arrays, dropped, again, readAgain, reading, runOf, stepOf } = redone;
  const { maker, price, reads } = arrays;
  const run = runOf[last] as number;
  let first = maker[value] as number;
  const [start, end] = [reads.starts[first] as number, reads.starts[first + 1] as number];
  let seconds = reading.isMade[value] === 1 ? (price[value] as number) : 0;
  let slack = 0;
  let isAlone = true;
  for (let i = start; i < end; i++) {
    const input = reads.items[i] as number;
    const own = bytes[input] as number;
    const making = again[input] as number;
    if (dropped[input] === 1 && making >= 0 && runOf[making] === run) {
      const more = madeWith(state, input, last);
      seconds += more.seconds;
      slack += own + more.slack;
      isAlone = false;
      first = Math.min(first, more.first);
      continue;
    }
    const isLast = (reading.lastStep[input] as number) < (stepOf[run] as number);
    if (isLast && (readAgain[input] as number) <= last) slack += own;
  }
  return { seconds, slack, isAlone, first };
}

function leastNoted(state: State, value: number): Cost {
  const { redone, bytes, relieved, most, paid } = state;
  const { arrays, dropped, again, readAgain, reading, runOf, stepOf } = redone;
  let seconds = paid.seconds + (arrays.noting[value] as number);
  let { peak } = paid;
  for (const { step, values } of relieved.get(value) ?? [])
    for (const read of values) {
      const making = again[read] as number;
      if (dropped[read] === 1) {
        if (making < 0) continue;
        seconds -= madeWith(state, read, making).seconds;
        peak = 0;
        continue;
      }
      const other = readAgain[read] as number;
      const isLast = other < 0 || (stepOf[runOf[other] as number] as number) <= step;
      if (reading.lastStep[read] !== step || !isLast) continue;
      const from = lastAhead(redone, read) + 1;
      const least = Math.max(
        most.before(from),
        most.between(from, step + 1) - (bytes[read] as number),
        most.from(step + 1),
      );
      peak = Math.min(peak, least);
    }
  return { peak, seconds };
}

function leastUnnoted({ redone, bytes, relieved, most, paid }: State, value: number): Cost {
  const { arrays, dropped, readAgain, reading, runOf, stepOf } = redone;
  const maker = arrays.maker[value] as number;
  const { starts, items } = arrays.reads;
  // What is made for the bytes alone need not be made then.
  for (let i = starts[maker] as number; i < (starts[maker + 1] as number); i++)
    if (dropped[items[i] as number] === 1) return nothing;
  const own = bytes[value] as number;
  let peak = paid.peak - own;
  for (const { step, values } of relieved.get(value) ?? [])
    for (const read of values) {
      if (dropped[read] === 1) continue;
      const other = readAgain[read] as number;
      const run = other < 0 ? -1 : (stepOf[runOf[other] as number] as number);
      const last = Math.max(lastAhead(redone, read), reading.lastStep[read] as number, run);
      peak = Math.max(peak, most.between(last + 1, step + 1) + (bytes[read] as number) - own);
    }
  return { peak, seconds: paid.seconds - (arrays.noting[value] as number) };
}
