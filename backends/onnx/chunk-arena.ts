/**
 * How much memory ONNX Runtime's arena comes to hold. It asks the system for regions, each at least as large as the one
 * before, gives out the smallest free chunk that fits, cut to size if it is twice as large, and joins free neighbours
 * (`BFCArena`, next power of two). It keeps its regions from run to run.
 */
import { at } from '../../ir/box.ts';
import type { Interval } from '../../ir/liveness.ts';

/** A part of a region; parts of one region are linked in the order of their places. */
type Chunk = {
  readonly region: Region;
  readonly from: number;
  bytes: number;
  isFree: boolean;
  before: Chunk | undefined;
  after: Chunk | undefined;
};

/** `touched`: the end of the furthest block that ever lay in it. What lies beyond takes no memory. */
type Region = { touched: number };

const unit = 256;
const firstRegion = 1 << 20;
/** A chunk that would leave more than this, or than the block itself, is cut in two. */
const mostWaste = 128 << 20;
/** Regions begin anywhere in a page, and a huge one is taken whole. */
const pageBytes = 2 << 20;

class ChunkArena {
  readonly regions: Region[] = [];
  /** By size. */
  readonly #free: Chunk[] = [];
  #next = firstRegion;

  take(bytes: number): Chunk {
    const needed = Math.ceil(bytes / unit) * unit;
    if ((this.#free.at(-1)?.bytes ?? 0) < needed) this.#extend(needed);
    const [chunk] = this.#free.splice(this.#placeOf(needed), 1);
    if (chunk === undefined) throw new Error('an extended arena has room');
    if (chunk.bytes >= 2 * needed || chunk.bytes - needed >= mostWaste) this.#cut(chunk, needed);
    chunk.isFree = false;
    chunk.region.touched = Math.max(chunk.region.touched, chunk.from + bytes);
    return chunk;
  }

  give(chunk: Chunk): void {
    chunk.isFree = true;
    const { before, after } = chunk;
    if (after?.isFree) this.#join(chunk, after);
    if (before?.isFree) this.#insert(this.#join(before, chunk));
    else this.#insert(chunk);
  }

  /** Where the first free chunk of at least so many bytes is in the list. */
  #placeOf(bytes: number): number {
    let [low, high] = [0, this.#free.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (at(this.#free, middle).bytes < bytes) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #insert(chunk: Chunk): void {
    this.#free.splice(this.#placeOf(chunk.bytes), 0, chunk);
  }

  #remove(chunk: Chunk): void {
    const place = this.#free.indexOf(chunk, this.#placeOf(chunk.bytes));
    if (place >= 0) this.#free.splice(place, 1);
  }

  #cut(chunk: Chunk, bytes: number): void {
    const { region, from, after } = chunk;
    const rest = {
      region,
      from: from + bytes,
      bytes: chunk.bytes - bytes,
      isFree: true,
      before: chunk,
      after,
    };
    if (after !== undefined) after.before = rest;
    chunk.after = rest;
    chunk.bytes = bytes;
    this.#insert(rest);
  }

  /** The chunk that results is in no list. */
  #join(first: Chunk, second: Chunk): Chunk {
    this.#remove(first);
    this.#remove(second);
    first.bytes += second.bytes;
    first.after = second.after;
    if (second.after !== undefined) second.after.before = first;
    return first;
  }

  #extend(needed: number): void {
    const grows = needed > this.#next;
    while (needed > this.#next) this.#next *= 2;
    const region = { touched: 0 };
    const whole = { region, from: 0, bytes: this.#next, isFree: true, before: undefined, after: undefined };
    this.regions.push(region);
    this.#insert(whole);
    if (!grows) this.#next *= 2;
  }
}

/** The second run is not like the first, which begins with nothing; after the third nothing grows any more. */
const runs = 3;

/** Bytes that an arena holds once it has been given these blocks run after run. `scratch`: taken within a moment. */
export function arenaBytes(blocks: readonly Interval[], scratch: readonly number[]): number {
  const born = scratch.map((): Interval[] => []);
  const gone = scratch.map((): Interval[] => []);
  for (const block of blocks.filter(({ bytes }) => bytes > 0)) {
    at(born, block.birth).push(block);
    at(gone, block.death).push(block);
  }
  const arena = new ChunkArena();
  const held = new Map<Interval, Chunk>();
  const giveBack = (block: Interval): void => {
    const chunk = held.get(block);
    if (chunk !== undefined) arena.give(chunk);
  };
  for (let run = 0; run < runs; run++)
    scratch.forEach((bytes, moment) => {
      for (const block of at(born, moment)) held.set(block, arena.take(block.bytes));
      if (bytes > 0) arena.give(arena.take(bytes));
      at(gone, moment).forEach(giveBack);
    });
  return arena.regions.reduce((sum, { touched }) => sum + touched + pageBytes, 0);
}
