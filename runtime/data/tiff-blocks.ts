/** Pixels of a TIFF file, block by block; the last blocks that were decoded are kept. */
import { closeSync, openSync } from 'node:fs';
import { inflateSync } from 'node:zlib';
import type { Range } from '../../ir/box.ts';
import { readFully } from '../files/read-fully.ts';
import { bytesOfElement } from './element.ts';
import { decodeLzw } from './lzw.ts';
import {
  blockBytes,
  blocksAcross,
  blocksDown,
  type Compression,
  type Predictor,
  readTiffIndex,
  type TiffIndex,
} from './tiff.ts';

/** Bytes of decoded blocks that a process keeps, of all files together; a single row of blocks may exceed it. */
const KEPT = 2 ** 25;

/** Indices by path: a process opens few files, and each many times. */
const indices = new Map<string, TiffIndex>();
/** Decoded blocks by path and number, the one that was used last at the end. */
const blocks = new Map<string, Uint8Array>();
let keptBytes = 0;

function indexOfFile(path: string): TiffIndex {
  const found = indices.get(path) ?? readTiffIndex(path);
  if (found === undefined) throw new Error(`${path} is no TIFF any more: it was changed while in use`);
  indices.set(path, found);
  return found;
}

/** Forgets what was read of a file: it may have changed. */
export function forgetTiff(path: string): void {
  indices.delete(path);
  for (const [key, bytes] of blocks)
    if (key.startsWith(`${path}\n`)) {
      blocks.delete(key);
      keptBytes -= bytes.length;
    }
}

/**
 * Fills `into` with `[rows, columns, channels]` of a rectangle, in the byte order of this machine. Throws an
 * error with the reason where a block is damaged.
 */
export function readTiffRectangle(path: string, rows: Range, columns: Range, into: Uint8Array): void {
  const index = indexOfFile(path);
  const { blockWidth, blockHeight, channels, interleaved } = index;
  const across = blocksAcross(index);
  const plane = across * blocksDown(index);
  const descriptor = openSync(path, 'r');
  try {
    for (let first = 0; first < channels; first += interleaved)
      for (let y = Math.floor(rows.from / blockHeight); y * blockHeight < rows.to; y++)
        for (let x = Math.floor(columns.from / blockWidth); x * blockWidth < columns.to; x++) {
          const number = (first / interleaved) * plane + y * across + x;
          const block = blockOf(descriptor, path, index, number);
          paste(index, block, { x, y, first }, { rows, columns }, into);
        }
  } finally {
    closeSync(descriptor);
  }
}

type Place = { readonly x: number; readonly y: number; readonly first: number };

/** Copies what a block and the rectangle have in common. */
function paste(
  { blockWidth, blockHeight, channels, interleaved, element }: TiffIndex,
  block: Uint8Array,
  { x, y, first }: Place,
  { rows, columns }: { readonly rows: Range; readonly columns: Range },
  into: Uint8Array,
): void {
  const sample = bytesOfElement[element];
  const width = columns.to - columns.from;
  const [left, right] = [Math.max(columns.from, x * blockWidth), Math.min(columns.to, (x + 1) * blockWidth)];
  const [top, bottom] = [Math.max(rows.from, y * blockHeight), Math.min(rows.to, (y + 1) * blockHeight)];
  const piece = interleaved * sample;
  for (let row = top; row < bottom; row++) {
    let from = ((row - y * blockHeight) * blockWidth + left - x * blockWidth) * piece;
    let to = (((row - rows.from) * width + left - columns.from) * channels + first) * sample;
    if (interleaved === channels) {
      into.set(block.subarray(from, from + (right - left) * piece), to);
      continue;
    }
    for (let column = left; column < right; column++, from += sample, to += channels * sample)
      for (let byte = 0; byte < sample; byte++) into[to + byte] = block[from + byte] ?? 0;
  }
}

