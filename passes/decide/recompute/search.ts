/**
 * The drops, and the bytes to note, that a tape needs within given bytes, for all amounts of bytes in one run.
 *
 * First from the top down: to get below the next budget, that value is dropped which takes away most of what is above
 * it, a second of making it again, until all fits; then what need not be dropped is kept again, the dearest first.
 * Then every answer is changed in one place, or in two where there are few values, as long as that gives better ones
 * (Pareto local search, Paquete et al. 2004). All that is ever looked at counts as an answer for its own peak. Most
 * changes are not looked at: bounds tell that there is an answer already which is as good (`bounds.ts`).
 */
import { at } from '../../../ir/box.ts';
import { type Bounds, boundsOf } from './bounds.ts';
import { quickCost } from './cost.ts';
import { type Found, frontOf, thinned } from './front.ts';
import type { Drops } from './lives.ts';
import type { Cost } from './memory.ts';
import type { Tape } from './tape.ts';
import { type Unit, unitsOf } from './units.ts';

/** Budgets that are aimed at, each this share of the one before. */
const ratio = 0.94;

/** Of answers closer together than this share one alone is changed. */
const spacing = 0.01;

/** How many of the most promising units are tried before one is dropped. */
const tried = 4;

/** Steps that all tries may go through together, beyond which answers are no longer changed to find better ones. */
const effort = 6e5;

/** How much more changing the answers of another search may take: they are held against the account of plans there. */
const refining = 1.7;

/** The share of its effort beyond which a search no longer tries all units to get down to less memory. */
const downward = 0.2;

/** How many of the dearest units are kept again where they need not be dropped. */
const dearest = 16;

/** Up to so many units are changed two at a time as well. */
const fewUnits = 18;

/** `share`: of the effort that a search may take. */
export function search(tape: Tape, share = 1, units = unitsOf(tape)): Found[] {
  const tools = toolsFor(tape, effort * share, units);
  goDown(tools, tools.note(nothingKeptInVain(tape)));
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
  const tools = toolsFor(tape, effort * refining * share, units);
  for (const { drops } of answers) tools.note(drops);
  const least = tools.front().at(-1);
  if (least !== undefined) goDown(tools, least);
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

type Tools = {
  readonly bounds: Bounds;
  readonly units: readonly Unit[];
  /** What drops cost; counted as effort. */
  cost(drops: Drops): Cost;
  /** What is above a limit under the drops whose cost was asked for last: the sum over all moments. */
  excess(limit: number): number;
  /** What drops cost; the bounds are of them then. */
  take(drops: Drops): Cost;
  /** Adds an answer, if none is better. */
  note(drops: Drops): Found;
  /** Whether there is an answer already that is about as good. */
  isBeaten(bound: Cost): boolean;
  /** The answers that none is better than. */
  front(): Found[];
  /** The share of the effort that was spent. */
  spent(): number;
};

function toolsFor(tape: Tape, most: number, units: readonly Unit[]): Tools {
  const quick = quickCost(tape);
  const bounds = boundsOf(tape, quick);
  const isBytes = (value: number) => at(tape.values, value).noting !== undefined;
  const steps = tape.steps.filter(({ makes }) => !isBytes(makes)).length;
  const front = frontOf();
  let spent = 0;
  const cost = (drops: Drops): Cost => {
    spent += tape.sessions ? 2 * steps : steps;
    return quick.cost(drops);
  };
  return {
    bounds,
    units,
    cost,
    excess: quick.excess,
    take(drops) {
      const paid = cost(drops);
      bounds.take(paid);
      return paid;
    },
    note: (drops) => front.add({ ...cost(drops), drops }),
    isBeaten: front.isBeaten,
    front: () => thinned(front.all()),
    spent: () => spent / most,
  };
}

function set(drops: Drops, unit: Unit, to: 0 | 1): void {
  for (const value of unit.values) drops[value] = to;
}

/** From an answer down to less and less memory, as far as that goes. */
function goDown(tools: Tools, from: Found): void {
  for (let { drops, peak } = from; ; ) {
    const within = descend(tools, drops, peak * ratio);
    if (within === undefined) return;
    ({ drops, peak } = tools.note(keepAgain(tools, within, peak * ratio)));
  }
}

/** Drops units until all fits; undefined where nothing helps any more. */
function descend(tools: Tools, start: Drops, limit: number): Drops | undefined {
  const drops = start.slice();
  for (;;) {
    const { peak, seconds } = tools.take(drops);
    if (peak <= limit) return drops;
    const excess = tools.excess(limit);
    tools.bounds.limit(limit);
    const best = (units: readonly Unit[]) => mostWorth(tools, drops, units, { limit, seconds, excess });
    // Where no drop seems to help, maybe one does beside what is dropped, or something that is kept again.
    const unit = best(promising(tools, drops)) ?? (tools.spent() < downward ? best(tools.units) : undefined);
    if (unit === undefined) return undefined;
    flip(drops, unit);
    tools.note(drops);
  }
}

const tiny = 1e-15;
const rounding = 1e-6;

/** The unit whose change takes away most of what is above the limit, a second; undefined where none does. */
function mostWorth(
  tools: Tools,
  drops: Drops,
  units: readonly Unit[],
  before: { readonly limit: number; readonly seconds: number; readonly excess: number },
): Unit | undefined {
  let best: { unit: Unit; worth: number } | undefined;
  for (const unit of units) {
    const restore = flip(drops, unit);
    const { seconds } = tools.cost(drops);
    restore();
    const gain = before.excess - tools.excess(before.limit);
    const worth = gain / Math.max(seconds - before.seconds, tiny);
    if (gain > before.excess * rounding && (best === undefined || worth > best.worth)) best = { unit, worth };
  }
  return best?.unit;
}

/** The units whose dropping seems to take away most of the excess a second. */
function promising({ bounds, units }: Tools, drops: Drops): Unit[] {
  return units
    .flatMap((unit) => {
      if (unit.values.every((value) => drops[value] === 1)) return [];
      const relief = unit.frees.reduce((sum, value) => sum + bounds.relief(value), 0);
      return relief > 0 ? [{ unit, worth: relief / (unit.price + tiny) }] : [];
    })
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
  const isFew = units.length <= fewUnits;
  const seen = new Set<Found>();
  for (let turn = 1; ; turn++) {
    const left = (isFew ? tools.front() : thinned(tools.front(), spacing)).filter((one) => !seen.has(one));
    // All over the curve in turns (golden section), so that no end of it is left out when the effort is spent.
    const next = left[Math.floor(left.length * ((turn * 0.618) % 1))];
    if (next === undefined || tools.spent() > 1) return;
    seen.add(next);
    const drops = next.drops.slice();
    tools.take(drops);
    const bounds = units.map((unit) => tools.bounds.least(unit, drops));
    units.forEach((unit, index) => {
      if (tools.spent() > 1) return;
      const restore = flip(drops, unit);
      if (isFew || !tools.isBeaten(at(bounds, index))) tools.note(drops);
      if (isFew)
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
