/**
 * How long a pipeline takes: an order of the work on micro-batches with the real times of its chunks, and bounds.
 * Each stage does its items in a fixed order, each as soon as the stage is free and what it reads is there; the
 * end of an item is then the longest path to it (a max-plus system), found in one sweep.
 */
import { at } from '../../ir/box.ts';
import type { Order, Pace } from '../../ir/schedule.ts';
import { type Item, ordered } from '../lower/order.ts';

/** One chunk of the network and one micro-batch of it; seconds. */
export type ChunkLoad = {
  readonly stage: number;
  readonly forward: number;
  readonly backward: number;
  /** The messages from the chunk before; their cotangents take as long on the way back. */
  readonly inSeconds: number;
  /** All messages to later chunks. */
  readonly outSeconds: number;
  /** Messages from chunks before the one before. */
  readonly early?: readonly { readonly chunk: number; readonly seconds: number }[];
};

export type TimedItem = Item & { readonly stage: number; readonly start: number; readonly end: number };

export type Evaluation = {
  readonly seconds: number;
  /** Seconds that each stage works. */
  readonly busy: readonly number[];
  /** For each chunk the most micro-batches between their forward and their backward pass. */
  readonly inFlight: readonly number[];
  readonly timeline: readonly TimedItem[];
};

/** Seconds of a step without its update. `overlaps`: messages take no time of the stages at their ends. */
export function evaluateOrder(
  order: Order,
  chunks: readonly ChunkLoad[],
  microBatches: number,
  overlaps: boolean,
  pace?: Pace,
): Evaluation {
  const stages = chunks.map(({ stage }) => stage);
  return evaluateItems(ordered(order, stages, microBatches, pace), chunks, microBatches, overlaps);
}

export function evaluateItems(
  items: readonly (readonly Item[])[],
  chunks: readonly ChunkLoad[],
  microBatches: number,
  overlaps: boolean,
): Evaluation {
  const timeline: TimedItem[] = [];
  const seconds = sweep(items, chunks, microBatches, overlaps, (stage, item, start, end) =>
    timeline.push({ ...item, stage, start, end }),
  );
  const busy = items.map(() => 0);
  for (const { stage, start, end } of timeline) busy[stage] = at(busy, stage) + end - start;
  return { seconds, busy, inFlight: mostInFlight(items, chunks.length), timeline };
}

/** For each chunk the most micro-batches between their forward and their backward pass. */
export function mostInFlight(items: readonly (readonly Item[])[], chunks: number): number[] {
  const now = Array.from({ length: chunks }, () => 0);
  const most = [...now];
  for (const { chunk, phase } of items.flat()) {
    now[chunk] = at(now, chunk) + (phase === 'forward' ? 1 : -1);
    most[chunk] = Math.max(at(most, chunk), at(now, chunk));
  }
  return most;
}

/** The seconds that an item takes of its stage, each way the same where the stage waits for its messages. */
const blocked = ({ inSeconds, outSeconds, early = [] }: ChunkLoad, overlaps: boolean): number =>
  overlaps ? 0 : early.reduce((sum, { seconds }) => sum + seconds, inSeconds + outSeconds);

/**
 * The seconds of given items: those that `ordered` gives, or others. Messages between two chunks go one after
 * another in each direction. Throws where the items wait for each other.
 */
