/**
 * Arrays of Zarr, versions 2 and 3, through `zarrita`: `[rows, columns]` or `[rows, columns, channels]`, where the
 * names of the dimensions may put the channels elsewhere. Each chunk is a file (or a part of one: shards), so
 * any rectangle is read without the rest.
 */
import { existsSync, fstatSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { AbsolutePath, AsyncReadable, DataType, Array as ZarrArray } from 'zarrita';
import { diagnose, failure, fault, type Result, success } from '../../ir/diagnostics/diagnostic.ts';
import { product } from '../../ir/type.ts';
import { readFully } from '../files/read-fully.ts';
import { reasonOf } from '../files/reason.ts';
import type { BlockPlace, Blocks } from './blocks.ts';
import { bytesOfElement, type Element } from './element.ts';
import { stateOf, withFile } from './file-state.ts';
import type { Raster } from './raster.ts';
import { loadZarr } from './zarr-library.ts';

/** What describes an array: that of version 3, or of version 2. */
const descriptions = ['zarr.json', '.zarray', '.zgroup'];

const descriptionIn = (folder: string): string | undefined =>
  descriptions.map((name) => join(folder, name)).find((path) => existsSync(path));

/** Whether a path is a folder that Zarr has made. */
export const isZarr = (path: string): boolean =>
  statSync(path, { throwIfNoEntry: false })?.isDirectory() === true && descriptionIn(path) !== undefined;

const elements: Readonly<Record<string, Element>> = {
  ...{ bool: 'u8', uint8: 'u8', uint16: 'u16', float32: 'f32' },
};

/** Bytes of the largest chunk that is read. */
const MOST_CHUNK = 2 ** 28;

/**
 * An array as an image. Its state is that of its description, and the time: a chunk that is written to after it
 * is not read. Errors: `image-unreadable`, `image-format-unknown`.
 */
export async function openZarr(source: string): Promise<Result<Raster>> {
  try {
    const state = `${stateOf(descriptionIn(source) ?? source)} ${performance.timeOrigin + performance.now()}`;
    const array = await openArray(source, state);
    const element = elements[array.dtype];
    if (element === undefined)
      return failure(diagnose(fault('image-format-unknown', { file: source, depth: array.dtype })));
    const axes = axesOf(array);
    const { height, width, channels } = sizesOf(array.shape, axes);
    if (product(array.chunks) * bytesOfElement[element] > MOST_CHUNK)
      throw new Error(`its chunks of ${array.chunks.join(' x ')} are too large to be read one by one`);
    const place = { source, path: source, state, form: 'zarr', offset: 0 } as const;
    return success({ ...place, height, width, channels, element });
  } catch (error) {
    return failure(diagnose(fault('image-unreadable', { file: source, reason: reasonOf(error) })));
  }
}

/** The chunks of an array that is in the given state. Throws an error with the reason where it is not. */
export async function zarrBlocks(path: string, state: string): Promise<Blocks> {
  if (!state.startsWith(`${stateOf(descriptionIn(path) ?? path)} `))
    throw new Error(`${path} was changed while in use`);
  const array = await openArray(path, state);
  const axes = axesOf(array);
  const { height, width, channels } = sizesOf(array.chunks, axes);
  const blocks = {
    ...{ blockHeight: height, blockWidth: width, blockChannels: channels },
    channels: sizesOf(array.shape, axes).channels,
    element: elements[array.dtype] ?? 'u8',
  };
  return { ...blocks, read: (place) => readChunk(path, array, axes, place) };
}

type Opened = ZarrArray<DataType, AsyncReadable>;

async function openArray(path: string, state: string): Promise<Opened> {
  const { open } = await loadZarr();
  const opened = await open(storeIn(path, Number(state.split(' ').at(-1))));
  if (opened.kind === 'array') return opened;
  throw new Error('it is a group of arrays; name the one that holds the image, such as `scene.zarr/0`');
}

/** Which axis of the array is which. */
type Axes = { readonly rows: number; readonly columns: number; readonly channels: number | undefined };

const channelNames = new Set(['c', 'channel', 'channels', 'band', 'bands']);

function axesOf({ shape, dimensionNames, attrs }: Opened): Axes {
  if (shape.length !== 2 && shape.length !== 3)
    throw new Error(`its shape is (${shape.join(', ')}), not (rows, columns) or (rows, columns, channels)`);
  if (shape.some((size) => size < 1)) throw new Error(`its shape is (${shape.join(', ')}): nothing is in it`);
  if (shape.length === 2) return { rows: 0, columns: 1, channels: undefined };
  // Version 2 has no names of its own; xarray writes them so.
  const names: unknown = dimensionNames ?? attrs._ARRAY_DIMENSIONS;
  const named = Array.isArray(names) ? names.findIndex((name) => channelNames.has(String(name))) : -1;
  const channels = named < 0 ? 2 : named;
  const [rows = 0, columns = 1] = [0, 1, 2].filter((axis) => axis !== channels);
  return { rows, columns, channels };
}

const sizesOf = (sizes: readonly number[], { rows, columns, channels }: Axes) => ({
  height: sizes[rows] ?? 1,
  width: sizes[columns] ?? 1,
  channels: channels === undefined ? 1 : (sizes[channels] ?? 1),
});

async function readChunk(path: string, array: Opened, axes: Axes, place: BlockPlace): Promise<Uint8Array> {
  const { rows, columns, channels } = axes;
  const coordinates = array.shape.map((_, axis) =>
    axis === rows ? place.y : axis === columns ? place.x : place.plane,
  );
  const what = `chunk ${coordinates.join('/')} of ${path}`;
  const { data, stride } = await array.getChunk(coordinates).catch((error: unknown) => {
    throw new Error(`${what} cannot be decoded: ${causeOf(error)}`);
  });
  const pixels = await bytesIn(data);
  const sizes = sizesOf(array.chunks, axes);
  const sample = bytesOfElement[elements[array.dtype] ?? 'u8'];
  const expected = product(array.chunks) * sample;
  if (pixels.length !== expected) throw new Error(`${what} has ${pixels.length} of ${expected} bytes`);
  const steps = [rows, columns, channels].map((axis) => (axis === undefined ? 1 : (stride[axis] ?? 1)));
  return inOrder(pixels, sizes, steps, sample);
}

/** What the codec says is inside; outside it is only "failed to decode". */
const causeOf = (error: unknown): string =>
  reasonOf(error instanceof Error && error.cause !== undefined ? error.cause : error);

async function bytesIn(data: unknown): Promise<Uint8Array> {
  const { BoolArray } = await loadZarr();
  if (ArrayBuffer.isView(data) || data instanceof BoolArray)
    return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  throw new TypeError('the numbers of a chunk are not in memory as bytes');
}

/** `[height, width, channels]` from numbers that lie `steps` apart an axis. */
function inOrder(
  pixels: Uint8Array,
  { height, width, channels }: ReturnType<typeof sizesOf>,
  [byRow = 1, byColumn = 1, byChannel = 1]: readonly number[],
  sample: number,
): Uint8Array {
  if (byRow === width * channels && byColumn === channels && byChannel === 1) return pixels;
  const out = new Uint8Array(pixels.length);
  for (let y = 0, to = 0; y < height; y++)
    for (let x = 0; x < width; x++)
      for (let channel = 0; channel < channels; channel++, to += sample) {
        const from = (y * byRow + x * byColumn + channel * byChannel) * sample;
        for (let byte = 0; byte < sample; byte++) out[to + byte] = pixels[from + byte] ?? 0;
      }
  return out;
}

/**
 * The files of an array, as they were at a time in milliseconds. Unlike the library's own, a part of a file that is not there as a whole is an error:
 * zeros would be taken for pixels.
 */
function storeIn(folder: string, time: number): AsyncReadable {
  const read = (key: AbsolutePath, part: (size: number) => { from: number; length: number }) => {
    const path = join(folder, key);
    if (!existsSync(path)) return undefined;
    return withFile(path, undefined, ({ descriptor, size }) => {
      if (fstatSync(descriptor).mtimeMs > time) throw new Error(`${path} was changed while in use`);
      const { from, length } = part(size);
      if (from < 0 || length > MOST_STORED || from + length > size)
        throw new Error(`${path} ends after ${size} bytes, in the middle of its contents`);
      const bytes = new Uint8Array(length);
      readFully(descriptor, bytes, from, path);
      return bytes;
    });
  };
  return {
    get: async (key) => read(key, (size) => ({ from: 0, length: size })),
    getRange: async (key, range) =>
      read(key, (size) =>
        'suffixLength' in range
          ? { from: size - range.suffixLength, length: range.suffixLength }
          : { from: range.offset, length: range.length },
      ),
  };
}

/** Bytes of the largest compressed chunk, or description. */
const MOST_STORED = 2 * MOST_CHUNK;
