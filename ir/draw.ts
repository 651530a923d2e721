/**
 * Everything random, as pure functions of names and positions: initial weights, dropout masks, the order of
 * the samples, places of windows. Nothing depends on which device draws, or on what was drawn before.
 *
 *   what          key            counter
 *   weights       seed, name     index / 4,    0,       0,      WEIGHTS
 *   dropout       seed, layer    position / 4, channel, sample, step
 *   permutation   seed, epoch    index,        0,       0,      PERMUTATION
 *   integer       seed, index    step,         sample,  0,      INTEGER
 *
 * A Philox block holds four words, so runs of four weights or cells share one.
 */
import { type Box, extents } from './box.ts';
import type { Init, Parameter } from './model.ts';
import { philox } from './philox.ts';
import { product } from './type.ts';

/** Fourth counter words that no step reaches: they keep the uses of one seed apart. */
const WEIGHTS = 0xffffffff;
const PERMUTATION = 0xfffffffe;
const INTEGER = 0xfffffffd;

const UNIT = 2 ** -32;

/** FNV-1a over the UTF-8 bytes of a name, 32 bits (Fowler, Noll, Vo). */
function hashName(name: string): number {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(name)) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}

/** Uniform in ±bound, at the centres of 2^32 equal parts: symmetric around 0. */
function uniformWeights(parameter: Parameter, bound: number, seed: number): Float32Array {
  const weights = new Float32Array(product(parameter.dims));
  const hash = hashName(parameter.name);
  const words = new Uint32Array(4);
  for (let i = 0; i < weights.length; i++) {
    if (i % 4 === 0) philox(words, i / 4, 0, 0, WEIGHTS, seed, hash);
    weights[i] = bound * (2 * ((words[i % 4] ?? 0) + 0.5) * UNIT - 1);
  }
  return weights;
}

type Initializer<K extends Init['kind']> = (
  parameter: Parameter,
  init: Extract<Init, { kind: K }>,
  seed: number,
) => Float32Array;

const initializers: { readonly [K in Init['kind']]: Initializer<K> } = {
  zeros: ({ dims }) => new Float32Array(product(dims)),
  ones: ({ dims }) => new Float32Array(product(dims)).fill(1),
  he_uniform: (parameter, { fanIn }, seed) => uniformWeights(parameter, Math.sqrt(6 / fanIn), seed),
};

const initialize = <K extends Init['kind']>(
  parameter: Parameter,
  init: Extract<Init, { kind: K }> & { kind: K },
  seed: number,
): Float32Array => initializers[init.kind](parameter, init, seed);

/** The first weights of a parameter: a function of seed, name and index only, whatever else the model has. */
export const initialWeights = (parameter: Parameter, seed: number): Float32Array =>
  initialize(parameter, parameter.init, seed);

export type DropoutDraw = {
  readonly seed: number;
  /** Which dropout of the model. */
  readonly layer: number;
  readonly step: number;
  /** Index of the sample in the whole batch. */
  readonly sample: number;
  readonly p: number;
  readonly by: 'cell' | 'channel';
  readonly channels: number;
  /** The cells to draw, in global coordinates. */
  readonly box: Box;
  /** Of the whole value, which `box` is a part of. */
  readonly extents: readonly number[];
};

/**
 * A dropout mask of one sample: 0 with probability `p`, else 1 / (1 - p); `[channels, ...extents(box)]`, or
 * `[channels]` where whole channels are dropped. The mask of a box is that part of the mask of the whole.
 */
export function dropoutMask(draw: DropoutDraw): Float32Array {
  const keeps = keeper(draw);
  if (draw.by === 'channel')
    return Float32Array.from({ length: draw.channels }, (_, channel) => keeps(channel, 0));
  const rows = rowStarts(draw.box, draw.extents);
  const width = extents(draw.box).at(-1) ?? 1;
  const mask = new Float32Array(draw.channels * rows.length * width);
  let next = 0;
  for (let channel = 0; channel < draw.channels; channel++)
    for (const start of rows) for (let x = 0; x < width; x++) mask[next++] = keeps(channel, start + x);
  return mask;
}

/** The factor of one cell by channel and global row-major position; keeps the block it drew last. */
function keeper(draw: DropoutDraw): (channel: number, position: number) => number {
  const { seed, layer, step, sample, p } = draw;
  const words = new Uint32Array(4);
  const factor = 1 / (1 - p);
  let [heldChannel, heldBlock] = [-1, -1];
  return (channel, position) => {
    const block = Math.floor(position / 4);
    if (block !== heldBlock || channel !== heldChannel) {
      // Blocks from 2^32 on, in volumes, spill into the high half of the channel's word.
      const high = Math.floor(block / 2 ** 32);
      philox(words, block, channel + high * 2 ** 16, sample, step, seed, layer);
      heldBlock = block;
      heldChannel = channel;
    }
    return (words[position % 4] ?? 0) * UNIT < p ? 0 : factor;
  };
}

/** Global row-major position of the first cell of each row of `box`. */
function rowStarts(box: Box, whole: readonly number[]): number[] {
  return box.reduce<number[]>(
    (starts, { from, to }, axis) => {
      const [size, last] = [whole[axis] ?? 1, axis === box.length - 1];
      return starts.flatMap((start) =>
        Array.from(
          { length: last ? Number(to > from) : Math.max(0, to - from) },
          (_, i) => start * size + from + i,
        ),
      );
    },
    [0],
  );
}

export type IntegerKey = {
  readonly seed: number;
  readonly step: number;
  readonly sample: number;
  /** Which number of this sample: an axis, say. */
  readonly index: number;
};

/** A uniform integer `0 <= i < below`. */
export function drawInteger({ seed, step, sample, index }: IntegerKey, below: number): number {
  const words = new Uint32Array(4);
  philox(words, step, sample, 0, INTEGER, seed, index);
  return uniformBelow(words, below);
}

/** From 53 random bits: the bias is below `below` * 2^-53. */
const uniformBelow = (words: Uint32Array, below: number): number =>
  Math.floor((((words[0] ?? 0) * 2 ** 21 + ((words[1] ?? 0) >>> 11)) / 2 ** 53) * below);

/** The numbers `0 .. n - 1` in an order drawn by (seed, epoch): Fisher and Yates, from the end. */
export function permutation(n: number, seed: number, epoch: number): Uint32Array {
  const order = Uint32Array.from({ length: n }, (_, i) => i);
  const words = new Uint32Array(4);
  for (let i = n - 1; i > 0; i--) {
    philox(words, i, 0, 0, PERMUTATION, seed, epoch);
    const other = uniformBelow(words, i + 1);
    const held = order[i] ?? 0;
    order[i] = order[other] ?? 0;
    order[other] = held;
  }
  return order;
}
