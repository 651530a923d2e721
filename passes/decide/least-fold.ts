/**
 * What the most expensive stage of any folded cut costs at least, bytes left out of account. As in `fold.ts`, for a
 * given most cost it suffices to know the least d of the [e, d) that the first stages can leave inside, for each e,
 * and the least cost is found by halving.
 *
 * A stage outside of whose encoder's part lies the work `before` has room for (most - before) / microBatches of its
 * own. From [e, d) it may leave [e2, d2) if the work of [e, e2) and [d2, d) together is no more: in sums of all work up
 * to a place, if d2 >= d - room - e + e2. So the best e for an e2 is that of the least d - room - e, of those with room
 * for all of [e, e2): a window, for later ones reach further.
 */
import type { Space } from './stage-space.ts';

type Question = { readonly stages: number; readonly microBatches: number };

/** The least cost up to a share of `tolerance`, never more than it is; none costs less than `from`. */
export function leastFold(space: Space, question: Question, tolerance: number, from: number): number {
  const work = workUpTo(space);
  const holds = (most: number) => isWithin(space, work, question, most);
  if (holds(from)) return from;
  let [least, most] = [from, from * (1 + tolerance)];
  for (let share = tolerance; !holds(most); share *= 4) [least, most] = [most, from * (1 + 4 * share)];
  while (least < most * (1 - tolerance)) {
    const middle = (least + most) / 2;
    if (holds(middle)) most = middle;
    else least = middle;
  }
  return least;
}

/** For each place all work, both ways, of the ops before it. */
const workUpTo = ({ places, forward, backward }: Space): Float64Array =>
  Float64Array.from(places, (place) => (forward[place] ?? 0) + (backward[place] ?? 0));

/** Sums are not exact to the last bit: so that no cut is lost, as a share. */
const rounding = 1e-12;

/** Whether there is a cut in which no stage costs more than `most`. */
function isWithin(space: Space, work: Float64Array, { stages, microBatches }: Question, most: number) {
  const bounds = { space, work, most: most * (1 + rounding), microBatches };
  let ends: Int16Array = new Int16Array(work.length).fill(-1);
  ends[0] = work.length - 1;
  for (let stage = 0; stage < stages - 1; stage++) ends = nextEnds(bounds, ends);
  return ends.some((end, e) => end >= 0 && (work[end] ?? 0) - (work[e] ?? 0) <= roomFrom(bounds, e));
}

type Bounds = {
  readonly space: Space;
  readonly work: Float64Array;
  readonly most: number;
  readonly microBatches: number;
};

/** The work of a stage on one micro-batch that the costs allow, if its part of the encoder begins at a place. */
const roomFrom = ({ work, most, microBatches }: Bounds, e: number): number =>
  (most - (work[e] ?? 0)) / microBatches;

/** Of the ways to fill the first stages, by place e: the least end d of what is inside (-1: none), and what d lacks. */
type Ways = { readonly ends: Int16Array; readonly lacks: Float64Array };

/** One more stage: by place e the least d such that [e, d) can be left inside; -1 if it cannot. */
function nextEnds(bounds: Bounds, ends: Int16Array): Int16Array {
  const { work } = bounds;
  const next = new Int16Array(ends.length).fill(-1);
  const ways = { ends, lacks: new Float64Array(ends.length).fill(Number.POSITIVE_INFINITY) };
  // Of those from `from` on by ascending lack: each the best of those that come after it, too.
  const queue = new Int16Array(ends.length);
  let [from, first, count] = [0, 0, 0];
  for (let e = 0; e < ends.length - 1; e++) {
    const lack = lackOf(bounds, ends, e);
    if (lack < Number.POSITIVE_INFINITY) {
      ways.lacks[e] = lack;
      while (count > first && (ways.lacks[queue[count - 1] ?? 0] ?? 0) >= lack) count--;
      queue[count++] = e;
    }
    while (from < e && (work[e] ?? 0) - (work[from] ?? 0) > roomFrom(bounds, from)) from++;
    while (first < count && (queue[first] ?? 0) < from) first++;
    if (first < count) next[e] = bestEnd(bounds, ways, [from, e], queue[first] ?? 0);
  }
  return next;
}

/** The work beyond e that must stay inside of what begins there, less that of the encoder; infinite if there is no way. */
function lackOf(bounds: Bounds, ends: Int16Array, e: number): number {
  const { work } = bounds;
  const [end, room] = [ends[e] ?? -1, roomFrom(bounds, e)];
  return end < 0 || room < 0 ? Number.POSITIVE_INFINITY : (work[end] ?? 0) - room - (work[e] ?? 0);
}

/** The least end of what a stage leaves inside from e on, if it begins within the given places; best at `best`. */
function bestEnd(bounds: Bounds, ways: Ways, [from, e]: readonly [number, number], best: number): number {
  const { ends, lacks } = ways;
  const least = endFrom(bounds, lacks[best] ?? 0, e);
  if (least <= (ends[best] ?? 0)) return least;
  // What is inside there ends before what is nested can: others may end later.
  let found = -1;
  for (let other = from; other <= e; other++) {
    const end = ends[other] ?? -1;
    if (end < least || lacks[other] === Number.POSITIVE_INFINITY) continue;
    const one = endFrom(bounds, lacks[other] ?? 0, e);
    if (one <= end && (found < 0 || one < found)) found = one;
  }
  return found;
}

/** The first end of something nested that begins at e and lacks no more than so much. */
function endFrom({ space, work }: Bounds, lack: number, e: number): number {
  const least = lack + (work[e] ?? 0);
  let [low, high] = [e + 1, work.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((work[middle] ?? 0) >= least) high = middle;
    else low = middle + 1;
  }
  return space.nextNested(e, low);
}
