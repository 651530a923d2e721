/**
 * Ownership: where the part of each value begins that a tile owns. Cuts are positions in the extent of the
 * output; a value with s times fewer cells is cut at ⌈cut / s⌉, so the owned boxes of every value partition
 * its extent. Boxes of a plan count from these origins.
 */
import { at, type Box, type Range, range, shiftBox } from './box.ts';
import { extentOf, isSpatial, modelTypes, regionOf } from './intervals.ts';
import type { Model } from './model.ts';
import { ops } from './ops/table.ts';
import { remembered } from './remembered.ts';

/** Cells of the image per cell of a value, for each axis (a fraction where a value is finer than the image). */
export type Strides = ReadonlyMap<string, readonly number[]>;

/** Long enough that the distance of two cells' regions shows the stride of any op exactly. */
const span = 5040;

/** The strides of all spatial values, read off the regions of the ops. */
export const stridesOf = remembered((model: Model): Strides => {
  const types = modelTypes(model);
  const strides = new Map<string, readonly number[]>();
  const ones = Array.from({ length: model.rank }, () => 1);
  for (const { name, source, type } of model.inputs)
    if (source.from === 'image' && isSpatial(type)) strides.set(name, ones);
  for (const op of model.ops) {
    const known = op.inputs.findIndex((name) => strides.has(name));
    const base = strides.get(op.inputs[known] ?? '');
    if (base === undefined) continue;
    const stepsOf = (operand: number): number[] =>
      base.map((_, axis) => {
        const from = (cell: number) => regionOf(op, axis, range(cell, cell + 1), operand).from;
        return (from(span) - from(0)) / span;
      });
    const steps = isSpatial(op.type) ? stepsOf(known) : base.map(() => 1);
    const result = base.map((stride, axis) => stride * at(steps, axis));
    if (isSpatial(op.type)) strides.set(op.output, result);
    // Targets, masks and shares have no op before them: they lie where the cells lie that are made of theirs.
    op.inputs.forEach((name, operand) => {
      if (strides.has(name) || !isSpatial(types.get(name))) return;
      const own = isSpatial(op.type) ? stepsOf(operand) : steps;
      // A value of one cell that all cells are made of has no step; any will do.
      strides.set(
        name,
        result.map((stride, axis) => stride / (at(own, axis) || 1)),
      );
    });
  }
  return strides;
});

/** Beyond so many cells positions are not told apart. */
const mostPositions = 512;

/** After how many cells of the finest value all values have a cell at the same place again: the coarsest stride. */
export function repeatsAfter(model: Model): number {
  const strides = [...stridesOf(model).values()].flat();
  const [finest, coarsest] = [Math.min(...strides), Math.max(...strides)];
  const repeats = strides.every((stride) => Number.isInteger(coarsest / stride));
  return repeats ? Math.min(mostPositions, coarsest / finest) : mostPositions;
}

/** The value whose extent the cuts of a schedule divide: the finest one that is summed over or given out. */
function referenceValue(model: Model): string {
  const types = modelTypes(model);
  const lossInputs = model.ops.filter(({ kind }) => ops[kind].sumsOwnedCells === true);
  const candidates = [
    ...model.outputs.map(({ value }) => value),
    ...lossInputs.map((op) => at(op.inputs, 0)),
  ];
  const size = (name: string) => extentOf(types.get(name), 0);
  const [first, ...others] = candidates.filter((name) => isSpatial(types.get(name)));
  if (first === undefined) throw new Error(`model ${model.name} gives nothing out`);
  return others.reduce((finest, name) => (size(name) > size(finest) ? name : finest), first);
}

/** The extent of the reference value: what `tiles` divides. */
export const tiledExtents = (model: Model): number[] => {
  const type = modelTypes(model).get(referenceValue(model));
  return Array.from({ length: model.rank }, (_, axis) => extentOf(type, axis));
};

export type Ownership = {
  /** First cell of the value that the tile owns. */
  origin(value: string, axis: number, tile: number): number;
  /** The cells that the tile owns, in global coordinates; may be empty. */
  owned(value: string, axis: number, tile: number): Range;
};

/** Which cells of each spatial value belong to which tile of the grid. */
export function ownership(model: Model, cuts: readonly (readonly number[])[]): Ownership {
  const types = modelTypes(model);
  const strides = stridesOf(model);
  const reference = strides.get(referenceValue(model)) ?? [];
  const bound = (value: string, axis: number, index: number): number => {
    const extent = extentOf(types.get(value), axis);
    const marks = at(cuts, axis);
    if (index === marks.length - 1) return extent;
    const stride = at(strides.get(value) ?? reference, axis) / at(reference, axis);
    return Math.min(extent, Math.ceil(at(marks, index) / stride));
  };
  return {
    origin: bound,
    owned: (value, axis, tile) => range(bound(value, axis, tile), bound(value, axis, tile + 1)),
  };
}

/** The same, for whoever asks for many tiles of each value. */
export function tabledOwnership(
  model: Model,
  cuts: readonly (readonly number[])[],
): Ownership & { bounds(value: string): Bounds } {
  const { origin } = ownership(model, cuts);
  const known = new Map<string, Bounds>();
  const bounds = (value: string): Bounds => {
    const found = known.get(value) ?? boundsOf(origin, value, cuts);
    known.set(value, found);
    return found;
  };
  const bound = (value: string, axis: number, index: number): number => at(at(bounds(value), axis), index);
  return {
    bounds,
    origin: bound,
    owned: (value, axis, tile) => range(bound(value, axis, tile), bound(value, axis, tile + 1)),
  };
}

/** On each axis where the tiles of a value begin, and where the last ends. */
export type Bounds = readonly (readonly number[])[];

const boundsOf = (
  origin: Ownership['origin'],
  value: string,
  cuts: readonly (readonly number[])[],
): number[][] => cuts.map((marks, axis) => marks.map((_, index) => origin(value, axis, index)));

/** For each spatial value where its tiles begin on each axis, its extent last: `ownership` as a table. */
export function originTable(
  model: Model,
  cuts: readonly (readonly number[])[],
): Readonly<Record<string, readonly (readonly number[])[]>> {
  const { origin } = ownership(model, cuts);
  const values = [...modelTypes(model)].filter(([, type]) => isSpatial(type)).map(([name]) => name);
  return Object.fromEntries(values.map((value) => [value, boundsOf(origin, value, cuts)]));
}

/** Indices along each axis of the tile with the given number, row-major. */
export function tileIndices(counts: readonly number[], tile: number): number[] {
  let rest = tile;
  return counts
    .toReversed()
    .map((count) => {
      const index = rest % count;
      rest = Math.floor(rest / count);
      return index;
    })
    .toReversed();
}

/** From tile coordinates to global ones. */
export const globalBox = (owners: Ownership, value: string, tile: readonly number[], box: Box): Box =>
  shiftBox(
    box,
    tile.map((index, axis) => owners.origin(value, axis, index)),
  );
