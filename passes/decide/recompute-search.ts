/**
 * The drops, and the bytes to note, that a tape needs within given bytes, for all amounts of bytes in one run.
 *
 * First from the top down: to get below the next budget, that value is dropped which takes away most of what is above
 * it, a second of making it again, until all fits; then what need not be dropped is kept again, the dearest first.
 * Then every answer is changed in one place, or in two where there are few values, as long as that gives better ones
 * (Pareto local search, Paquete et al. 2004). All that is ever looked at counts as an answer for its own peak.
 */
import { at } from '../../ir/box.ts';
import type { Drops } from './recompute-lives.ts';
import { type Cost, type Memory, memoryOf } from './recompute-memory.ts';
import type { Tape } from './recompute-tape.ts';
import { type Unit, unitsOf } from './recompute-units.ts';

export type Found = Cost & { readonly drops: Drops };

/** Points closer than this share to a better one are left out. */
const thinning = 1e-3;

/** Budgets that are aimed at, each this share of the one before. */
const ratio = 0.95;

/** How many of the most promising units are tried before one is dropped. */
const tried = 4;

/** Steps that all tries may go through together, beyond which answers are no longer changed to find better ones. */
const effort = 7e5;

/** How many of the dearest units are kept again where they need not be dropped. */
const dearest = 16;

/** Up to so many units are changed two at a time as well. */
const fewUnits = 18;

/** `share`: of the effort that a search may take. */
export function search(tape: Tape, share = 1, units = unitsOf(tape)): Found[] {
  const tools = toolsFor(tape, effort * share, units);
  let { drops, peak } = tools.note(nothingKeptInVain(tape));
  for (;;) {
    const limit = peak * ratio;
    const within = descend(tools, drops, limit);
    if (within === undefined) break;
    ({ drops, peak } = tools.note(keepAgain(tools, within, limit)));
  }
  const everything = Uint8Array.from(tape.values, (value) => (value.price === undefined ? 0 : 1));
  tools.note(everything);
  for (const unit of tools.units) set(everything, unit, 1);
  tools.note(everything);
  explore(tools);
  return tools.front();
}

/** Answers of a like tape, changed as long as that gives better ones here. */
export function refine(
  tape: Tape,
  answers: readonly Found[],
  share = 1,
  units: readonly Unit[] = unitsOf(tape),
): Found[] {
  const tools = toolsFor(tape, effort * share, units);
  for (const { drops } of answers) tools.note(drops);
  explore(tools);
  return tools.front();
}

/**
 * Values that the backward pass does not read count as dropped from the start: nobody keeps them, and when something
 * that is made of them is dropped, they are made again on the way. Not those that would take a kept value with them.
 */
function nothingKeptInVain({ values, steps, forward }: Tape): Drops {
  const kept = new Set(steps.slice(forward).flatMap(({ reads }) => reads));
  for (const { reads, makes } of steps.slice(0, forward).reverse())
    if (kept.has(makes) && at(values, makes).follows === true) for (const value of reads) kept.add(value);
  return Uint8Array.from(values, ({ price }, value) => (price !== undefined && !kept.has(value) ? 1 : 0));
}

/** Not dominated, and not within 0.1 % of a point that costs as little; from the largest peak down. */
export function thinned<F extends Cost>(found: readonly F[]): F[] {
  const sorted = found.toSorted((a, b) => a.seconds - b.seconds || a.peak - b.peak);
  const kept: F[] = [];
  for (const one of sorted) {
    const before = kept.at(-1);
    if (before === undefined || one.peak < before.peak * (1 - thinning)) kept.push(one);
  }
  return kept;
}

type Tools = {
  readonly memory: Memory;
  readonly units: readonly Unit[];
  /** What drops cost; counted as effort. */
  cost(drops: Drops): Cost;
  /** Adds an answer, if none is better. */
  note(drops: Drops): Found;
  /** The answers that none is better than. */
  front(): Found[];
  isSpent(): boolean;
};

