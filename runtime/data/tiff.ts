/**
 * Where a TIFF file keeps its pixels: in blocks (tiles, or strips as wide as the image), each of them
 * compressed by itself, so that a rectangle is read without the rest. TIFF 6.0 (Adobe 1992), supplements for
 * deflate and floats; BigTIFF as libtiff has it. What is not plain gray, RGB or a stack of channels is left to
 * the decoder of whole images.
 *
 * Why not the package `geotiff` (3.0.5), to which `geotiff.test.ts` compares us: it gives wrong pixels without
 * a word where we have to give an error or the right ones. A read behind the end of a file gives zeros;
 * differences in big-endian files are added in the wrong byte order; damaged LZW passes with a line on the
 * console; a block may inflate to any size. It also takes 4 to 10 times as long for LZW.
 */
import { readFully } from '../files/read-fully.ts';
import type { RawTag } from '../files/tiff-writer.ts';
import { bytesOfElement, type Element } from './element.ts';
import { withFile } from './file-state.ts';

export type TiffIndex = {
  readonly width: number;
  readonly height: number;
  readonly channels: number;
  readonly element: Element;
  readonly littleEndian: boolean;
  readonly blockWidth: number;
  readonly blockHeight: number;
  /** Channels of a pixel in a block: all of them, or 1 where each channel has blocks of its own. */
  readonly interleaved: number;
  readonly compression: Compression;
  readonly predictor: Predictor;
  /** Blocks row-major, channel after channel where they are apart; of 0 bytes: all zeros. */
  readonly offsets: readonly number[];
  readonly lengths: readonly number[];
};

export type Compression = 'none' | 'lzw' | 'deflate';

/** What a sample is stored as: itself, its difference to the pixel before, or that of the bytes of floats. */
export type Predictor = 'none' | 'differences' | 'float-differences';

const compressions: Readonly<Record<number, Compression>> = {
  1: 'none',
  5: 'lzw',
  8: 'deflate',
  32946: 'deflate',
};
const predictors: Readonly<Record<number, Predictor>> = {
  1: 'none',
  2: 'differences',
  3: 'float-differences',
};
/** By sample format (1: whole numbers, 3: floats) and bits. */
const elements: Readonly<Record<string, Element>> = { '1 8': 'u8', '1 16': 'u16', '3 32': 'f32' };

const tagNames = {
  256: 'width',
  257: 'height',
  258: 'bits',
  259: 'compression',
  262: 'photometric',
  273: 'stripOffsets',
  274: 'orientation',
  277: 'channels',
  278: 'rowsPerStrip',
  279: 'stripLengths',
  284: 'planar',
  317: 'predictor',
  322: 'tileWidth',
  323: 'tileHeight',
  324: 'tileOffsets',
  325: 'tileLengths',
  339: 'format',
} as const;

type TagName = (typeof tagNames)[keyof typeof tagNames];
type Tags = Readonly<Partial<Record<TagName, readonly number[]>>>;

/** Bytes of the largest block that is read as one. */
const MOST_BLOCK = 2 ** 24;

/**
 * The index of the first image of a file. Undefined for what is no such TIFF, or one that `readBlock` does not
 * decode. Throws an error with the reason where the file is one but ends too early.
 */
export function readTiffIndex(path: string, state?: string): TiffIndex | undefined {
  return withTiff(path, state, (file, size) => {
    const index = indexOf(readTags(file), file.littleEndian);
    if (index !== undefined) checkPlaces(index, size);
    return index;
  });
}

/** The entries of the given tags, their values little-endian. None where the file is no TIFF. */
export const readRawTags = (path: string, tags: readonly number[]): RawTag[] =>
  withTiff(path, undefined, (file) => entriesOf(file).flatMap((entry) => rawTag(file, entry, tags))) ?? [];

/** Undefined where the file is no TIFF. */
function withTiff<T>(
  path: string,
  state: string | undefined,
  use: (file: File, size: number) => T,
): T | undefined {
  return withFile(path, state, ({ descriptor, size }) => {
    const read = (position: number, length: number): Buffer => {
      if (position + length > size)
        throw new Error(`it ends after ${size} bytes, in the middle of its contents`);
      const bytes = Buffer.alloc(length);
      readFully(descriptor, bytes, position, path);
      return bytes;
    };
    const file = size < 16 ? undefined : openFile(read);
    return file === undefined ? undefined : use(file, size);
  });
}

type File = {
  readonly read: (position: number, length: number) => Buffer;
  readonly littleEndian: boolean;
  readonly big: boolean;
  /** Where the first directory lies. */
  readonly directory: number;
};

function openFile(read: File['read']): File | undefined {
  const head = read(0, 16);
  const order = head.toString('latin1', 0, 2);
  if (order !== 'II' && order !== 'MM') return undefined;
  const littleEndian = order === 'II';
  const magic = numberAt(head, 2, 2, littleEndian);
  if (magic === 42) return { read, littleEndian, big: false, directory: numberAt(head, 4, 4, littleEndian) };
  if (magic === 43) return { read, littleEndian, big: true, directory: numberAt(head, 8, 8, littleEndian) };
  return undefined;
}

function numberAt(bytes: Buffer, position: number, size: number, littleEndian: boolean): number {
  if (size === 8)
    return Number(littleEndian ? bytes.readBigUInt64LE(position) : bytes.readBigUInt64BE(position));
  return littleEndian ? bytes.readUIntLE(position, size) : bytes.readUIntBE(position, size);
}

/** Bytes of the types of whole numbers: BYTE, SHORT, LONG, LONG8. */
const bytesOfType: Readonly<Record<number, number>> = { 1: 1, 3: 2, 4: 4, 16: 8 };

