/**
 * What training, evaluation and prediction read. An image is decoded once to a file of plain rows (`decode`);
 * from then on every device reads just the rows and columns it needs.
 *
 *   data.json ──readDataFile──▶ DataFile ──openData──▶ Data ──checkData──▶ fits the network
 *                                                       │
 *                             (seed, step, sample) ──sampleWindow──▶ Window ──readImage, readLabels──▶ floats, classes
 */
import type { Box } from '../../ir/box.ts';
import type { Augment } from './data-file.ts';
import type { Raster } from './raster.ts';

/** The class of pixels that are not labelled. */
export const NOT_LABELLED = 255;

export type Position = { readonly x: number; readonly y: number };

/**
 * What a network shall find in an image: classes and, for each value that occurs, where it is met first in
 * row-major order; or numbers to regress, with no values.
 */
export type Label = { readonly raster: Raster; readonly values: ReadonlyMap<number, Position> };

export type Pair = { readonly name: string; readonly image: Raster; readonly label?: Label };

/** A part `[rows, columns]` of the image of `data.pairs[pair]`. */
export type Area = { readonly pair: number; readonly box: Box };

export type Data = {
  readonly pairs: readonly Pair[];
  readonly splits: ReadonlyMap<string, readonly Area[]>;
  /** Class of each value of a label file where `data.json` maps them; without it a value is its class. */
  readonly classes?: ReadonlyMap<number, number>;
  /** Where training windows come from; by default `grid` where all areas have the size of a window. */
  readonly windows?: Windows;
  readonly augment: Augment;
};

/** `anywhere`: drawn uniformly from all positions. `grid`: side by side, each visited once an epoch. */
export type Windows = 'anywhere' | 'grid';

export const areasOf = (data: Data, split: string): readonly Area[] => {
  const areas = data.splits.get(split);
  if (areas === undefined) throw new Error(`no split ${split}: checkData names it first`);
  return areas;
};

export const pairOf = (data: Data, index: number): Pair => {
  const pair = data.pairs[index];
  if (pair === undefined) throw new RangeError(`pair ${index} of ${data.pairs.length}`);
  return pair;
};
