/**
 * The best folded cut: stage q gets the ops [e_q, e_q+1) of the encoder and [d_q+1, d_q) of the decoder, so that
 * what lies inside, [e, d), shrinks from stage to stage, and each skip stays on one device.
 *
 * What a stage costs, and the bytes that it needs, grow with its parts, and of two ways to fill the first stages
 * that leave the encoder from the same e on, the one that leaves less of the decoder is at least as good: whatever
 * the other goes on with, it can go on with the rest of (if [e, d) and [e', d') are nested, so is
 * [max e, min d)). So for a given most cost it suffices to know the smallest d that each e can be reached with, and
 * the least cost is found by halving. A part may be empty.
 *
 * Nearly always a way that leaves less of both is at least as good, too. Not always: a stage without a part of the
 * encoder begins the later, the more of it lies before. So cuts are sought with that rule, for it leaves few ways, and
 * what is said of all cuts is proved without it (`least-fold.ts`).
 */
import { at } from '../../ir/box.ts';
import type { Cut, Space } from './stage-space.ts';

export type FoldCosts = {
  readonly stages: number;
  /** Seconds until a stage with such parts is done; the last has [e, d) in one. Grows with each part. */
  seconds(q: number, e: number, e2: number, d2: number, d: number): number;
  /** Seconds of a part on all micro-batches. */
  part(from: number, to: number): number;
  /** Whether its bytes fit. */
  fits(q: number, e: number, e2: number, d2: number, d: number): boolean;
};

/** The ops that lie inside a stage, and inside which they lie. */
export type Inside = { readonly e: number; readonly d: number; readonly before?: Inside };

/** A cut, and what its most expensive stage costs. */
export type Priced = { readonly cut: Cut; readonly most: number };

/**
 * A cut whose most expensive stage costs little: the least, up to a share of `tolerance`, nearly always; undefined if
 * none fits. None costs less than `from`, and one that costs `to` is of no use.
 */
export function bestFold(
  space: Space,
  costs: FoldCosts,
  tolerance: number,
  [from, to]: readonly [number, number],
): Priced | undefined {
  let least = from;
  let best: Priced | undefined;
  for (let share = tolerance; best === undefined && share < 1; share *= 4) {
    best = foldWithin(space, costs, from * (1 + share));
    if (best === undefined) least = from * (1 + share);
    if (least >= to) return undefined;
  }
  best ??= foldWithin(space, costs, Number.POSITIVE_INFINITY);
  while (best !== undefined && least < best.most * (1 - tolerance)) {
    const middle = (least + best.most) / 2;
    const better = foldWithin(space, costs, middle);
    if (better === undefined) least = middle;
    else best = better;
  }
  return best;
}

/** Some cut in which no stage costs more than `most`. */
function foldWithin(space: Space, costs: FoldCosts, most: number): Priced | undefined {
  const last = costs.stages - 1;
  let frontier: readonly Inside[] = [{ e: 0, d: space.ops }];
  for (let q = 0; q < last; q++) frontier = nextFrontier(space, costs, most, q, frontier);
  for (const inside of frontier) {
    const { e, d } = inside;
    if (costs.seconds(last, e, e, e, d) > most || !costs.fits(last, e, e, e, d)) continue;
    return pricedCut(inside, costs);
  }
  return undefined;
}

/** What lies inside each stage, the outermost first. */
function insidesOf(innermost: Inside): Inside[] {
  const all: Inside[] = [];
  for (let one: Inside | undefined = innermost; one !== undefined; one = one.before) all.unshift(one);
  return all;
}

/** The cut of a way from the outermost stage to the innermost. */
export function cutOfInsides(innermost: Inside): Cut {
  const all = insidesOf(innermost);
  const parts = all.slice(0, -1).map((outer, stage) => ({ stage, outer, inner: at(all, stage + 1) }));
  const chunks = [
    ...parts.map(({ stage, outer, inner }) => ({ stage, from: outer.e, to: inner.e })),
    { stage: parts.length, from: innermost.e, to: innermost.d },
    ...parts.map(({ stage, outer, inner }) => ({ stage, from: inner.d, to: outer.d })).toReversed(),
  ].filter(({ from, to }) => from < to);
  return { starts: chunks.map(({ from }) => from), stages: chunks.map(({ stage }) => stage) };
}

function pricedCut(innermost: Inside, costs: FoldCosts): Priced {
  const each = insidesOf(innermost).map(({ e, d }, q, all) => {
    const inner = all[q + 1] ?? { e, d: e };
    return costs.seconds(q, e, inner.e, inner.d, d);
  });
  return { cut: cutOfInsides(innermost), most: Math.max(...each) };
}

/** For each e the smallest d that can be reached, without those that another leaves less of both of. */
function nextFrontier(
  space: Space,
  costs: FoldCosts,
  most: number,
  q: number,
  frontier: readonly Inside[],
): Inside[] {
  const { places, placeOf } = space;
  const best = new Map<number, Inside>();
  for (const from of frontier) {
    const holds = (e: number, d: number) =>
      costs.seconds(q, from.e, e, d, from.d) <= most && costs.fits(q, from.e, e, d, from.d);
    const [first, last] = [placeOf.get(from.e) ?? 0, placeOf.get(from.d) ?? 0];
    // As e grows, less is left for the decoder's part: d only grows.
    let index = first;
    for (let which = first; which <= last; which++) {
      const e = places[which] ?? 0;
      index = Math.max(index, which + 1);
      while (index <= last && !holds(e, places[index] ?? 0)) index++;
      if (index > last) break;
      const nested = space.nextNested(which, index);
      if (nested > last) continue;
      const d = places[nested] ?? 0;
      const known = best.get(e);
      if (known === undefined || d < known.d) best.set(e, { e, d, before: from });
    }
  }
  let least = Number.POSITIVE_INFINITY;
  return [...best.values()]
    .sort((a, b) => b.e - a.e)
    .filter(({ d }) => {
      const isLess = d < least;
      least = Math.min(least, d);
      return isLess;
    });
}
