/**
 * A TIFF file that is written row by row: 8 bits a channel, tiles compressed by deflate, and whatever tags say
 * where on Earth it lies. TIFF 6.0; BigTIFF where offsets may exceed 32 bits. Ours, because the packages that
 * write TIFF (`sharp`, `geotiff`) want all of the pixels in memory first; this one holds one row of tiles.
 */
import { writeSync } from 'node:fs';
import { deflateSync } from 'node:zlib';
import { diagnose, failure, fault, type Result, success } from '../../ir/diagnostics/diagnostic.ts';
import type { PngWriter } from './png.ts';
import { reasonOf } from './reason.ts';
import { type OpenFile, openSafely, writeFully } from './write-safely.ts';

/** An entry of the directory as it is in the file, little-endian. */
export type RawTag = {
  readonly tag: number;
  /** Of TIFF: 2 text, 3 whole numbers of 16 bits, 4 of 32, 12 floats of 64, 16 whole numbers of 64. */
  readonly type: number;
  readonly count: number;
  readonly bytes: Uint8Array;
};

export type TiffLayout = {
  readonly width: number;
  readonly height: number;
  /** 1: gray, 3: RGB; 8 bits each. */
  readonly channels: 1 | 3;
  /** Further tags, such as those of a GeoTIFF. */
  readonly tags?: readonly RawTag[];
};

/** Sides of a tile; a narrow image has narrower ones, multiples of 16 as the format wants them. */
const TILE = 256;
const tileWidthOf = ({ width }: TiffLayout): number => Math.min(TILE, 16 * Math.ceil(width / 16));

/** Files that may get larger than that, uncompressed, have offsets of 64 bits. */
const MOST_SMALL = 2 ** 31;

/** Begins a file. Errors, here and in the writer: `write-failed`. */
export function createTiff(path: string, layout: TiffLayout): Result<PngWriter> {
  try {
    return success(writerTo(path, openSafely(path), layout));
  } catch (error) {
    return writeFailed(path, error);
  }
}

const writeFailed = (file: string, error: unknown): Result<never> =>
  failure(diagnose(fault('write-failed', { file, reason: reasonOf(error) })));

function writerTo(path: string, file: OpenFile, layout: TiffLayout): PngWriter {
  const { descriptor } = file;
  const { width, height, channels } = layout;
  const stride = width * channels;
  const big = stride * height > MOST_SMALL;
  const tiles: Extent[] = [];
  const pending = new Uint8Array(TILE * stride);
  let [held, written, end] = [0, 0, big ? 16 : 8];
  const append = (bytes: Uint8Array): number => {
    const offset = end;
    writeFully(descriptor, bytes);
    // Offsets of what follows are even, as the format wants it.
    if (bytes.length % 2 === 1) writeFully(descriptor, Uint8Array.of(0));
    end += bytes.length + (bytes.length % 2);
    return offset;
  };
  const flush = (): void => {
    for (const tile of tilesOf(pending.subarray(0, held), layout)) {
      const bytes = deflateSync(tile);
      tiles.push({ offset: append(bytes), length: bytes.length });
    }
    held = 0;
  };
  const guarded = async (work: () => void): Promise<Result<undefined>> => {
    try {
      work();
      return success(undefined);
    } catch (error) {
      file.abandon();
      return writeFailed(path, error);
    }
  };
  return {
    push: (rows) => {
      if (rows.length % stride !== 0) throw new RangeError(`${rows.length} bytes for rows of ${stride}`);
      return guarded(() => {
        if (written === 0) writeFully(descriptor, new Uint8Array(end));
        written += rows.length / stride;
        for (let from = 0; from < rows.length; ) {
          const piece = rows.subarray(from, from + pending.length - held);
          pending.set(piece, held);
          held += piece.length;
          from += piece.length;
          if (held === pending.length) flush();
        }
      });
    },
    close: () => {
      if (written !== height) throw new RangeError(`${written} rows instead of ${height}`);
      return guarded(() => {
        if (held > 0) flush();
        const tags = [...ownTags(layout, tiles, big), ...(layout.tags ?? [])];
        const placed = tags.toSorted((a, b) => a.tag - b.tag).map((tag) => placeTag(tag, big, append));
        const directory = append(directoryOf(placed, big));
        writeSync(descriptor, headerOf(directory, big), 0, undefined, 0);
        file.commit();
      });
    },
    abandon: file.abandon,
  };
}

