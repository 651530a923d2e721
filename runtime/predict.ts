/**
 * Segments one image with a bundle that was compiled for its size: tile by tile, in memory that the tile
 * bounds, and the mask is written as it comes.
 */
import { type Box, extents, wholeBox } from '../ir/box.ts';
import { diagnose, failure, fault, type Result, success } from '../ir/diagnostics/diagnostic.ts';
import type { Bundle } from './bundle.ts';
import type { Data } from './data/data.ts';
import { noAugment } from './data/data-file.ts';
import { georeferenceOf } from './data/georeference.ts';
import type { Raster } from './data/raster.ts';
import { centredBox, plainWindow, type Window } from './data/sample-window.ts';
import { areasFeed, classMapOf, firstOutput, imageExtents } from './feed-of.ts';
import { createPng, type PngWriter } from './files/png.ts';
import { reasonOf } from './files/reason.ts';
import { createTiff } from './files/tiff-writer.ts';
import { type Devices, startDevices } from './local/devices.ts';
import { tileTotal } from './local/placement.ts';
import { advance, noProgress, type Progress } from './progress.ts';
import { bands, runTiles } from './tiles.ts';
import { statesFromWeights, type Weights } from './weights.ts';

/** What a prediction runs on, whatever becomes of its result. */
export type PredictionOptions = {
  readonly weights: Weights;
  /** Output whose classes are wanted; the first by default. */
  readonly output?: string;
  readonly stop?: AbortSignal;
  /** Seconds that a device may stand still while another waits for it. */
  readonly timeoutSeconds?: number;
  /** After each tile. */
  readonly onProgress?: (progress: Progress) => void;
  /** When the devices are ready: their process ids by rank. */
  readonly onStart?: (processes: readonly number[]) => void;
};

export type PredictOptions = PredictionOptions & {
  readonly image: Raster;
  /** The PNG or TIFF file to write; a TIFF lies where on Earth its image does, if that is a GeoTIFF. */
  readonly mask: string;
  /** What is written for each class: one byte (gray) or three (red, green, blue); its index by default. */
  readonly palette?: readonly (readonly number[])[];
};

/** An image by itself, as data. */
export const dataOfImage = (image: Raster): Data => ({
  pairs: [{ name: image.source, image }],
  splits: new Map(),
  augment: noAugment,
});

/**
 * Writes the mask of an image. Gives false where it was stopped before the end; then no file is there.
 * Errors: those of the devices (`device-*`), `image-size-differs`, `image-unreadable`, `bundle-purpose`,
 * `write-failed`.
 */
export async function predict(bundle: Bundle, options: PredictOptions): Promise<Result<boolean>> {
  const { image, mask, palette } = options;
  const { plan } = bundle;
  const refused = sizeFault(bundle, image);
  if (refused !== undefined) return refused;
  const output = options.output ?? firstOutput(plan.model);
  const [height = 0, width = 0] = classMapOf(plan.model, output).extents;
  const channels = palette?.[0]?.length === 3 ? 3 : 1;
  const file = createMaskFile(image, mask, { width, height, channels });
  if (!file.ok) return file;
  const painted = bands(width, (rows) =>
    pushPieces(rows, PIECE * width, (piece) => file.value.push(paint(piece, palette, channels))),
  );
  const window = plainWindow(0, wholeBox([image.height, image.width]));
  const done = await withPredictors(bundle, dataOfImage(image), [window], options, (devices) =>
    runTiles({
      devices,
      plan,
      window: 0,
      output,
      visit: (tile) => painted.add(tile),
      onTile: meter(options, tileTotal(plan)),
      ...(options.stop === undefined ? {} : { stop: options.stop }),
    }),
  );
  if (!done.ok || done.value < tileTotal(plan)) file.value.abandon();
  if (!done.ok) return done;
  if (done.value < tileTotal(plan)) return success(false);
  const closed = await file.value.close();
  return closed.ok ? success(true) : closed;
}

/** Rows that are painted and compressed at a time: a row of tiles may be the whole image. */
const PIECE = 64;

async function pushPieces(
  rows: Uint8Array,
  length: number,
  push: (piece: Uint8Array) => Promise<Result<undefined>>,
): Promise<Result<undefined>> {
  for (let from = 0; from < rows.length; from += length) {
    const pushed = await push(rows.subarray(from, from + length));
    if (!pushed.ok) return pushed;
  }
  return success(undefined);
}

type Layout = { readonly width: number; readonly height: number; readonly channels: 1 | 3 };

/** The mask of a network without padding is that of the middle of the image. */
function createMaskFile(image: Raster, path: string, layout: Layout): Result<PngWriter> {
  if (!/\.tiff?$/i.test(path)) return createPng(path, layout);
  const outer = [image.height, image.width];
  const [rows, columns] = centredBox(outer, [layout.height, layout.width]);
  try {
    const tags = georeferenceOf(image.source, columns?.from, rows?.from);
    return createTiff(path, { ...layout, tags });
  } catch (error) {
    const reason = `where it lies on Earth: ${reasonOf(error)}`;
    return failure(diagnose(fault('image-unreadable', { file: image.source, reason })));
  }
}

/** A function to call after each of `total` tiles. */
export function meter({ onProgress }: PredictionOptions, total: number): () => void {
  let progress = noProgress(0, total);
  let last = performance.now();
  return () => {
    const now = performance.now();
    progress = advance(progress, (now - last) / 1000);
    last = now;
    onProgress?.(progress);
  };
}

function sizeFault({ plan }: Bundle, image: Raster): Result<never> | undefined {
  const expected = imageExtents(plan.model);
  if (image.height === expected[0] && image.width === expected[1]) return undefined;
  const args = {
    file: image.source,
    size: `${image.height} x ${image.width}`,
    expected: expected.join(' x '),
  };
  return failure(diagnose(fault('image-size-differs', args)));
}

function paint(
  rows: Uint8Array,
  palette: readonly (readonly number[])[] | undefined,
  channels: number,
): Uint8Array {
  if (palette === undefined) return rows;
  const out = new Uint8Array(rows.length * channels);
  rows.forEach((index, i) => {
    out.set(palette[index] ?? [], i * channels);
  });
  return out;
}

/** Starts the devices of a bundle that predicts, over the given windows, and ends them after `body`. */
export async function withPredictors<T>(
  { plan, segments, manifest, directory: path }: Bundle,
  data: Data,
  windows: readonly Window[],
  { weights, timeoutSeconds, onStart }: PredictionOptions,
  body: (devices: Devices) => Promise<Result<T>>,
): Promise<Result<T>> {
  if (plan.purpose !== 'predict')
    return failure(diagnose(fault('bundle-purpose', { path, found: 'train', expected: 'predict' })));
  const devices = await startDevices({
    plan,
    segments,
    threads: manifest.threads,
    feed: areasFeed(plan, data, windows),
    states: statesFromWeights(weights),
    ...(timeoutSeconds === undefined ? {} : { timeoutSeconds }),
  });
  if (!devices.ok) return devices;
  try {
    onStart?.(devices.value.processes);
    return await body(devices.value);
  } finally {
    await devices.value.close();
  }
}

/** `512 x 256` of a box. */
export const sizeText = (box: Box): string => extents(box).join(' x ');