function entriesOf({ read, littleEndian, big, directory }: File): Buffer[] {
  const [countBytes, entryBytes] = big ? [8, 20] : [2, 12];
  const count = numberAt(read(directory, countBytes), 0, countBytes, littleEndian);
  const entries = read(directory + countBytes, count * entryBytes);
  return Array.from({ length: count }, (_, i) => entries.subarray(i * entryBytes, (i + 1) * entryBytes));
}

function readTags(file: File): Tags {
  const tags: Partial<Record<TagName, readonly number[]>> = {};
  for (const entry of entriesOf(file)) {
    const name = names.get(numberAt(entry, 0, 2, file.littleEndian));
    if (name !== undefined) tags[name] = valuesOf(file, entry);
  }
  return tags;
}

const names = new Map<number, TagName>(Object.entries(tagNames).map(([tag, name]) => [Number(tag), name]));

/** The numbers of an entry; none where they are no whole numbers. */
function valuesOf(file: File, entry: Buffer): number[] {
  const { littleEndian } = file;
  const size = bytesOfType[numberAt(entry, 2, 2, littleEndian)] ?? 0;
  if (size === 0) return [];
  const bytes = bytesIn(file, entry, size);
  return Array.from({ length: bytes.length / size }, (_, i) => numberAt(bytes, i * size, size, littleEndian));
}

/** The values of an entry: in it, if they fit, else where it points to. */
function bytesIn({ read, littleEndian, big }: File, entry: Buffer, size: number): Buffer {
  const wide = big ? 8 : 4;
  const count = numberAt(entry, 4, wide, littleEndian);
  const inside = entry.subarray(4 + wide);
  return size * count <= wide
    ? inside.subarray(0, size * count)
    : read(numberAt(inside, 0, wide, littleEndian), size * count);
}

/** Of text, 16-bit numbers and doubles: what a GeoTIFF has. */
const bytesOfRaw: Readonly<Record<number, number>> = { 2: 1, 3: 2, 12: 8 };

function rawTag(file: File, entry: Buffer, wanted: readonly number[]): RawTag[] {
  const tag = numberAt(entry, 0, 2, file.littleEndian);
  const type = numberAt(entry, 2, 2, file.littleEndian);
  const size = bytesOfRaw[type];
  if (!wanted.includes(tag) || size === undefined) return [];
  const bytes = Buffer.from(bytesIn(file, entry, size));
  if (!file.littleEndian && size === 2) bytes.swap16();
  if (!file.littleEndian && size === 8) bytes.swap64();
  return [{ tag, type, count: bytes.length / size, bytes: new Uint8Array(bytes) }];
}

const MOST_CHANNELS = 1024;

function indexOf(tags: Tags, littleEndian: boolean): TiffIndex | undefined {
  const one = (name: TagName, otherwise: number): number => tags[name]?.[0] ?? otherwise;
  const [width, height, channels] = [one('width', 0), one('height', 0), one('channels', 1)];
  const compression = compressions[one('compression', 1)];
  const predictor = predictors[one('predictor', 1)];
  const element = elementIn(tags, channels);
  const plain = [1, 2].includes(one('photometric', 1)) && one('orientation', 1) === 1;
  if (!plain || compression === undefined || predictor === undefined || element === undefined)
    return undefined;
  if (width < 1 || height < 1 || channels < 1 || channels > MOST_CHANNELS) return undefined;
  const tiled = tags.tileOffsets !== undefined;
  const blockWidth = tiled ? one('tileWidth', 0) : width;
  const blockHeight = tiled ? one('tileHeight', 0) : Math.min(height, one('rowsPerStrip', height));
  const offsets = (tiled ? tags.tileOffsets : tags.stripOffsets) ?? [];
  const lengths = (tiled ? tags.tileLengths : tags.stripLengths) ?? [];
  const apart = one('planar', 1) === 2;
  const index: TiffIndex = {
    ...{ width, height, channels, element, littleEndian, blockWidth, blockHeight },
    ...{ interleaved: apart ? 1 : channels, compression, predictor, offsets, lengths },
  };
  if (blockWidth < 1 || blockHeight < 1 || blockBytes(index) > MOST_BLOCK) return undefined;
  return index;
}

/** What all channels consist of; undefined where they differ. */
function elementIn(tags: Tags, channels: number): Element | undefined {
  const kinds = new Set(
    Array.from({ length: Math.min(channels, MOST_CHANNELS) }, (_, i) => {
      const [bits = 1, format = 1] = [tags.bits?.[i] ?? tags.bits?.[0], tags.format?.[i] ?? tags.format?.[0]];
      return `${format} ${bits}`;
    }),
  );
  const [kind = ''] = kinds;
  return kinds.size === 1 ? elements[kind] : undefined;
}

/** Bytes of a block when it is decoded. */
export const blockBytes = ({ blockWidth, blockHeight, interleaved, element }: TiffIndex): number =>
  blockWidth * blockHeight * interleaved * bytesOfElement[element];

/** Blocks side by side, and one below the other. */
export const blocksAcross = ({ width, blockWidth }: TiffIndex): number => Math.ceil(width / blockWidth);
export const blocksDown = ({ height, blockHeight }: TiffIndex): number => Math.ceil(height / blockHeight);

function checkPlaces(index: TiffIndex, size: number): void {
  const planes = index.channels / index.interleaved;
  const count = blocksAcross(index) * blocksDown(index) * planes;
  const { offsets, lengths } = index;
  if (offsets.length < count || lengths.length < count)
    throw new Error(`it has ${Math.min(offsets.length, lengths.length)} of ${count} blocks of pixels`);
  const outside = offsets.findIndex((offset, i) => offset + (lengths[i] ?? 0) > size);
  if (outside >= 0)
    throw new Error(`block ${outside} of its pixels lies behind its end, after ${size} bytes`);
}
