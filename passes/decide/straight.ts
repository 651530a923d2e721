/** The best straight cut into stages: a programme over (stages, ops), with the messages as price. */
import { at } from '../../ir/box.ts';
import type { Priced } from './fold.ts';
import type { Crossing } from './ground.ts';
import { type Space, straightStages } from './stage-space.ts';

export type StraightCosts = {
  readonly stages: number;
  /** Seconds of a stage with the ops [from, to) that gets and gives so many bytes of a micro-batch. */
  seconds(q: number, from: number, to: number, gets: number, gives: number): number;
  /** What it takes at least in any stage: without messages. */
  least(from: number, to: number): number;
  fits(q: number, from: number, to: number, gets: number, gives: number): boolean;
  /** Whether neither such a part nor a longer one is of use in any stage. */
  isLost(from: number, to: number): boolean;
};

/** The cut whose most expensive stage costs least; undefined if none fits. */
export function bestStraight(space: Space, costs: StraightCosts): Priced | undefined {
  const { stages } = costs;
  const { places } = space;
  const width = places.length;
  const best = new Float64Array((stages + 1) * width).fill(Number.POSITIVE_INFINITY);
  const from = new Int32Array((stages + 1) * width).fill(-1);
  best[0] = 0;
  for (let a = 0; a < width - 1; a++) {
    const start = places[a] ?? 0;
    if (!isReached(best, a, stages, width)) continue;
    eachEnd(space, a, (b, gets, gives) => {
      const end = places[b] ?? 0;
      if (costs.isLost(start, end)) return false;
      const isLast = b === width - 1;
      const least = costs.least(start, end);
      for (let q = isLast ? stages - 1 : 0; q < (isLast ? stages : stages - 1); q++) {
        const before = best[q * width + a] ?? 0;
        const known = best[(q + 1) * width + b] ?? 0;
        if (before >= known || least >= known) continue;
        const cost = Math.max(before, costs.seconds(q, start, end, gets, gives));
        if (cost >= known || !costs.fits(q, start, end, gets, gives)) continue;
        best[(q + 1) * width + b] = cost;
        from[(q + 1) * width + b] = a;
      }
      return true;
    });
  }
  const most = best[stages * width + width - 1] ?? 0;
  if (most === Number.POSITIVE_INFINITY) return undefined;
  const starts: number[] = [];
  for (let q = stages, b = width - 1; q > 0; q--) {
    b = from[q * width + b] ?? 0;
    starts.unshift(places[b] ?? 0);
  }
  return { cut: { starts, stages: straightStages(stages) }, most };
}

/** Whether some number of stages, all but the last, ends at a place. */
function isReached(best: Float64Array, place: number, stages: number, width: number): boolean {
  for (let q = 0; q < stages; q++) if ((best[q * width + place] ?? 0) < Number.POSITIVE_INFINITY) return true;
  return false;
}

/** Visits the ends of a part that begins at `places[a]`, with the bytes that it gets and gives, until one says no. */
function eachEnd(
  { flows, places, crossing }: Space,
  a: number,
  visit: (b: number, gets: number, gives: number) => boolean,
): void {
  const start = places[a] ?? 0;
  const bytesOf = ({ index }: Crossing) => at(flows, index).bytes;
  const needed = [...at(crossing, a)].sort((one, other) => one.next - other.next);
  let [gets, got] = [0, 0];
  for (let b = a + 1; b < places.length; b++) {
    const end = places[b] ?? 0;
    for (; got < needed.length && at(needed, got).next < end; got++) gets += bytesOf(at(needed, got));
    let gives = 0;
    for (const one of at(crossing, b)) if (at(flows, one.index).made >= start) gives += bytesOf(one);
    if (!visit(b, gets, gives)) return;
  }
}

/** What the most expensive stage of any cut costs at least, if bytes cost nothing. */
export function leastStraight({ places }: Space, costs: StraightCosts, from: number): number {
  const { stages } = costs;
  const isWithin = (most: number): boolean => {
    let [start, end] = [0, 0];
    for (let q = 0; q < stages; q++) {
      // Each stage takes as much as it can.
      while (end < places.length - 1) {
        const next = places[end + 1] ?? 0;
        if (costs.seconds(q, start, next, 0, 0) > most) break;
        end++;
      }
      start = places[end] ?? 0;
    }
    return end === places.length - 1;
  };
  let [least, most] = [from, costs.seconds(0, 0, places.at(-1) ?? 0, 0, 0)];
  while (least < most * (1 - 1e-5)) {
    const middle = (least + most) / 2;
    if (isWithin(middle)) most = middle;
    else least = middle;
  }
  return least;
}
