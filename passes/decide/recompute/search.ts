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
import { type Basis, basisOf, type Cost, type QuickCost, quickCost } from './cost.ts';
import { type Found, type Front, frontOf, thinned } from './front.ts';
import type { Drops, Tape } from './tape.ts';
import { droppedUnits, notedUnits, type Unit, unitsOf } from './units.ts';

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

/** What a search may take of its effort, and what it goes by where that is there already. */
type Scope = { readonly share?: number; readonly basis?: Basis };

/** Answers for a tape as it is. */
export function search(tape: Tape, scope: Scope = {}): Found[] {
  return searched(tape, unitsOf(tape), scope);
}

/**
 * Answers for a tape whose steps run in sessions. Drops are looked for where each step is on its own, and what is
 * found is changed as long as that gives better plans: first without bytes, and then with them, for more to choose
 * from is never worse then, however short the search is.
 */
export function searchPlans(tape: Tape, scope: Scope = {}): Found[] {
  const { share = 1, basis = basisOf(tape) } = scope;
  const [drops, bytes] = [droppedUnits(tape), notedUnits(tape)];
  const found = searched({ ...tape, sessions: false, copies: false }, drops, { share, basis });
  const quick = quickCost(tape, basis);
  const most = effort * refining * share;
  const first = toolsFor(tape, quick, drops, most);
  for (const { drops } of found) first.note(drops);
  const plain = refined(first);
  if (bytes.length === 0) return plain;
  const second = toolsFor(tape, quick, [...drops, ...bytes], most);
  for (const { drops, ...paid } of plain) second.know(drops, paid);
  return [...plain, ...refined(second)];
}

function searched(tape: Tape, units: readonly Unit[], { share = 1, basis = basisOf(tape) }: Scope): Found[] {
  const tools = toolsFor(tape, quickCost(tape, basis), units, effort * share);
  const begin = nothingKeptInVain(tape);
  goDown(tools, begin, tools.note(begin));
  const everything = Uint8Array.from(tape.values, (value) => (value.price === undefined ? 0 : 1));
  tools.note(everything);
  for (const unit of tools.units) set(everything, unit, 1);
  tools.note(everything);
  explore(tools);
  return thinned(tools.front.all());
}

/** Goes on from the answers that are there. */
function refined(tools: Tools): Found[] {
  const least = thinned(tools.front.all()).at(-1);
  if (least !== undefined) goDown(tools, least.drops, least);
  explore(tools);
  return thinned(tools.front.all());
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
  readonly quick: QuickCost;
  readonly bounds: Bounds;
  /** The answers that none is better than. */
  readonly front: Front;
  readonly units: readonly Unit[];
  /** The same units, from the dearest on. */
  readonly byPrice: readonly Unit[];
  /** A choice that is tried. */
  readonly trial: Drops;
  /** What drops cost; counted as effort. */
  cost(drops: Drops): Cost;
  /** The same, which is an answer if none is better. */
  note(drops: Drops): Cost;
  /** An answer whose cost is known. To go on from it counts as effort, too. */
  know(drops: Drops, paid: Cost): void;
  /** The share of the effort that was spent. */
  spent(): number;
};

function toolsFor(tape: Tape, quick: QuickCost, units: readonly Unit[], most: number): Tools {
  const front = frontOf();
  const isBytes = (value: number) => at(tape.values, value).noting !== undefined;
  const steps = tape.steps.filter(({ makes }) => !isBytes(makes)).length;
  let spent = 0;
  const once = tape.sessions ? 2 * steps : steps;
  const cost = (drops: Drops): Cost => {
    spent += once;
    return quick.cost(drops);
  };
  return {
    quick,
    bounds: boundsOf(tape, quick),
    front,
    units,
    byPrice: units.toSorted((a, b) => b.price - a.price),
    trial: new Uint8Array(tape.values.length),
    cost,
    note(drops) {
      const paid = cost(drops);
      front.add(paid, drops);
      return paid;
    },
    know(drops, paid) {
      spent += once;
      front.add(paid, drops);
    },
    spent: () => spent / most,
  };
}

function set(drops: Drops, { values }: Unit, to: number): void {
  for (let i = 0; i < values.length; i++) drops[values[i] as number] = to;
}

/** Drops what is kept, or keeps it. */
function flip(drops: Drops, { values }: Unit): void {
  let to = 0;
  for (let i = 0; i < values.length; i++) if (drops[values[i] as number] === 0) to = 1;
  for (let i = 0; i < values.length; i++) drops[values[i] as number] = to;
}

/** Takes a flip back. */
function restore(drops: Drops, { values }: Unit, before: Drops): void {
  for (let i = 0; i < values.length; i++) drops[values[i] as number] = before[values[i] as number] as number;
}

/** From a choice, and what it takes, down to less and less memory, as far as that goes. */
function goDown(tools: Tools, from: Drops, paid: Cost): void {
  const drops = from.slice();
  for (let { peak } = paid; ; ) {
    const limit = peak * ratio;
    if (!descend(tools, drops, limit)) return;
    keepAgain(tools, drops, limit);
    ({ peak } = tools.note(drops));
  }
}

