/** The best straight cut into stages: a programme over (stages, ops), with the messages as price. */
import { at } from '../../ir/box.ts';
import type { Priced } from './fold.ts';
import { type Space, straightStages } from './stage-space.ts';

export type StraightCosts = {
  readonly stages: number;
  /** Seconds of a stage with the ops [from, to) that gets and gives so many bytes of a micro-batch. */
  seconds(q: number, from: number, to: number, gets: number, gives: number): number;
  fits(q: number, from: number, to: number, gets: number, gives: number): boolean;
};

/** The cut whose most expensive stage costs least; undefined if none fits. */
export function bestStraight(space: Space, costs: StraightCosts): Priced | undefined {
  const { stages } = costs;
  const places = [...space.places];
  const width = places.length;
  const best = new Float64Array((stages + 1) * width).fill(Number.POSITIVE_INFINITY);
  const from = new Int32Array((stages + 1) * width).fill(-1);
  best[0] = 0;
  for (let a = 0; a < width - 1; a++)
    eachEnd(space, places, a, (b, gets, gives) => {
      const ends = b === width - 1;
      const low = ends ? stages - 1 : 0;
      for (let q = low; q < (ends ? stages : stages - 1); q++) {
        const before = best[q * width + a] ?? 0;
        const known = best[(q + 1) * width + b] ?? 0;
        if (before >= known) continue;
        const cost = Math.max(before, costs.seconds(q, at(places, a), at(places, b), gets, gives));
        if (cost >= known || !costs.fits(q, at(places, a), at(places, b), gets, gives)) continue;
        best[(q + 1) * width + b] = cost;
        from[(q + 1) * width + b] = a;
      }
    });
  const most = best[stages * width + width - 1] ?? 0;
  if (most === Number.POSITIVE_INFINITY) return undefined;
  const starts: number[] = [];
  for (let q = stages, b = width - 1; q > 0; q--) {
    b = from[q * width + b] ?? 0;
    starts.unshift(at(places, b));
  }
  return { cut: { starts, stages: straightStages(stages) }, most, least: most };
}

/** Visits all ends of a part that begins at `places[a]`, with the bytes that it gets and gives. */
function eachEnd(
  { flows, ops }: Space,
  places: readonly number[],
  a: number,
  visit: (b: number, gets: number, gives: number) => void,
): void {
  const start = at(places, a);
  // What the bytes change by when the part grows over an op.
  const gets = new Float64Array(ops + 1);
  const gives = new Float64Array(ops + 1);
  for (const { made, reads, last, bytes } of flows) {
    if (last < start) continue;
    const first = made < start ? reads.find((one) => one >= start) : undefined;
    if (first !== undefined) gets[first + 1] = (gets[first + 1] ?? 0) + bytes;
    if (made < start) continue;
    gives[made + 1] = (gives[made + 1] ?? 0) + bytes;
    gives[last + 1] = (gives[last + 1] ?? 0) - bytes;
  }
  let [got, given] = [0, 0];
  let op = start;
  for (let b = a + 1; b < places.length; b++) {
    for (; op < at(places, b); op++) {
      got += gets[op + 1] ?? 0;
      given += gives[op + 1] ?? 0;
    }
    visit(b, got, given);
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
