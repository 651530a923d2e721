/**
 * The best folded cut: stage q gets the ops [e_q, e_q+1) of the encoder and [d_q+1, d_q) of the decoder, so that
 * what lies inside, [e, d), shrinks from stage to stage, and each skip stays on one device.
 *
 * What a stage costs, and the bytes that it needs, grow with its parts, and of two ways to fill the first stages
 * the one that leaves less inside is at least as good: whatever the other goes on with, it can go on with the rest
 * of (if [e, d) and [e', d') are nested, so is [max e, min d)). So for a given most cost it suffices to know the
 * smallest d that each e can be reached with, and the least cost is found by halving. A part may be empty.
 */
import { at } from '../../ir/box.ts';
import type { Cut, Space } from './stage-space.ts';

export type FoldCosts = {
  readonly stages: number;
  /** Seconds that a stage with such parts takes; the last has [e, d) in one. Grows with each part. */
  seconds(q: number, e: number, e2: number, d2: number, d: number): number;
  /** Whether its bytes fit. */
  fits(q: number, e: number, e2: number, d2: number, d: number): boolean;
};

type Inside = { readonly e: number; readonly d: number; readonly before?: Inside };

export type Priced = { readonly cut: Cut; readonly most: number };

/** The cut whose most expensive stage costs least; undefined if none fits. */
export function bestFold(space: Space, costs: FoldCosts): Priced | undefined {
  let best = foldWithin(space, costs, Number.POSITIVE_INFINITY);
  if (best === undefined) return undefined;
  let low = 0;
  for (let step = 0; step < 48 && low < best.most * (1 - 1e-9); step++) {
    const middle = (low + best.most) / 2;
    const found = foldWithin(space, costs, middle);
    if (found === undefined) low = middle;
    else best = found;
  }
  return best;
}

/** Some cut in which no stage costs more than `most`. */
function foldWithin(space: Space, costs: FoldCosts, most: number): Priced | undefined {
  const { stages } = costs;
  let frontier: Inside[] = [{ e: 0, d: space.ops }];
  for (let q = 0; q < stages - 1; q++) frontier = nextFrontier(space, costs, most, q, frontier);
  const last = stages - 1;
  for (const inside of frontier) {
    const { e, d } = inside;
    if (costs.seconds(last, e, e, e, d) > most || !costs.fits(last, e, e, e, d)) continue;
    return pricedCut(inside, costs);
  }
  return undefined;
}

function pricedCut(inside: Inside, costs: FoldCosts): Priced {
  const cuts: Inside[] = [];
  for (let one: Inside | undefined = inside; one !== undefined; one = one.before) cuts.unshift(one);
  const parts = cuts.map(({ e, d }, q) => ({ q, e, d, inner: cuts[q + 1] ?? { e, d: e } }));
  const chunks = [
    ...parts.slice(0, -1).map(({ q, e, inner }) => ({ stage: q, from: e, to: inner.e })),
    { stage: parts.length - 1, from: inside.e, to: inside.d },
    ...parts
      .slice(0, -1)
      .map(({ q, d, inner }) => ({ stage: q, from: inner.d, to: d }))
      .toReversed(),
  ].filter(({ from, to }) => from < to);
  return {
    cut: { starts: chunks.map(({ from }) => from), stages: chunks.map(({ stage }) => stage) },
    most: Math.max(...parts.map(({ q, e, d, inner }) => costs.seconds(q, e, inner.e, inner.d, d))),
  };
}

/** For each e the smallest d that can be reached, without those that another leaves less inside of. */
function nextFrontier(space: Space, costs: FoldCosts, most: number, q: number, frontier: readonly Inside[]) {
  const places = [0, ...space.positions, space.ops];
  const best = new Map<number, Inside>();
  const holds = (from: Inside, e: number, d: number) =>
    costs.seconds(q, from.e, e, d, from.d) <= most && costs.fits(q, from.e, e, d, from.d);
  for (const from of frontier) {
    // As e grows, less is left for the decoder's part: d only grows.
    let index = 0;
    for (const e of places) {
      if (e < from.e) continue;
      const isOut = () => index < places.length && at(places, index) <= from.d;
      while (isOut() && (at(places, index) <= e || !holds(from, e, at(places, index)))) index++;
      if (!isOut()) break;
      let valid = index;
      while (at(places, valid) < from.d && !isNested(space, from, e, at(places, valid))) valid++;
      const d = at(places, valid);
      if (!isNested(space, from, e, d)) continue;
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

const isNested = (space: Space, from: Inside, e: number, d: number): boolean =>
  (from.e === e && from.d === d) || space.isNested(e, d);