export function sweep(
  items: readonly (readonly Item[])[],
  chunks: readonly ChunkLoad[],
  microBatches: number,
  overlaps: boolean,
  done?: (stage: number, item: Item, start: number, end: number) => void,
): number {
  const size = chunks.length * microBatches;
  const ends = { forward: new Float64Array(size).fill(-1), backward: new Float64Array(size).fill(-1) };
  const lasts = chunks.map((chunk) => blocked(chunk, overlaps));
  const channels = channelsOf(chunks, overlaps);
  const free = new Float64Array(items.length);
  const next = new Int32Array(items.length);
  let left = items.reduce((sum, { length }) => sum + length, 0);
  /** When what an item reads is there; -1: not yet known. */
  const readyAt = ({ chunk, phase, micro }: Item): number => {
    let ready = phase === 'backward' ? (ends.forward[chunk * microBatches + micro] ?? -1) : 0;
    if (ready < 0) return -1;
    const all = channels[phase][chunk] ?? [];
    for (const { from } of all) if ((ends[phase][from * microBatches + micro] ?? -1) < 0) return -1;
    for (const channel of all) {
      const sent = ends[phase][channel.from * microBatches + micro] ?? 0;
      channel.last = channel.seconds === 0 ? sent : Math.max(sent, channel.last) + channel.seconds;
      ready = Math.max(ready, channel.last);
    }
    return ready;
  };
  while (left > 0) {
    const before = left;
    for (let stage = 0; stage < items.length; stage++) {
      const own = at(items, stage);
      for (let index = next[stage] ?? 0; index < own.length; index++) {
        const item = at(own, index);
        const ready = readyAt(item);
        if (ready < 0) break;
        const start = Math.max(ready, free[stage] ?? 0);
        const end = start + at(chunks, item.chunk)[item.phase] + at(lasts, item.chunk);
        ends[item.phase][item.chunk * microBatches + item.micro] = end;
        free[stage] = end;
        next[stage] = index + 1;
        left--;
        done?.(stage, item, start, end);
      }
    }
    if (left === before) throw new Error('items that wait for each other');
  }
  return free.reduce((a, b) => Math.max(a, b), 0);
}

/** Where the messages of a chunk come from, and when the last one arrived. */
type Channel = { readonly from: number; readonly seconds: number; last: number };

function channelsOf(chunks: readonly ChunkLoad[], overlaps: boolean) {
  const forward: Channel[][] = chunks.map(() => []);
  const backward: Channel[][] = chunks.map(() => []);
  const join = (from: number, to: number, seconds: number) => {
    const taken = overlaps ? seconds : 0;
    at(forward, to).push({ from, seconds: taken, last: 0 });
    at(backward, from).push({ from: to, seconds: taken, last: 0 });
  };
  chunks.forEach(({ inSeconds, early = [] }, chunk) => {
    if (chunk > 0) join(chunk - 1, chunk, inSeconds);
    for (const one of early) join(one.chunk, chunk, one.seconds);
  });
  return { forward, backward };
}

/**
 * No order of the items takes less than this. It is the larger of, for each chunk, the path of one micro-batch through all
 * chunks and back with all others behind it in that chunk, forward or backward, one after another; and, for each
 * stage, of head + microBatches x its load + tail. Proof of the first: the passes of a chunk one way are on one device, one
 * after another; the first of them follows all that a micro-batch does before, and the last is followed by the rest of the
 * path of its own. Proof of the second: the first item of a stage is the forward pass of its first chunk, which follows the forward passes of all chunks before it (head);
 * its last item is a backward pass of that chunk, since the one of a later chunk is followed by it; and after it
 * the micro-batch still has to go back through all chunks before it (tail).
 */
export function pipelineBound(chunks: readonly ChunkLoad[], microBatches: number, overlaps = true): number {
  const work = chunks.map((chunk, index) => {
    const waits = blocked(chunk, overlaps);
    const message = overlaps && index > 0 ? chunk.inSeconds : 0;
    const { forward, backward } = chunk;
    return {
      message,
      path: forward + backward + 2 * (waits + message),
      load: forward + backward + 2 * waits,
      longer: Math.max(forward, backward) + waits,
    };
  });
  const loads: number[] = [];
  for (const [index, { stage }] of chunks.entries())
    loads[stage] = (loads[stage] ?? 0) + at(work, index).load;
  const longest = Math.max(...work.map(({ longer }) => longer));
  let most = work.reduce((sum, { path }) => sum + path, 0) + (microBatches - 1) * longest;
  let outside = 0;
  const seen = new Set<number>();
  chunks.forEach(({ stage }, index) => {
    const { path, message } = at(work, index);
    if (!seen.has(stage)) most = Math.max(most, outside + 2 * message + microBatches * at(loads, stage));
    seen.add(stage);
    outside += path;
  });
  return most;
}
