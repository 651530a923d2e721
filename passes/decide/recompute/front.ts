/** Answers of a search of which none is better than another. */
import type { Cost } from './cost.ts';
import type { Drops } from './tape.ts';

export type Found = Cost & { readonly drops: Drops };

/** Points closer than this share to a better one are left out. */
const thinning = 1e-3;

/** Not dominated, and not within a share (0.1 %) of a point that costs as little; from the largest peak down. */
export function thinned<F extends Cost>(found: readonly F[], share = thinning): F[] {
  const sorted = found.toSorted((a, b) => a.seconds - b.seconds || a.peak - b.peak);
  const kept: F[] = [];
  for (const one of sorted) {
    const before = kept.at(-1);
    if (before === undefined || one.peak < before.peak * (1 - share)) kept.push(one);
  }
  return kept;
}

export type Front = {
  /** From the fastest to the one of least memory. */
  all(): readonly Found[];
  /** Adds an answer, with drops of its own, unless there is one that is no worse. */
  add(cost: Cost, drops: Drops): void;
  /** Whether there is an answer that is no worse, but for what is thinned out. */
  isBeaten(bound: Cost): boolean;
};

/** Bounds are summed up in another order than costs. */
const rounding = 1e-12;

export function frontOf(): Front {
  const found: Found[] = [];
  /** How many take no longer. */
  const within = (seconds: number): number => {
    let from = 0;
    let until = found.length;
    while (from < until) {
      const middle = (from + until) >> 1;
      if ((found[middle] as Found).seconds <= seconds) from = middle + 1;
      else until = middle;
    }
    return from;
  };
  return {
    all: () => found,
    add({ peak, seconds }, drops) {
      const place = within(seconds);
      const before = found[place - 1];
      if (before !== undefined && before.peak <= peak) return;
      const from = before?.seconds === seconds ? place - 1 : place;
      let until = place;
      while (until < found.length && (found[until] as Found).peak >= peak) until++;
      found.splice(from, until - from, { peak, seconds, drops: drops.slice() });
    },
    isBeaten({ peak, seconds }) {
      const place = within(seconds * (1 + rounding));
      return place > 0 && (found[place - 1] as Found).peak * (1 - thinning) <= peak;
    },
  };
}
