/**
 * Where on Earth the pixels of a GeoTIFF lie: the tags that say so, for a mask to carry them on. OGC GeoTIFF 1.1,
 * annex B: scale, tie points, transformation, and the keys of the coordinate system.
 */
import { statSync } from 'node:fs';
import type { RawTag } from '../files/tiff-writer.ts';
import { readRawTags } from './tiff.ts';

const TIE_POINTS = 33922;
const TRANSFORMATION = 34264;
const geoTags = [33550, TIE_POINTS, TRANSFORMATION, 34735, 34736, 34737];

/**
 * The tags of a file for the part of it that begins at pixel (x, y); none where it is no GeoTIFF. Throws an
 * error where the file cannot be read.
 */
export const georeferenceOf = (path: string, x = 0, y = 0): RawTag[] =>
  isFile(path) ? readRawTags(path, geoTags).map((tag) => moved(tag, x, y)) : [];

/** A Zarr array is a folder. */
const isFile = (path: string): boolean => statSync(path).isFile();

function moved(raw: RawTag, x: number, y: number): RawTag {
  if (raw.tag !== TIE_POINTS && raw.tag !== TRANSFORMATION) return raw;
  const bytes = Buffer.from(raw.bytes);
  const numbers = Array.from({ length: raw.count }, (_, i) => bytes.readDoubleLE(8 * i));
  const changed = raw.tag === TIE_POINTS ? movedTies(numbers, x, y) : movedMatrix(numbers, x, y);
  changed.forEach((value, i) => void bytes.writeDoubleLE(value, 8 * i));
  return { ...raw, bytes: new Uint8Array(bytes) };
}

/** Sixes of column, row, 0 and the place of that point. */
const movedTies = (numbers: readonly number[], x: number, y: number): number[] =>
  numbers.map((value, i) => value - (i % 6 === 0 ? x : i % 6 === 1 ? y : 0));

/** Rows of four: the place of (column, row, 0, 1) is the product with the matrix. */
const movedMatrix = (matrix: readonly number[], x: number, y: number): number[] =>
  matrix.map((value, i) =>
    i % 4 === 3 && i < 12 ? value + (matrix[i - 3] ?? 0) * x + (matrix[i - 2] ?? 0) * y : value,
  );