function blockOf(descriptor: number, path: string, index: TiffIndex, number: number): Uint8Array {
  const key = `${path}\n${number}`;
  const found = blocks.get(key);
  if (found !== undefined) {
    blocks.delete(key);
    blocks.set(key, found);
    return found;
  }
  const decoded = decodeBlock(descriptor, path, index, number);
  blocks.set(key, decoded);
  keptBytes += decoded.length;
  for (const [oldest, bytes] of blocks) {
    if (keptBytes <= KEPT) break;
    blocks.delete(oldest);
    keptBytes -= bytes.length;
  }
  return decoded;
}

function decodeBlock(descriptor: number, path: string, index: TiffIndex, number: number): Uint8Array {
  const [offset = 0, length = 0] = [index.offsets[number], index.lengths[number]];
  const out = new Uint8Array(blockBytes(index));
  if (length === 0) return out;
  const stored = new Uint8Array(length);
  readFully(descriptor, stored, offset, path);
  const wanted = out.subarray(0, rowsIn(index, number) * rowBytes(index));
  try {
    decoders[index.compression](stored, wanted);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`block ${number} of ${path} cannot be decoded: ${reason}`);
  }
  if (!index.littleEndian && index.predictor !== 'float-differences')
    swapBytes(out, bytesOfElement[index.element]);
  undo[index.predictor](out, index);
  return out;
}

const rowBytes = (index: TiffIndex): number => blockBytes(index) / index.blockHeight;

/** Rows of a block that lie in the image: the last strip has no more, and the rest of a tile is not needed. */
function rowsIn(index: TiffIndex, number: number): number {
  const { blockHeight, height } = index;
  const row = Math.floor(number / blocksAcross(index)) % blocksDown(index);
  return Math.min(blockHeight, height - row * blockHeight);
}

const decoders: { readonly [K in Compression]: (stored: Uint8Array, into: Uint8Array) => void } = {
  none: (stored, into) => fill(into, stored),
  lzw: decodeLzw,
  deflate: (stored, into) => fill(into, inflateSync(stored, { maxOutputLength: into.length + 2 ** 24 })),
};

function fill(into: Uint8Array, bytes: Uint8Array): void {
  if (bytes.length < into.length) throw new Error(`it has ${bytes.length} of ${into.length} bytes`);
  into.set(bytes.subarray(0, into.length));
}

function swapBytes(bytes: Uint8Array, size: number): void {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (size === 2) view.swap16();
  if (size === 4) view.swap32();
}

const undo: { readonly [K in Predictor]: (bytes: Uint8Array, index: TiffIndex) => void } = {
  none: () => undefined,
  differences(bytes, { element, blockWidth, interleaved }) {
    const samples =
      element === 'u8'
        ? bytes
        : element === 'u16'
          ? new Uint16Array(bytes.buffer)
          : new Uint32Array(bytes.buffer);
    addUp(samples, blockWidth * interleaved, interleaved);
  },
  /** TIFF Technical Note 3: in a row first the highest bytes of all samples, then the next ones. */
  'float-differences'(bytes, index) {
    const row = rowBytes(index);
    addUp(bytes, row, index.interleaved);
    const count = row / 4;
    const copy = new Uint8Array(row);
    for (let start = 0; start < bytes.length; start += row) {
      copy.set(bytes.subarray(start, start + row));
      for (let i = 0; i < count; i++)
        for (let byte = 0; byte < 4; byte++) bytes[start + i * 4 + byte] = copy[(3 - byte) * count + i] ?? 0;
    }
  },
};

/** Each sample of a row becomes the sum of those before it, `step` apart; sums wrap around. */
function addUp(samples: Uint8Array | Uint16Array | Uint32Array, row: number, step: number): void {
  for (let start = 0; start < samples.length; start += row)
    for (let i = start + step; i < start + row; i++)
      samples[i] = (samples[i] ?? 0) + (samples[i - step] ?? 0);
}