function toolsFor(tape: Tape, most: number, units: readonly Unit[]): Tools {
  const memory = memoryOf(tape);
  const isBytes = (value: number) => at(tape.values, value).noting !== undefined;
  const steps = tape.steps.filter(({ makes }) => !isBytes(makes)).length;
  let spent = 0;
  let found: Found[] = [];
  const cost = (drops: Drops): Cost => {
    spent += steps;
    return memory.cost(drops);
  };
  return {
    memory,
    units,
    cost,
    note(drops) {
      const { peak, seconds } = cost(drops);
      const paid = { peak, seconds, drops };
      if (found.some((other) => isNoWorse(other, paid))) return paid;
      const one = { peak, seconds, drops: drops.slice() };
      found = found.filter((other) => !isNoWorse(one, other));
      found.push(one);
      return one;
    },
    front: () => thinned(found),
    isSpent: () => spent > most,
  };
}

const isNoWorse = (a: Cost, b: Cost): boolean => a.peak <= b.peak && a.seconds <= b.seconds;

function set(drops: Drops, unit: Unit, to: 0 | 1): void {
  for (const value of unit.values) drops[value] = to;
}

/** Drops units until all fits; undefined where nothing helps any more. */
function descend(tools: Tools, start: Drops, limit: number): Drops | undefined {
  const { memory } = tools;
  const drops = start.slice();
  for (;;) {
    const { peak, seconds } = tools.cost(drops);
    if (peak <= limit) return drops;
    const excess = memory.excess(limit);
    let best: { unit: Unit; worth: number } | undefined;
    for (const unit of promising(tools, drops)) {
      const before = drops.slice();
      set(drops, unit, 1);
      const after = tools.cost(drops);
      const gain = excess - memory.excess(limit);
      const worth = gain / (after.seconds - seconds + tiny);
      if (gain > 0 && (best === undefined || worth > best.worth)) best = { unit, worth };
      drops.set(before);
    }
    if (best === undefined) return undefined;
    set(drops, best.unit, 1);
    tools.note(drops);
  }
}

const tiny = 1e-15;

/** The units whose dropping seems to take away most of the excess a second. */
function promising({ memory, units }: Tools, drops: Drops): Unit[] {
  return units
    .filter(({ values }) => values.some((value) => drops[value] === 0))
    .map((unit) => {
      const relief = unit.frees.reduce((sum, value) => sum + memory.relief(value), 0);
      return { unit, worth: relief / (unit.price + tiny) };
    })
    .filter(({ worth }) => worth > 0)
    .sort((a, b) => b.worth - a.worth)
    .slice(0, tried)
    .map(({ unit }) => unit);
}

/** Keeps again what need not be dropped, the dearest first. */
function keepAgain(tools: Tools, start: Drops, limit: number): Drops {
  const drops = start.slice();
  let { seconds } = tools.cost(drops);
  const dear = tools.units
    .filter(({ values }) => values.some((value) => drops[value] === 1))
    .sort((a, b) => b.price - a.price)
    .slice(0, dearest);
  for (const unit of dear) {
    const before = drops.slice();
    set(drops, unit, 0);
    const after = tools.cost(drops);
    if (after.peak <= limit && after.seconds < seconds) seconds = after.seconds;
    else drops.set(before);
  }
  return drops;
}

/** Changes answers in one place or two, and goes on from each that is better than all there are. */
function explore(tools: Tools): void {
  const { units } = tools;
  const seen = new Set<Found>();
  for (let turn = 1; ; turn++) {
    const left = tools.front().filter((one) => !seen.has(one));
    // All over the curve in turns (golden section), so that no end of it is left out when the effort is spent.
    const next = left[Math.floor(left.length * ((turn * 0.618) % 1))];
    if (next === undefined || tools.isSpent()) return;
    seen.add(next);
    const drops = next.drops.slice();
    units.forEach((unit, index) => {
      if (tools.isSpent()) return;
      const restore = flip(drops, unit);
      tools.note(drops);
      if (units.length <= fewUnits)
        for (const other of units.slice(index + 1)) {
          const back = flip(drops, other);
          tools.note(drops);
          back();
        }
      restore();
    });
  }
}

/** Drops what is kept, or keeps it; gives how to undo that. */
function flip(drops: Drops, unit: Unit): () => void {
  const before = unit.values.map((value) => drops[value] as number);
  set(drops, unit, before.includes(0) ? 1 : 0);
  return () => {
    unit.values.forEach((value, i) => {
      drops[value] = at(before, i);
    });
  };
}
