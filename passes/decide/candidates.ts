/** The schedules that the plain default tries, the most wanted first. */

import { at } from '../../ir/box.ts';
import type { Model } from '../../ir/model.ts';
import { type Pins, pinnedTiles, plainDecisions, type Schedule, stagesOf } from '../../ir/schedule.ts';
import { tiledExtents } from '../../ir/tiling.ts';
import { product } from '../../ir/type.ts';
import { cutsOf, divisorsOf, squarest } from './grid.ts';

/** Devices, replicas or tiles of an axis; a schedule with more is a slip of the pen. */
const mostOfAnything = 1_000_000;

type Choice = {
  readonly devices: number;
  readonly replicas: number;
  readonly microBatches: number;
  readonly tiles: readonly number[];
  /** Tiles that one device works through, an axis. */
  readonly stream?: readonly number[];
};

/**
 * Replicas before tiles, because replicas recompute no margins; more micro-batches before fewer replicas,
 * because they cost only launches; last ever smaller tiles, of which a device works through many. What is pinned
 * is kept.
 */
export function candidates(model: Model, pins: Pins): Schedule[] {
  const counts = [pins.devices, pins.replicas, pins.microBatches, ...(pinnedTiles(pins) ?? [])];
  if (counts.some((count) => count !== undefined && count > mostOfAnything)) return [];
  const choices =
    model.training && model.loss ? trainingChoices(model, pins) : predictionChoices(model, pins);
  const { tiles: _, memory: __, ...pinned } = pins;
  return choices.flatMap(({ devices, replicas, microBatches, tiles, stream }): Schedule[] => {
    const cuts = pins.cuts ?? cutsOf(model, tiles);
    if (cuts === undefined) return [];
    const chosen = { name: model.name, devices, replicas, microBatches, cuts };
    const streamed = stream === undefined ? {} : { stream };
    const order = (pins.chunks?.length ?? 0) > 1 ? ({ order: '1f1b' } as const) : {};
    return [{ ...plainDecisions(model.rank), ...order, ...pinned, ...chosen, ...streamed }];
  });
}

function trainingChoices(model: Model, pins: Pins): Choice[] {
  const batch = model.training?.batch ?? 1;
  const extents = tiledExtents(model);
  const fixed = pinnedTiles(pins);
  const stages = stagesOf({ chunks: pins.chunks ?? [] });
  const places = product(fixed ?? [1]) / product(pins.stream ?? [1]);
  const devices = pins.devices ?? (pins.replicas ?? 1) * stages * places;
  const replicaCounts = pins.replicas
    ? [pins.replicas]
    : fixed
      ? [devices / (stages * places)]
      : divisorsOf(devices / stages).reverse();
  const valid = replicaCounts.filter(
    (replicas) => Number.isInteger(replicas) && devices % (replicas * stages) === 0 && batch % replicas === 0,
  );
  const grids = valid.map((replicas) => {
    const grid =
      fixed ??
      squarest(extents, devices / (replicas * stages)).map(
        (count, axis) => count * (pins.stream?.[axis] ?? 1),
      );
    const micro = (pins.microBatches ? [pins.microBatches] : divisorsOf(batch / replicas)).filter(
      (microBatches) => batch % (replicas * microBatches) === 0,
    );
    return { replicas, tiles: grid, micro };
  });
  const whole = grids.flatMap(({ replicas, tiles, micro }) =>
    micro.map((microBatches): Choice => ({ devices, replicas, microBatches, tiles })),
  );
  const mayStream =
    fixed === undefined && pins.stream === undefined && stages === 1 && (pins.exchanges?.length ?? 0) === 0;
  if (!mayStream || pins.memory === undefined) return whole;
  return [
    ...whole,
    ...grids.flatMap(({ replicas, tiles, micro }) =>
      micro
        .slice(-1)
        .flatMap((microBatches) =>
          streamed(extents, tiles).map((choice) => ({ devices, replicas, microBatches, ...choice })),
        ),
    ),
  ];
}

/** Ever more tiles a device, by halves of the longest side, as long as a tile has some dozens of cells. */
function streamed(extents: readonly number[], grid: readonly number[]): Pick<Choice, 'tiles' | 'stream'>[] {
  const choices: Pick<Choice, 'tiles' | 'stream'>[] = [];
  let stream = grid.map(() => 1);
  for (;;) {
    const sides = grid.map((count, axis) => at(extents, axis) / (count * at(stream, axis)));
    const longest = sides.indexOf(Math.max(...sides));
    if (at(sides, longest) < leastStreamedSide) return choices;
    stream = stream.map((count, axis) => (axis === longest ? count * 2 : count));
    choices.push({ stream, tiles: grid.map((count, axis) => count * at(stream, axis)) });
  }
}

/** Below this the margins of a streamed tile cost more than the tile. */
const leastStreamedSide = 32;

/** Ever smaller tiles of one image, worked through by the devices; at least one for each device. */
function predictionChoices(model: Model, pins: Pins): Choice[] {
  const devices = pins.devices ?? 1;
  const extents = tiledExtents(model);
  const fixed = pinnedTiles(pins);
  if (fixed) return [{ devices, replicas: 1, microBatches: 1, tiles: fixed }];
  const grids: number[][] = [];
  let tiles = squarest(extents, devices);
  // Halving the longest side reaches single cells within the sum of the logarithms of the extents.
  while (tiles.every((count, axis) => count <= (extents[axis] ?? 1))) {
    grids.push(tiles);
    const sides = tiles.map((count, axis) => (extents[axis] ?? 1) / count);
    const longest = sides.lastIndexOf(Math.max(...sides));
    tiles = tiles.map((count, axis) => (axis === longest ? count * 2 : count));
  }
  // Last the whole image on one device: all that a norm over the whole extent allows.
  if (devices > 1) grids.push(extents.map(() => 1));
  return grids.map((grid) => ({ devices, replicas: 1, microBatches: 1, tiles: grid }));
}
