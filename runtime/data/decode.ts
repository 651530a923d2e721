/**
 * NPY and tiled TIFF are read where they are. PNG, JPEG and other TIFF have no random access, so each image is decoded once into a file of plain rows
 * (the `.v` format of libvips: 64 bytes of header, then the pixels), in memory that does not grow with the
 * image. Several processes may do so at once: each writes under a name of its own and renames.
 */
import { createHash, randomUUID } from 'node:crypto';
import { closeSync, fsyncSync, openSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import type { Metadata, Sharp, SharpOptions } from 'sharp';
import { diagnose, failure, fault, type Result, success } from '../../ir/diagnostics/diagnostic.ts';
import { showBytes } from '../../ir/units.ts';
import { readFully } from '../files/read-fully.ts';
import { reasonOf } from '../files/reason.ts';
import type { Element } from './element.ts';
import { openNpy } from './npy.ts';
import { type Raster, rasterBytes } from './raster.ts';
import { readTiffIndex } from './tiff.ts';
import { forgetTiff } from './tiff-blocks.ts';

/** Pixels of the largest image that is decoded unless told otherwise: 65536 x 65536. */
export const MOST_PIXELS = 2 ** 32;

/** Bytes of the largest image that is decoded if that takes all of it in memory. */
const MOST_INTERLACED = 2 ** 30;

const HEADER_BYTES = 64;
/** First word of a `.v` file, little-endian as all machines that Node.js runs on. */
const MAGIC = 0x08f2a6b6;

/** An image that is about to be decoded, and the file and bytes that takes. */
export type Decoding = { readonly source: string; readonly path: string; readonly bytes: number };

export type DecodeOptions = {
  /** Directory of the decoded files; it exists. */
  readonly cache: string;
  readonly mostPixels?: number;
  readonly onDecode?: (decoding: Decoding) => void;
};

/**
 * The image as it is, if any part of it can be read, else the decoded one, made now or found. Errors: `image-unreadable`, `image-too-large`, `image-turned`,
 * `image-format-unknown`, `image-interlaced`, `write-failed`.
 */
export async function decode(source: string, options: DecodeOptions): Promise<Result<Raster>> {
  const place = placeOf(source, options.cache);
  if (!place.ok) return place;
  const direct = openDirectly(source, options.mostPixels ?? MOST_PIXELS);
  if (direct !== undefined) return direct;
  const found = readHeader(source, place.value);
  if (found !== undefined) return success(found);
  const open = await openImage(source);
  const layout = await layoutOf(source, open, options.mostPixels ?? MOST_PIXELS);
  if (!layout.ok) return layout;
  const bytes = rasterBytes(layout.value) + HEADER_BYTES;
  const room = await roomFor(bytes, place.value);
  if (!room.ok) return room;
  options.onDecode?.({ source, path: place.value, bytes });
  return write(source, place.value, plain(open(), layout.value));
}

/** NPY, and TIFF in tiles or without compression; floats only so. Undefined for all else. */
function openDirectly(source: string, limit: number): Result<Raster> | undefined {
  const opened = /\.npy$/i.test(source) ? openNpy(source) : openTiff(source);
  if (opened?.ok !== true) return opened;
  const { width, height } = opened.value;
  return width * height > limit
    ? failure(diagnose(fault('image-too-large', { file: source, width, height, limit })))
    : opened;
}

function openTiff(source: string): Result<Raster> | undefined {
  forgetTiff(source);
  try {
    const index = readTiffIndex(source);
    if (index === undefined) return undefined;
    const { width, height, channels, element, blockWidth, compression } = index;
    if (blockWidth === width && compression !== 'none' && element !== 'f32') return undefined;
    return success({ source, path: source, form: 'tiff', offset: 0, width, height, channels, element });
  } catch (error) {
    return unreadable(source, reasonOf(error));
  }
}

const unreadable = (file: string, reason: string): Result<never> =>
  failure(diagnose(fault('image-unreadable', { file, reason })));

/** A name in the cache that changes when the source is another file or was changed. Errors: `image-unreadable`. */
export function placeOf(source: string, cache: string): Result<string> {
  try {
    const { size, mtimeNs } = statSync(source, { bigint: true });
    const state = createHash('sha256').update(`${size} ${mtimeNs}`).digest('hex').slice(0, 16);
    return success(join(cache, `${namePart(source)}${state}.v`));
  } catch (error) {
    return unreadable(source, reasonOf(error));
  }
}

const namePart = (source: string): string =>
  `${basename(source)}-${createHash('sha256').update(resolve(source)).digest('hex').slice(0, 12)}-`;

/** The raster in a decoded file, unless the file is missing or incomplete. */
function readHeader(source: string, path: string): Raster | undefined {
  const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  if (size < HEADER_BYTES) return undefined;
  const descriptor = openSync(path, 'r');
  const bytes = Buffer.alloc(HEADER_BYTES);
  try {
    readFully(descriptor, bytes, 0, path);
  } finally {
    closeSync(descriptor);
  }
  const [width, height, channels] = [bytes.readInt32LE(4), bytes.readInt32LE(8), bytes.readInt32LE(12)];
  const element = elementOfFormat[bytes.readInt32LE(20)];
  if (bytes.readInt32LE(0) !== MAGIC || element === undefined) return undefined;
  const raster: Raster = {
    ...{ source, path, form: 'rows', offset: HEADER_BYTES },
    ...{ width, height, channels, element },
  };
  return size >= HEADER_BYTES + rasterBytes(raster) ? raster : undefined;
}

/** The format's numbers for unsigned 8 and 16 bits. */
const elementOfFormat: Readonly<Record<number, Element>> = { 0: 'u8', 2: 'u16' };

/** Opens the image as stored: no colour profile is applied, no pixel limit but ours, truncation is an error. */
async function openImage(source: string): Promise<() => Sharp> {
  // Loaded only here: a device process that finds everything decoded does without its memory.
  const { default: sharp } = await import('sharp');
  // libvips remembers files by name, and a file may be changed and read again.
  sharp.cache(false);
  const options: SharpOptions = {
    limitInputPixels: false,
    sequentialRead: true,
    failOn: 'truncated',
    ignoreIcc: true,
  };
  return () => sharp(source, options);
}

type Layout = Pick<Raster, 'width' | 'height' | 'channels' | 'element' | 'offset'> & {
  readonly gray: boolean;
};

const elementOfDepth: Readonly<Record<string, Element>> = { uchar: 'u8', ushort: 'u16' };

async function layoutOf(source: string, open: () => Sharp, limit: number): Promise<Result<Layout>> {
  let metadata: Metadata;
  try {
    metadata = await open().metadata();
  } catch (error) {
    return unreadable(source, reasonOf(error));
  }
  const { width, height, space, channels, depth, orientation = 1, isProgressive } = metadata;
  if (width * height > limit)
    return failure(diagnose(fault('image-too-large', { file: source, width, height, limit })));
  if (orientation > 1) return failure(diagnose(fault('image-turned', { file: source, orientation })));
  const element = elementOfDepth[depth];
  if (element === undefined) return failure(diagnose(fault('image-format-unknown', { file: source, depth })));
  const layout: Layout = { width, height, channels, element, offset: 0, gray: graySpaces.has(space) };
  const bytes = rasterBytes(layout);
  const size = showBytes(bytes);
  if (isProgressive === true && bytes > MOST_INTERLACED)
    return failure(diagnose(fault('image-interlaced', { file: source, width, height, size })));
  return success(layout);
}

const graySpaces: ReadonlySet<string> = new Set(['b-w', 'grey16']);

/** Without this, gray becomes three equal channels and 16 bits become 8. */
function plain(image: Sharp, { gray, element }: Layout): Sharp {
  if (gray) return image.toColourspace(element === 'u8' ? 'b-w' : 'grey16');
  return element === 'u8' ? image : image.toColourspace('rgb16');
}

async function roomFor(bytes: number, path: string): Promise<Result<undefined>> {
  const { bavail, bsize } = await statfs(dirname(path));
  if (bavail * bsize > bytes) return success(undefined);
  return writeFailed(path, `it takes ${bytes} bytes, and ${bavail * bsize} are free`);
}

async function write(source: string, path: string, image: Sharp): Promise<Result<Raster>> {
  // The suffix tells libvips the format.
  const temporary = `${path}.${randomUUID()}.tmp.v`;
  removeAbandoned(source, dirname(path));
  try {
    await image.toFile(temporary);
    syncFile(temporary);
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    const reason = reasonOf(error);
    return noRoom.test(reason) ? writeFailed(path, reason) : unreadable(source, reason);
  }
  removeOutdated(source, path);
  const raster = readHeader(source, path);
  return raster === undefined ? unreadable(source, 'its decoded form is incomplete') : success(raster);
}

/** How the system, in libvips' words or Node's, says that the disk does not take more. */
const noRoom = /No space left|ENOSPC|File too large|EFBIG|[Qq]uota|EDQUOT|EIO/;

const writeFailed = (file: string, reason: string): Result<never> =>
  failure(diagnose(fault('write-failed', { file, reason })));

/** Milliseconds after which a half-decoded file that does not grow belongs to nobody. */
const ABANDONED = 600_000;

/** What processes that were killed left of this source. */
function removeAbandoned(source: string, directory: string): void {
  for (const name of readdirSync(directory)) {
    if (!name.startsWith(namePart(source)) || !name.endsWith('.tmp.v')) continue;
    const file = join(directory, name);
    const changed = statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? Number.POSITIVE_INFINITY;
    if (Date.now() - changed > ABANDONED) rmSync(file, { force: true });
  }
}

function syncFile(path: string): void {
  const descriptor = openSync(path, 'r+');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** Decoded forms of earlier states of the source. Whoever still has one open keeps it until it closes. */
function removeOutdated(source: string, path: string): void {
  const [directory, current, prefix] = [dirname(path), basename(path), namePart(source)];
  for (const name of readdirSync(directory))
    if (name.startsWith(prefix) && !name.startsWith(current) && !name.endsWith('.tmp.v'))
      rmSync(join(directory, name), { force: true });
}
