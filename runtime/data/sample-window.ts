/**
 * Which window a sample of a step shows: a pure function of (seed, step, sample), so every device, and a run
 * that resumes with another number of devices, draws the same.
 */
import { type Box, extents, range, shiftBox, wholeBox } from '../../ir/box.ts';
import { drawInteger, permutation } from '../../ir/draw.ts';
import { product } from '../../ir/type.ts';
import { type Area, areasOf, type Data, type Windows } from './data.ts';
import type { Augment } from './data-file.ts';
import { identity, type Symmetry, symmetryOf } from './symmetry.ts';

/** A part of an image, as the network shall see it. */
export type Window = {
  /** Index into `data.pairs`. */
  readonly pair: number;
  /** Rows and columns of the image. */
  readonly box: Box;
  readonly symmetry: Symmetry;
  /** Pixels become (v - middle) * gain + middle + offset * full scale. */
  readonly gain: number;
  readonly offset: number;
};

export type Draw = {
  readonly seed: number;
  /** Counts from 0. */
  readonly step: number;
  /** Index in the whole batch, of all replicas. */
  readonly sample: number;
  /** Samples a step. */
  readonly batch: number;
  /** Of the network's input. */
  readonly extents: readonly number[];
};

/** What number of `drawInteger` stands for what. */
const PLACE = 0;
const TURNS = 1;
const FLIPS = 2;
const BRIGHTNESS = 3;
const CONTRAST = 4;

/** The part of an image as it is stored. */
export const plainWindow = (pair: number, box: Box): Window => ({
  pair,
  box,
  symmetry: identity,
  gain: 1,
  offset: 0,
});

/** The window of a training sample. The data have passed `checkData` for the same split, batch and extents. */
export function sampleWindow(data: Data, split: string, draw: Draw): Window {
  const areas = areasOf(data, split);
  const { pair, box } = placers[windowsOf(data, areas, draw.extents)](areas, draw);
  return { pair, box, ...drawChanges(data.augment, draw) };
}

/** How windows of these areas are placed: as declared, or `grid` where each area is just one window. */
export function windowsOf(data: Data, areas: readonly Area[], window: readonly number[]): Windows {
  const fits = ({ box }: Area) => extents(box).every((size, axis) => size === window[axis]);
  return data.windows ?? (areas.every(fits) ? 'grid' : 'anywhere');
}

const placers: Record<Windows, (areas: readonly Area[], draw: Draw) => Area> = {
  anywhere: drawAnywhere,
  grid: visitGrid,
};

/** The area and the index in it of item `index`, if the areas hold `counts` items one after another. */
function locate(counts: readonly number[], index: number): { area: number; index: number } {
  let rest = index;
  const area = counts.findIndex((count) => {
    if (rest < count) return true;
    rest -= count;
    return false;
  });
  return { area, index: rest };
}

const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0);

/** Window number `index` of the area, row-major, if it has `counts` places an axis `stride` cells apart. */
function windowAt(
  area: Area | undefined,
  index: number,
  counts: readonly number[],
  stride: readonly number[],
  window: readonly number[],
): Area {
  if (area === undefined) throw new Error('a split without a window: checkData names it first');
  let rest = index;
  const place = counts
    .map((count, axis) => ({ count, step: stride[axis] ?? 1 }))
    .toReversed()
    .map(({ count, step }) => {
      const position = (rest % count) * step;
      rest = Math.floor(rest / count);
      return position;
    })
    .toReversed();
  const origin = area.box.map(({ from }, axis) => from + (place[axis] ?? 0));
  return { pair: area.pair, box: shiftBox(wholeBox(window), origin) };
}

/** Every place of the window in every area is equally likely. */
function drawAnywhere(areas: readonly Area[], { seed, step, sample, extents: window }: Draw): Area {
  const places = areas.map(({ box }) =>
    extents(box).map((size, axis) => Math.max(0, size - (window[axis] ?? 1) + 1)),
  );
  const counts = places.map(product);
  const drawn = locate(counts, drawInteger({ seed, step, sample, index: PLACE }, sum(counts)));
  const ones = window.map(() => 1);
  return windowAt(areas[drawn.area], drawn.index, places[drawn.area] ?? [], ones, window);
}

/** Whole windows that fit side by side into the area, an axis. */
const gridOf = ({ box }: Area, window: readonly number[]): number[] =>
  extents(box).map((size, axis) => Math.floor(size / (window[axis] ?? 1)));

/** Number of windows of the grids of all areas. */
export const gridSize = (areas: readonly Area[], window: readonly number[]): number =>
  sum(areas.map((area) => product(gridOf(area, window))));

/** Every window once an epoch, in an order drawn by (seed, epoch); the last incomplete batch is dropped. */
function visitGrid(areas: readonly Area[], { seed, step, sample, batch, extents: window }: Draw): Area {
  const grids = areas.map((area) => gridOf(area, window));
  const counts = grids.map(product);
  const steps = Math.floor(sum(counts) / batch);
  const order = permutation(sum(counts), seed, Math.floor(step / steps));
  const found = locate(counts, order[(step % steps) * batch + sample] ?? 0);
  return windowAt(areas[found.area], found.index, grids[found.area] ?? [], window, window);
}

const COIN = 2;

function drawChanges(augment: Augment, { seed, step, sample }: Draw): Omit<Window, 'pair' | 'box'> {
  const integer = (index: number, below: number) => drawInteger({ seed, step, sample, index }, below);
  const amount = (index: number, most: number) =>
    most === 0 ? 0 : most * (integer(index, 2 ** 20 + 1) / 2 ** 19 - 1);
  const flips = augment.flips ? integer(FLIPS, COIN * COIN) : 0;
  return {
    symmetry: symmetryOf(augment.quarterTurns ? integer(TURNS, 4) : 0, [flips % 2 === 1, flips >= 2]),
    gain: 1 + amount(CONTRAST, augment.contrast),
    offset: amount(BRIGHTNESS, augment.brightness),
  };
}

/** The part of an image-sized window that a smaller map (of a network of valid convolutions) covers: the middle. */
export const centredBox = (outer: readonly number[], inner: readonly number[]): Box =>
  inner.map((size, axis) => {
    const from = Math.floor(((outer[axis] ?? size) - size) / 2);
    return range(from, from + size);
  });
