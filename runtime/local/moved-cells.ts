/** Cells that move from one buffer of a device to another, or in and out of messages, without copies in between. */
import { at, type Box, extents } from '../../ir/box.ts';
import { product } from '../../ir/type.ts';
import type { Held } from './arena.ts';
import { runsOf } from './cells.ts';

/** A buffer as far as its cells matter. */
export type Celled = {
  readonly buffer: Pick<Held['buffer'], 'name' | 'dims' | 'box'>;
  readonly data: Held['data'];
};

const mapsOf = ({ buffer }: Celled): number => at(buffer.dims, 0) * at(buffer.dims, 1);

const boxOf = ({ buffer }: Celled): Box => buffer.box ?? [];

const cellsIn = (boxes: readonly Box[]): number =>
  boxes.reduce((cells, box) => cells + product(extents(box)), 0);

/** Values of one array to their places in another, so many neighbours. */
type Move = (into: Held['data'], to: number, source: Held['data'], from: number, length: number) => void;

/** A view of a run takes as long to make as so many values to copy one by one. */
const shortRun = 128;

const copy: Move = (into, to, source, from, length) => {
  if (length < shortRun) for (let i = 0; i < length; i++) into[to + i] = source[from + i] ?? 0;
  else into.set(source.subarray(from, from + length), to);
};

const add: Move = (into, to, source, from, length) => {
  for (let i = 0; i < length; i++) into[to + i] = (into[to + i] ?? 0) + (source[from + i] ?? 0);
};

/** The cells `part`, which both buffers have, of every map. */
function moveCells(target: Celled, source: Celled, part: Box, move: Move): void {
  const [into, from] = [runsOf(boxOf(target), part), runsOf(boxOf(source), part)];
  const [intoCells, fromCells] = [product(extents(boxOf(target))), product(extents(boxOf(source)))];
  const maps = mapsOf(source);
  for (let map = 0; map < maps; map++)
    for (let run = 0; run < into.length; run++) {
      const { start, length } = at(into, run);
      move(target.data, map * intoCells + start, source.data, map * fromCells + at(from, run).start, length);
    }
}

export const copyCells = (target: Celled, source: Celled, part: Box): void =>
  moveCells(target, source, part, copy);

export const addCells = (target: Celled, source: Celled, part: Box): void =>
  moveCells(target, source, part, add);

/** Calls `visit` with where each run of neighbouring cells lies in the buffer and in the packed pieces. */
function eachRun(
  held: Celled,
  pieces: readonly Box[],
  visit: (from: number, at: number, length: number) => void,
): void {
  const whole = boxOf(held);
  const cells = product(extents(whole));
  let next = 0;
  for (const box of pieces) {
    const runs = runsOf(whole, box);
    for (let map = 0; map < mapsOf(held); map++)
      for (const { start, length } of runs) {
        visit(map * cells + start, next, length);
        next += length;
      }
  }
}

/** A message with the values of pieces; undefined: what their device does not hold. */
export const roomFor = (held: Celled | undefined, pieces: readonly Box[]): Float32Array<ArrayBuffer> =>
  new Float32Array(held === undefined ? 0 : mapsOf(held) * cellsIn(pieces));

export function packed(held: Celled, pieces: readonly Box[]): Float32Array<ArrayBuffer> {
  const values = roomFor(held, pieces);
  const source = floats(held);
  eachRun(held, pieces, (from, to, length) => copy(values, to, source, from, length));
  return values;
}

export const addPacked = (held: Celled, pieces: readonly Box[], values: Float32Array): void =>
  eachRun(held, pieces, (to, from, length) => add(held.data, to, values, from, length));

function floats({ buffer, data }: Celled): Float32Array {
  if (data instanceof Float32Array) return data;
  throw new TypeError(`buffer ${buffer.name} holds no floats`);
}
