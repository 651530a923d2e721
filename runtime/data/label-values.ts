/** Which values a label image holds, and where: read once, and kept in the cache. */
import { randomUUID } from 'node:crypto';
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { range } from '../../ir/box.ts';
import type { Position } from './data.ts';
import { bands, type Pixels, type Raster, readRectangle } from './raster.ts';

type Entry = readonly [value: number, x: number, y: number];

/** The values that occur, each with the first pixel in row-major order that has it; kept in the file `path`. */
export async function labelValues(raster: Raster, path: string): Promise<ReadonlyMap<number, Position>> {
  const entries = readEntries(path) ?? writeEntries(path, await scan(raster));
  return new Map(entries.map(([value, x, y]) => [value, { x, y }]));
}

function readEntries(path: string): readonly Entry[] | undefined {
  try {
    const stored: unknown = JSON.parse(readFileSync(path, 'utf8'));
    return Array.isArray(stored) && stored.every(isEntry) ? stored : undefined;
  } catch {
    return undefined;
  }
}

const isEntry = (value: unknown): value is Entry =>
  Array.isArray(value) && value.length === 3 && value.every(Number.isInteger);

function writeEntries(path: string, entries: readonly Entry[]): readonly Entry[] {
  const temporary = `${path}.${randomUUID()}.tmp`;
  try {
    writeFileSync(temporary, JSON.stringify(entries));
    renameSync(temporary, path);
  } catch {
    // It only saves the next reader the scan.
    rmSync(temporary, { force: true });
  }
  return entries;
}

/** Values of a 16-bit label at most; each slot holds 1 + the position of the first pixel. */
const VALUES = 65536;

async function scan(raster: Raster): Promise<Entry[]> {
  const first = new Float64Array(VALUES);
  const columns = range(0, raster.width);
  for (const rows of bands(range(0, raster.height), Math.max(1, Math.floor(2 ** 22 / raster.width))))
    note(first, await readRectangle(raster, rows, columns), rows.from * raster.width);
  return [...first.entries()]
    .filter(([, place]) => place > 0)
    .map(([value, place]) => [value, (place - 1) % raster.width, Math.floor((place - 1) / raster.width)]);
}

function note(first: Float64Array, pixels: Pixels, start: number): void {
  for (let i = 0; i < pixels.length; i++) {
    const value = pixels[i] ?? 0;
    if (first[value] === 0) first[value] = start + i + 1;
  }
}