/** Drops units until all fits; false where nothing helps any more. */
function descend(tools: Tools, drops: Drops, limit: number): boolean {
  for (let paid = tools.cost(drops); ; ) {
    const { peak, seconds } = paid;
    if (peak <= limit) return true;
    const before = { limit, seconds, excess: tools.quick.excess(limit) };
    tools.bounds.limit(limit);
    // Where no drop seems to help, maybe one does beside what is dropped, or something that is kept again.
    const unit =
      mostWorth(tools, drops, promising(tools, drops), before) ??
      (tools.spent() < downward ? mostWorth(tools, drops, tools.units, before) : undefined);
    if (unit === undefined) return false;
    flip(drops, unit);
    paid = tools.note(drops);
    tools.know(drops, paid);
  }
}

const tiny = 1e-15;
const rounding = 1e-6;

/** The unit whose change takes away most of what is above the limit, a second; undefined where none does. */
function mostWorth(
  { trial, cost, quick }: Tools,
  drops: Drops,
  units: readonly Unit[],
  before: { readonly limit: number; readonly seconds: number; readonly excess: number },
): Unit | undefined {
  let best: Unit | undefined;
  let most = 0;
  trial.set(drops);
  for (const unit of units) {
    flip(trial, unit);
    const { seconds } = cost(trial);
    restore(trial, unit, drops);
    const gain = before.excess - quick.excess(before.limit);
    const worth = gain / Math.max(seconds - before.seconds, tiny);
    if (gain <= before.excess * rounding || (best !== undefined && worth <= most)) continue;
    best = unit;
    most = worth;
  }
  return best;
}

/** The units whose dropping seems to take away most of the excess a second. */
function promising({ bounds, units }: Tools, drops: Drops): Unit[] {
  const found: Unit[] = [];
  const worths: number[] = [];
  for (const unit of units) {
    if (isDropped(drops, unit)) continue;
    let relief = 0;
    for (let i = 0; i < unit.frees.length; i++) relief += bounds.relief(unit.frees[i] as number);
    const worth = relief / (unit.price + tiny);
    if (relief <= 0 || worth <= (worths[tried - 1] ?? 0)) continue;
    let place = Math.min(found.length, tried - 1);
    for (; place > 0 && (worths[place - 1] as number) < worth; place--) {
      worths[place] = worths[place - 1] as number;
      found[place] = found[place - 1] as Unit;
    }
    worths[place] = worth;
    found[place] = unit;
  }
  return found;
}

function isDropped(drops: Drops, { values }: Unit): boolean {
  for (let i = 0; i < values.length; i++) if (drops[values[i] as number] === 0) return false;
  return true;
}

/** Keeps again what need not be dropped, the dearest first. */
function keepAgain({ byPrice, trial, cost }: Tools, drops: Drops, limit: number): void {
  let { seconds } = cost(drops);
  let left = dearest;
  trial.set(drops);
  for (const unit of byPrice) {
    if (!unit.values.some((value) => drops[value] === 1)) continue;
    if (left-- === 0) return;
    set(trial, unit, 0);
    const after = cost(trial);
    if (after.peak <= limit && after.seconds < seconds) {
      ({ seconds } = after);
      drops.set(trial);
    } else restore(trial, unit, drops);
  }
}

/** Changes answers in one place or two, and goes on from each that is better than all there are. */
function explore(tools: Tools): void {
  const isFew = tools.units.length <= fewUnits;
  const seen = new Set<Found>();
  for (let turn = 1; ; turn++) {
    const all = thinned(tools.front.all());
    const left = (isFew ? all : thinned(all, spacing)).filter((one) => !seen.has(one));
    // All over the curve in turns (golden section), so that no end of it is left out when the effort is spent.
    const next = left[Math.floor(left.length * ((turn * 0.618) % 1))];
    if (next === undefined || tools.spent() > 1) return;
    seen.add(next);
    (isFew ? changeTwo : changeOne)(tools, next.drops);
  }
}

function changeOne(tools: Tools, drops: Drops): void {
  const { units, front, bounds, trial } = tools;
  bounds.take(tools.cost(drops));
  const least = units.map((unit) => bounds.least(unit, drops));
  trial.set(drops);
  for (let i = 0; i < units.length; i++) {
    if (front.isBeaten(least[i] as Cost)) continue;
    if (tools.spent() > 1) return;
    flip(trial, units[i] as Unit);
    tools.note(trial);
    restore(trial, units[i] as Unit, drops);
  }
}

function changeTwo(tools: Tools, drops: Drops): void {
  const { units, trial } = tools;
  for (const [index, unit] of units.entries()) {
    if (tools.spent() > 1) return;
    trial.set(drops);
    flip(trial, unit);
    tools.note(trial);
    const one = trial.slice();
    for (const other of units.slice(index + 1)) {
      flip(trial, other);
      tools.note(trial);
      restore(trial, other, one);
    }
  }
}
