/**
 * The drops that a tape needs within given bytes, for all amounts of bytes in one run. A value is dropped for the
 * bytes that it frees, where too much is alive, a second of making it again; then what turned out not to be needed
 * is kept again. Every choice that was looked at counts as an answer for its own peak.
 */
import { at } from '../../ir/box.ts';
import { type Cost, type Drops, type Memory, memoryOf } from './recompute-memory.ts';
import type { Tape } from './recompute-tape.ts';

export type Found = Cost & { readonly drops: Drops };

/** Points closer than this share to a better one are left out. */
const thinning = 1e-3;

/** Budgets that are aimed at, each this share of the one before. */
const ratio = 0.96;

export function search(tape: Tape): Found[] {
  const hunt = huntOn(tape);
  let { drops, peak } = hunt.note(nothingKeptInVain(tape));
  for (;;) {
    const limit = peak * ratio;
    const within = hunt.descend(drops, limit);
    if (within === undefined) break;
    const pruned = hunt.improve(within, limit);
    ({ drops, peak } = hunt.note(pruned));
  }
  return thinned(hunt.found);
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
export function thinned(found: readonly Found[]): Found[] {
  const sorted = found.toSorted((a, b) => a.seconds - b.seconds || a.peak - b.peak);
  const kept: Found[] = [];
  for (const one of sorted) {
    const before = kept.at(-1);
    if (before === undefined || one.peak < before.peak * (1 - thinning)) kept.push(one);
  }
  return kept;
}

type Hunt = {
  readonly found: Found[];
  note(drops: Drops): Found;
  descend(drops: Drops, limit: number): Drops | undefined;
  improve(drops: Drops, limit: number): Drops;
};

function huntOn(tape: Tape): Hunt {
  const memory = memoryOf(tape);
  const candidates = tape.values.flatMap(({ price, bytes }, value) =>
    price === undefined || bytes === 0 ? [] : [value],
  );
  const price = tape.values.map((value) => value.price ?? 0);
  const found: Found[] = [];
  const note = (drops: Drops): Found => {
    const one = { ...memory.cost(drops), drops: drops.slice() };
    found.push(one);
    return one;
  };
  const hunt = { memory, candidates, price, note };
  return {
    found,
    note,
    descend: (drops, limit) => descend(hunt, drops, limit),
    improve: (drops, limit) => improve(hunt, drops, limit),
  };
}

type Tools = {
  readonly memory: Memory;
  readonly candidates: readonly number[];
  readonly price: readonly number[];
  note(drops: Drops): Found;
};

/** How many of the most promising values are tried before one is dropped. */
const tried = 6;

/** Drops values until all fits; undefined where nothing helps any more. */
function descend(tools: Tools, start: Drops, limit: number): Drops | undefined {
  const { memory, price } = tools;
  const drops = start.slice();
  for (;;) {
    const { peak, seconds } = memory.cost(drops);
    if (peak <= limit) return drops;
    const excess = memory.excess(limit);
    const ranked = tools.candidates
      .map((value) => ({ value, worth: memory.relief(value) / (at(price, value) + 1e-12) }))
      .filter(({ worth }) => worth > 0)
      .sort((a, b) => b.worth - a.worth)
      .slice(0, tried);
    let best: { value: number; worth: number } | undefined;
    for (const { value } of ranked) {
      drops[value] = 1;
      const after = memory.cost(drops);
      const gain = excess - memory.excess(limit);
      const worth = gain / (after.seconds - seconds + 1e-12);
      if (gain > 0 && (best === undefined || worth > best.worth)) best = { value, worth };
      drops[value] = 0;
    }
    if (best === undefined) return undefined;
    drops[best.value] = 1;
    tools.note(drops);
  }
}

/** Keeps again what need not be dropped, the dearest first. */
function improve(tools: Tools, start: Drops, limit: number): Drops {
  const { memory, price } = tools;
  const drops = start.slice();
  const dear = tools.candidates
    .filter((value) => drops[value] === 1)
    .sort((a, b) => at(price, b) - at(price, a));
  let { seconds } = memory.cost(drops);
  for (const value of dear) {
    drops[value] = 0;
    const after = memory.cost(drops);
    if (after.peak <= limit && after.seconds < seconds) seconds = after.seconds;
    else drops[value] = 1;
  }
  return drops;
}
