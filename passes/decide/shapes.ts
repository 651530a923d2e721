/**
 * The shapes of a schedule: how replicas, stages, tiles and micro-batches share out devices and samples. The joint
 * search walks through all of them that use at most the devices there are, pins kept.
 */
import { at } from '../../ir/box.ts';
import { pinnedStages, pinnedTiles } from '../../ir/schedule.ts';
import { stridesOf, tiledExtents } from '../../ir/tiling.ts';
import { product } from '../../ir/type.ts';
import { divisorsOf } from './grid.ts';
import { mayStream, type Situation } from './situation.ts';

export type Shape = {
  readonly replicas: number;
  readonly stages: number;
  /** Devices along each axis. */
  readonly grid: readonly number[];
  /** Tiles along each axis that a device works through. */
  readonly stream: readonly number[];
  readonly microBatches: number;
  /** Cells of the largest tile, an axis, without margins. */
  readonly tile: readonly number[];
  /** Tiles begin on multiples of so many cells, an axis. */
  readonly units: readonly number[];
};

export const devicesIn = ({ replicas, stages, grid }: Shape): number => replicas * stages * product(grid);

export const samplesIn = ({ batch }: Situation, { replicas, microBatches }: Shape): number =>
  batch / (replicas * microBatches);

/** Beyond this many stages a pipeline of any network here is mostly bubble; a pin may ask for more. */
const mostStages = 32;

/** Tiles below so many cells on an axis are mostly margin. */
const leastSide = 16;

/** Where tiles begin, on multiples of the coarsest stride if each can have at least one. */
export type Extents = { readonly extents: readonly number[]; readonly units: readonly number[] };

export function extentsOf({ model }: Situation): Extents {
  const extents = tiledExtents(model);
  const strides = [...stridesOf(model).values()];
  const finest = strides.reduce((a, b) => a.map((s, axis) => Math.min(s, at(b, axis))));
  const units = extents.map((_, axis) =>
    Math.max(1, ...strides.map((all) => Math.ceil(at(all, axis) / at(finest, axis)))),
  );
  return { extents, units };
}

/**
 * The same with tiles that begin on finer multiples. They are more even, but where cells of coarse values lie across
 * their borders they need wider margins, and they come in more kinds.
 */
const finer = ({ extents, units }: Extents): Extents => ({
  extents,
  units: units.map((unit) => (unit % fineness === 0 ? unit / fineness : unit)),
});

const fineness = 4;

/** Cells of the largest of `count` nearly equal tiles of an axis. */
function largestTile({ extents, units }: Extents, axis: number, count: number): number {
  const [extent, unit] = [at(extents, axis), at(units, axis)];
  return extent >= unit * count
    ? Math.min(extent, Math.ceil(extent / unit / count) * unit)
    : Math.ceil(extent / count);
}

const tileOf = (space: Extents, tiles: readonly number[]): number[] =>
  tiles.map((count, axis) => largestTile(space, axis, count));

/** All grids of at most `most` devices, of those with the same largest tile the one with the fewest devices. */
function gridsWithin(space: Extents, most: number): number[][] {
  const rank = space.extents.length;
  const walk = (axis: number, left: number): number[][] => {
    const counts = axis === rank - 1 ? [lastCount(space, axis, left)] : distinctCounts(space, axis, left);
    return counts.flatMap((count) =>
      axis === rank - 1
        ? [[count]]
        : walk(axis + 1, Math.floor(left / count)).map((rest) => [count, ...rest]),
    );
  };
  const all = walk(0, most);
  // On a square image a grid costs what its transpose does.
  const isSquare = new Set(space.extents).size === 1 && new Set(space.units).size === 1;
  return isSquare
    ? all.filter((grid) => grid.every((count, axis) => axis === 0 || count >= at(grid, axis - 1)))
    : all;
}

const mostTiles = ({ extents }: Extents, axis: number): number =>
  Math.max(1, Math.floor(at(extents, axis) / leastSide));

/** Counts of tiles of an axis of which each makes the largest tile smaller than the count before. */
function distinctCounts(space: Extents, axis: number, most: number): number[] {
  const counts: number[] = [];
  let before = Number.POSITIVE_INFINITY;
  for (let count = 1; count <= Math.min(most, mostTiles(space, axis)); count++) {
    const size = largestTile(space, axis, count);
    if (size < before) counts.push(count);
    before = size;
  }
  return counts;
}

/** The fewest tiles that are as small as `most` tiles would be. */
function lastCount(space: Extents, axis: number, most: number): number {
  const size = largestTile(space, axis, Math.min(most, mostTiles(space, axis)));
  return Math.ceil(at(space.extents, axis) / size);
}

const given = <T>(pinned: T | undefined, open: () => readonly T[]): readonly T[] =>
  pinned === undefined ? open() : [pinned];

/** Numbers of stages worth a try: all small ones, then ever fewer, and the first that have room for all parameters. */
function stageCounts(situation: Situation, most: number): number[] {
  const { parameterBytes, stateFactor, memory } = situation;
  // With a second buffer for gradients, where there are several micro-batches, and without.
  const rooms = [stateFactor, stateFactor + 1].map((factor) => Math.ceil((parameterBytes * factor) / memory));
  const isFew = (count: number) => rooms.some((least) => count >= least && count < least + roomy);
  return wholeNumbers(Math.min(most, mostStages)).filter((count) => isTried(count) || isFew(count));
}

/** From 1. */
const wholeNumbers = (most: number): number[] => Array.from({ length: most }, (_, i) => i + 1);