const short = (tag: number, ...values: readonly number[]): RawTag => {
  const bytes = Buffer.alloc(2 * values.length);
  values.forEach((value, i) => void bytes.writeUInt16LE(value, 2 * i));
  return { tag, type: 3, count: values.length, bytes };
};

function long(tag: number, big: boolean, values: readonly number[]): RawTag {
  const size = big ? 8 : 4;
  const bytes = Buffer.alloc(size * values.length);
  values.forEach((value, i) => void writeNumber(bytes, value, i * size, size));
  return { tag, type: big ? 16 : 4, count: values.length, bytes };
}

function writeNumber(bytes: Buffer, value: number, position: number, size: number): void {
  if (size === 8) bytes.writeBigUInt64LE(BigInt(value), position);
  else bytes.writeUIntLE(value, position, size);
}

/** Deflate, as Adobe has it in its supplement. */
const DEFLATE = 8;

/** Where the bytes of a tile are. */
type Extent = { readonly offset: number; readonly length: number };

const ownTags = (layout: TiffLayout, tiles: readonly Extent[], big: boolean): RawTag[] => [
  long(256, false, [layout.width]),
  long(257, false, [layout.height]),
  short(258, ...Array.from({ length: layout.channels }, () => 8)),
  short(259, DEFLATE),
  short(262, layout.channels === 1 ? 1 : 2),
  short(277, layout.channels),
  short(322, tileWidthOf(layout)),
  short(323, TILE),
  long(
    324,
    big,
    tiles.map(({ offset }) => offset),
  ),
  long(
    325,
    big,
    tiles.map(({ length }) => length),
  ),
];

/** A row of tiles from rows of the image; zeros where they reach beyond it. */
function* tilesOf(rows: Uint8Array, layout: TiffLayout): Generator<Uint8Array> {
  const stride = layout.width * layout.channels;
  const across = tileWidthOf(layout) * layout.channels;
  for (let left = 0; left < stride; left += across) {
    const tile = new Uint8Array(TILE * across);
    for (let row = 0; row * stride < rows.length; row++) {
      const from = row * stride + left;
      tile.set(rows.subarray(from, row * stride + Math.min(stride, left + across)), row * across);
    }
    yield tile;
  }
}

/** An entry, its values in it where they fit, else written before. */
function placeTag(
  { tag, type, count, bytes }: RawTag,
  big: boolean,
  append: (bytes: Uint8Array) => number,
): Buffer {
  const wide = big ? 8 : 4;
  const entry = Buffer.alloc(4 + 2 * wide);
  entry.writeUInt16LE(tag, 0);
  entry.writeUInt16LE(type, 2);
  writeNumber(entry, count, 4, wide);
  if (bytes.length <= wide) entry.set(bytes, 4 + wide);
  else writeNumber(entry, append(bytes), 4 + wide, wide);
  return entry;
}

function directoryOf(entries: readonly Buffer[], big: boolean): Buffer {
  const count = Buffer.alloc(big ? 8 : 2);
  writeNumber(count, entries.length, 0, count.length);
  return Buffer.concat([count, ...entries, Buffer.alloc(big ? 8 : 4)]);
}

function headerOf(directory: number, big: boolean): Buffer {
  const header = Buffer.alloc(big ? 16 : 8);
  header.write('II', 'latin1');
  header.writeUInt16LE(big ? 43 : 42, 2);
  if (big) header.writeUInt16LE(8, 4);
  writeNumber(header, directory, big ? 8 : 4, big ? 8 : 4);
  return header;
}
