/**
 * Data as plain arrays: for executors that have NumPy and nothing else. What comes out is a data folder again,
 * with a `data.json` in which every image is an NPY file `[rows, columns, channels]`, so both executors can read it.
 */

import { createHash } from 'node:crypto';
import { statfsSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { at, range } from '../../ir/box.ts';
import { diagnose, failure, fault, type Result, success } from '../../ir/diagnostics/diagnostic.ts';
import { makeFolder } from '../files/make-folder.ts';
import { reasonOf } from '../files/reason.ts';
import { openSafely, writeFully, writeSafely } from '../files/write-safely.ts';
import { type Area, type Data, NOT_LABELLED, type Pair, pairOf } from './data.ts';
import type { Element } from './element.ts';
import { bands, type Raster, rasterBytes, readRectangle } from './raster.ts';

export type StageOptions = {
  /** Told of each file before it is written. */
  readonly onWrite?: (file: {
    readonly source: string;
    readonly path: string;
    readonly bytes: number;
  }) => void;
};

/**
 * Writes `data` into a folder, and gives the path of its `data.json`. Images that are there from before, in the
 * same state, stay. Errors: `write-failed`, `image-unreadable`.
 */
export async function stageData(
  data: Data,
  folder: string,
  options: StageOptions = {},
): Promise<Result<string>> {
  const description = join(folder, 'data.json');
  try {
    makeFolder(join(folder, ARRAYS));
  } catch (error) {
    return failure(diagnose(fault('write-failed', { file: folder, reason: reasonOf(error) })));
  }
  for (const raster of data.pairs.flatMap(({ image, label }) => [image, ...(label ? [label.raster] : [])])) {
    const written = await stageRaster(raster, join(folder, arrayPath(raster)), options);
    if (!written.ok) return written;
  }
  const text = `${JSON.stringify(describe(data), null, 2)}\n`;
  const written = writeSafely(description, [new TextEncoder().encode(text)]);
  return written.ok ? success(description) : written;
}

const ARRAYS = 'arrays';

/** Another state of the image has another name: what a running training reads is never written to. */
function arrayPath({ source, path, state }: Raster): string {
  const digest = createHash('sha256').update(`${source}\n${path}\n${state}`).digest('hex').slice(0, 16);
  return join(ARRAYS, `${basename(source)}-${digest}.npy`);
}

function describe(data: Data): object {
  const { classes, windows, augment } = data;
  const { flips, quarterTurns, brightness, contrast } = augment;
  const splits = [...data.splits].map(([split, areas]) => [
    split,
    areas.map((area) => describeArea(data, area)),
  ]);
  return {
    pairs: data.pairs.map(describePair),
    ...(classes === undefined ? {} : { labels: Object.fromEntries([...classes].map(describeLabel)) }),
    splits: Object.fromEntries(splits),
    ...(windows === undefined ? {} : { windows }),
    augment: { flips, quarter_turns: quarterTurns, brightness, contrast },
  };
}

const describePair = ({ name, image, label }: Pair): object => ({
  name,
  image: arrayPath(image),
  ...(label === undefined ? {} : { label: arrayPath(label.raster) }),
});

const describeLabel = ([value, target]: readonly [number, number]): [string, number | null] => [
  String(value),
  target === NOT_LABELLED ? null : target,
];

const describeArea = (data: Data, { pair, box }: Area): object => ({
  pair: pairOf(data, pair).name,
  rows: [at(box, 0).from, at(box, 0).to],
  columns: [at(box, 1).from, at(box, 1).to],
});

/** Bytes of pixels that are held at a time, or one row. */
const HELD = 2 ** 24;

async function stageRaster(
  raster: Raster,
  path: string,
  { onWrite }: StageOptions,
): Promise<Result<undefined>> {
  // A file has its name only when all of it is there.
  if (statSync(path, { throwIfNoEntry: false })?.isFile()) return success(undefined);
  const bytes = rasterBytes(raster);
  onWrite?.({ source: raster.source, path, bytes });
  const room = roomFor(bytes, path);
  if (!room.ok) return room;
  const rows = Math.max(1, Math.floor((HELD * raster.height) / bytes));
  let reading = false;
  let file: ReturnType<typeof openSafely> | undefined;
  try {
    file = openSafely(path);
    writeFully(file.descriptor, npyHeader(raster));
    for (const band of bands(range(0, raster.height), rows)) {
      reading = true;
      const { buffer, byteOffset, byteLength } = await readRectangle(raster, band, range(0, raster.width));
      reading = false;
      writeFully(file.descriptor, new Uint8Array(buffer, byteOffset, byteLength));
    }
    file.commit();
    return success(undefined);
  } catch (error) {
    file?.abandon();
    const reason = reasonOf(error);
    return failure(
      diagnose(
        reading
          ? fault('image-unreadable', { file: raster.source, reason })
          : fault('write-failed', { file: path, reason }),
      ),
    );
  }
}

function roomFor(bytes: number, path: string): Result<undefined> {
  const { bavail, bsize } = statfsSync(join(path, '..'));
  if (bavail * bsize > bytes) return success(undefined);
  const reason = `it takes ${bytes} bytes, and ${bavail * bsize} are free`;
  return failure(diagnose(fault('write-failed', { file: path, reason })));
}

const types: Readonly<Record<Element, string>> = { u8: '|u1', u16: '<u2', f32: '<f4' };

/** Version 1.0 of the format; the numbers begin at a multiple of 64 bytes. */
function npyHeader({ height, width, channels, element }: Raster): Uint8Array {
  const shape = `(${height}, ${width}, ${channels})`;
  const text = `{'descr': '${types[element]}', 'fortran_order': False, 'shape': ${shape}, }`;
  const size = 64 * Math.ceil((10 + text.length + 1) / 64) - 10;
  const head = Buffer.alloc(10);
  head.write('\x93NUMPY\x01\x00', 'latin1');
  head.writeUInt16LE(size, 8);
  return Buffer.concat([head, Buffer.from(text.padEnd(size - 1).concat('\n'), 'latin1')]);
}