/** Of stages, and of devices that are in each other's way, all small numbers, then fewer. */
const isTried = (count: number): boolean => count <= 12 || count % 4 === 0;

/** As many numbers of stages from the least that may have room: parameters are never shared out evenly. */
const roomy = 3;

/**
 * Every shape but for streaming and micro-batches, which are there to need less memory or to fill a pipeline. As many devices
 * as there are in each, but where they may be in each other's way: then as many as any smaller number allows, too.
 */
export function* shapesWithin(situation: Situation, space: Extents): Generator<Shape> {
  const { devices, machine } = situation;
  if (machine.device.contention === undefined) return yield* shapesOn(situation, space, devices);
  const within = wholeNumbers(Math.min(devices, machine.devicesPerNode)).filter(isTried);
  const seen = new Set<string>();
  for (const count of new Set([...within, devices]))
    for (const shape of shapesOn(situation, space, count)) {
      const key = JSON.stringify(shape);
      if (!seen.has(key)) yield shape;
      seen.add(key);
    }
}

/** Those that use as many of so many devices as they can. */
function* shapesOn(situation: Situation, space: Extents, devices: number): Generator<Shape> {
  const { pins, batch } = situation;
  const stream = pins.stream ?? space.extents.map(() => 1);
  const grid = pinnedTiles(pins)?.map((count, axis) => count / at(stream, axis));
  for (const replicas of given(pins.replicas, () => divisorsOf(batch)))
    for (const stages of given(pinnedStages(pins), () => stageCounts(situation, devices / replicas)))
      for (const tiling of tilings(situation, space, (one) =>
        given(grid, () => gridsWithin(one, Math.floor(devices / (replicas * stages)))),
      )) {
        const shape = { replicas, stages, stream, microBatches: 1, ...tiling };
        if (batch % replicas === 0 && devicesIn(shape) <= devices && devicesIn(shape) >= 1) yield shape;
      }
}

type Tiling = Pick<Shape, 'grid' | 'tile' | 'units'>;

/** Grids with their tiles; on finer multiples, too, where those make the largest tile smaller. */
function tilings({ pins }: Situation, space: Extents, gridsOf: (space: Extents) => readonly number[][]) {
  if (pins.cuts !== undefined) return gridsOf(space).map((grid) => cutTiling(grid, pins.cuts ?? []));
  const tilesOf = (grid: readonly number[]) =>
    grid.map((count, axis) => count * (pins.stream === undefined ? 1 : at(pins.stream, axis)));
  const tilingsOf = (one: Extents) =>
    gridsOf(one).map((grid): Tiling => ({ grid, tile: tileOf(one, tilesOf(grid)), units: one.units }));
  const even = finer(space);
  const isCoarsened = pins.coarsen !== undefined || pins.stream !== undefined;
  const finest = isCoarsened
    ? []
    : tilingsOf(even).filter(({ grid, tile }) => product(tile) < product(tileOf(space, grid)));
  return [...tilingsOf(space), ...finest];
}

/** Tiles that are pinned: the largest, and what all their borders are multiples of. */
const cutTiling = (grid: readonly number[], cuts: readonly (readonly number[])[]): Tiling => ({
  grid: [...grid],
  tile: cuts.map((marks) => Math.max(...marks.slice(1).map((mark, i) => mark - at(marks, i)))),
  units: cuts.map((marks) => marks.slice(0, -1).reduce(greatestDivisor) || at(marks, marks.length - 1)),
});

const greatestDivisor = (a: number, b: number): number => (b === 0 ? a : greatestDivisor(b, a % b));

/** The same shape with its samples in ever more micro-batches. */
export function microBatched(situation: Situation, shape: Shape): Shape[] {
  const { batch, pins } = situation;
  const counts = given(pins.microBatches, () => divisorsOf(batch / shape.replicas));
  return counts
    .filter((count) => batch % (shape.replicas * count) === 0 && keepsTogether(situation, shape, count))
    .map((microBatches) => ({ ...shape, microBatches }));
}

/** Samples that share statistics must not be torn apart; a sweep has the sums of all of them. */
function keepsTogether(
  { profile, batch }: Situation,
  { replicas, stages }: Shape,
  microBatches: number,
): boolean {
  const samples = batch / (replicas * microBatches);
  return profile.together.every(
    ({ over, swept }) =>
      samples % over === 0 || (over === batch && (microBatches === 1 || (swept && stages === 1))),
  );
}

/** The same shape with each device working through ever more tiles, by halves of the longest side. */
export function streamed(situation: Situation, shape: Shape, space: Extents): Shape[] {
  const { pins } = situation;
  const fixed = pins.stream ?? pins.tiles ?? pins.cuts ?? (pins.exchanges?.length ? [] : undefined);
  if (fixed !== undefined || shape.stages > 1 || pins.coarsen !== undefined || !mayStream(situation))
    return [];
  const shapes: Shape[] = [];
  let stream = shape.grid.map(() => 1);
  for (;;) {
    const sides = tileOf(
      space,
      shape.grid.map((count, axis) => count * at(stream, axis)),
    );
    const longest = sides.indexOf(Math.max(...sides));
    if (at(sides, longest) < 2 * leastSide) return shapes;
    stream = stream.map((count, axis) => (axis === longest ? count + 1 : count));
    shapes.push({
      ...shape,
      stream,
      tile: tileOf(
        space,
        shape.grid.map((count, axis) => count * at(stream, axis)),
      ),
    });
    if (product(stream) > 4096) return shapes;
  }
}
