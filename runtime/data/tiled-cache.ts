/**
 * Decoded forms of images that have no random access: tiled TIFF files without compression, made once, in memory
 * that does not grow with the image. What is found in the cache is either right or made again:
 *
 * - the name holds the state of the source (size and times), so a source that was changed has another one;
 * - a file gets its name when it is complete and on the disk, so a torn one has none. Several processes may
 *   make the same file at once, each under a name of its own;
 * - it bears the time of its source instead of its own, so one that anybody wrote to since is known by its time.
 */
import { createHash, randomUUID } from 'node:crypto';
import {
  type BigIntStats,
  closeSync,
  fsyncSync,
  futimesSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { statfs } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { diagnose, failure, fault, type Result, success } from '../../ir/diagnostics/diagnostic.ts';
import { reasonOf } from '../files/reason.ts';
import { bytesOfElement } from './element.ts';
import { stateOf } from './file-state.ts';
import type { Layout, Picture } from './picture.ts';
import type { Raster } from './raster.ts';
import { readTiffIndex } from './tiff.ts';

/** Where the decoded form of a source is, or will be. */
export type Place = {
  readonly source: string;
  readonly path: string;
  /** Seconds: the time that the file bears. */
  readonly time: number;
};

/** The place in the folder `cache` for a source in its present state. Errors: `image-unreadable`. */
export function placeIn(cache: string, source: string): Result<Place> {
  try {
    const stats = statSync(source, { bigint: true });
    const state = stats.isDirectory() ? stateOfTree(source) : stateText(stats);
    return success({
      source,
      path: join(cache, `${namePart(source)}${digest(state)}.tif`),
      time: timeOf(stats),
    });
  } catch (error) {
    return failure(diagnose(fault('image-unreadable', { file: source, reason: reasonOf(error) })));
  }
}

/** The last time is the system's own: it shows changes even where tools set the others back. */
const stateText = ({ size, mtimeNs, ctimeNs }: BigIntStats): string => `${size} ${mtimeNs} ${ctimeNs}`;

/** Of a Zarr array: any of its chunks may have been written to. */
const stateOfTree = (folder: string): string =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .sort()
    .map((name) => `${name} ${stateText(statSync(join(folder, name), { bigint: true }))}`)
    .join('\n');

const digest = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 16);

const namePart = (source: string): string => `${basename(source)}-${digest(resolve(source))}-`;

/** In steps of two seconds, which every file system can store. */
const timeOf = ({ mtimeNs }: BigIntStats): number => Number(mtimeNs / 2_000_000_000n) * 2;

/** The decoded form, if it is there and as it was made. */
export function findDecoded({ source, path, time }: Place): Raster | undefined {
  try {
    if (statSync(path).mtimeMs !== time * 1000) return undefined;
    const state = stateOf(path);
    const index = readTiffIndex(path, state);
    if (index === undefined) return undefined;
    const { width, height, channels, element } = index;
    return { source, path, state, form: 'tiff', offset: 0, width, height, channels, element };
  } catch {
    // Not there, or torn: made again.
    return undefined;
  }
}

/** Sides of a tile: small images get smaller ones, multiples of 16 as the format wants them. */
const sideOf = (extent: number): number => Math.min(256, 16 * Math.ceil(extent / 16));

/** Bytes of the decoded form, to within the list of its tiles. */
export function decodedBytes({ width, height, channels, element }: Layout): number {
  const [tileWidth, tileHeight] = [sideOf(width), sideOf(height)];
  const tiles = Math.ceil(width / tileWidth) * Math.ceil(height / tileHeight);
  return tiles * (tileWidth * tileHeight * channels * bytesOfElement[element] + 16) + 1024;
}

/** Decodes a picture. Errors: `image-unreadable`, `write-failed`. */
export async function makeDecoded(place: Place, { layout, pixels }: Picture): Promise<Result<Raster>> {
  const { source, path, time } = place;
  removeUnused(source, path);
  const room = await roomFor(decodedBytes(layout), path);
  if (!room.ok) return room;
  // The suffix tells libvips the format.
  const temporary = `${path}.${randomUUID()}${TEMPORARY}`;
  try {
    const tile = { tile: true, tileWidth: sideOf(layout.width), tileHeight: sideOf(layout.height) };
    await pixels()
      .tiff({ ...tile, compression: 'none', predictor: 'none', bigtiff: true })
      .toFile(temporary);
    if (!isCurrent(place)) throw new Error('it was changed while it was decoded');
    complete(temporary, time);
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    return failure(diagnose(faultOf(error, temporary, place)));
  }
  const raster = findDecoded(place);
  if (raster !== undefined) return success(raster);
  const reason = 'its decoded form was removed at once';
  return failure(diagnose(fault('image-unreadable', { file: source, reason })));
}

function isCurrent({ source, path }: Place): boolean {
  const now = placeIn(dirname(path), source);
  return now.ok && now.value.path === path;
}

const TEMPORARY = '.tmp.tif';

async function roomFor(bytes: number, path: string): Promise<Result<undefined>> {
  const { bavail, bsize } = await statfs(dirname(path));
  if (bavail * bsize > bytes) return success(undefined);
  const reason = `it takes ${bytes} bytes, and ${bavail * bsize} are free`;
  return failure(diagnose(fault('write-failed', { file: path, reason })));
}

/** Reading and writing fail in one call: libvips names the file that it could not write, the system its call. */
function faultOf(error: unknown, temporary: string, { source, path }: Place) {
  const reason = reasonOf(error).replaceAll(`${temporary}: `, '');
  const writing = error instanceof Error && (error.message.includes(temporary) || 'syscall' in error);
  return writing
    ? fault('write-failed', { file: path, reason })
    : fault('image-unreadable', { file: source, reason });
}

/** Has the disk store the file, with the time that marks it as complete. */
function complete(path: string, time: number): void {
  const descriptor = openSync(path, 'r+');
  try {
    futimesSync(descriptor, time, time);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** Milliseconds after which a file that does not grow belongs to a process that was ended. */
const ABANDONED = 600_000;

/** Decoded forms of earlier states of the source, and what ended processes left of it. */
function removeUnused(source: string, path: string): void {
  const [directory, current, prefix] = [dirname(path), basename(path, '.tif'), namePart(source)];
  for (const name of readdirSync(directory).filter((one) => one.startsWith(prefix))) {
    const file = join(directory, name);
    const age = Date.now() - (statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? Date.now());
    const outdated = name.endsWith(TEMPORARY) ? age > ABANDONED : !name.startsWith(current);
    if (outdated) rmSync(file, { force: true });
  }
}
