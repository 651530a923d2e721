/** Pixels of a TIFF file, block by block. */
import { inflateSync } from 'node:zlib';
import { readFully } from '../files/read-fully.ts';
import { reasonOf } from '../files/reason.ts';
import type { BlockPlace, Blocks } from './blocks.ts';
import { bytesOfElement } from './element.ts';
import { type OpenFile, withFile } from './file-state.ts';
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

/** The blocks of a file that is in the given state. Throws an error with the reason where it is not. */
export async function tiffBlocks(path: string, state: string): Promise<Blocks> {
  const index = readTiffIndex(path, state);
  if (index === undefined) throw new Error(`${path} is no TIFF that can be read by blocks`);
  const { channels, element, blockHeight, blockWidth, interleaved } = index;
  return {
    ...{ channels, element, blockHeight, blockWidth, blockChannels: interleaved },
    read: async (place, spare) => {
      const number = numberOf(index, place);
      const out = spare(blockBytes(index));
      withFile(path, state, (file) => decodeBlock(file, path, index, number, out));
      return out;
    },
  };
}

function numberOf(index: TiffIndex, { x, y, plane }: BlockPlace): number {
  const across = blocksAcross(index);
  return (plane * blocksDown(index) + y) * across + x;
}

/** Fills `out`, which holds zeros. */
function decodeBlock(
  { descriptor }: OpenFile,
  path: string,
  index: TiffIndex,
  number: number,
  out: Uint8Array<ArrayBuffer>,
): void {
  const [offset = 0, length = 0] = [index.offsets[number], index.lengths[number]];
  if (length === 0) return;
  if (length > 2 * out.length + SPARE)
    throw new Error(`block ${number} of ${path} has ${length} bytes, for ${out.length} of pixels`);
  const stored = new Uint8Array(length);
  readFully(descriptor, stored, offset, path);
  const wanted = out.subarray(0, rowsIn(index, number) * rowBytes(index));
  try {
    decoders[index.compression](stored, wanted);
  } catch (error) {
    throw new Error(`block ${number} of ${path} cannot be decoded: ${reasonOf(error)}`);
  }
  if (!index.littleEndian && index.predictor !== 'float-differences')
    swapBytes(out, bytesOfElement[index.element]);
  undo[index.predictor](out, index);
}

/** Bytes that a compressed block may be longer than twice its pixels, or its pixels longer than they have to be. */
const SPARE = 2 ** 20;

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
  deflate: (stored, into) => fill(into, inflateSync(stored, { maxOutputLength: into.length + SPARE })),
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
