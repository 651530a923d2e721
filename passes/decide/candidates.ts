/** The schedules that the plain default tries, the most wanted first. */
import type { Model } from '../../ir/model.ts';
import type { Pins, Schedule } from '../../ir/schedule.ts';
import { tiledExtents } from '../../ir/tiling.ts';
import { product } from '../../ir/type.ts';
import { cutsOf, divisorsOf, squarest } from './grid.ts';

/** Devices, replicas or tiles of an axis; a schedule with more is a slip of the pen. */
const mostOfAnything = 1_000_000;

type Choice = { devices: number; replicas: number; microBatches: number; tiles: readonly number[] };

/**
 * Replicas before tiles, because replicas recompute no margins; more micro-batches before fewer replicas,
 * because they cost only launches. What is pinned is kept.
 */
export function candidates(model: Model, pins: Pins): Schedule[] {
  const counts = [pins.devices, pins.replicas, pins.microBatches, ...(pinnedTiles(pins) ?? [])];
  if (counts.some((count) => count !== undefined && count > mostOfAnything)) return [];
  const choices =
    model.training && model.loss ? trainingChoices(model, pins) : predictionChoices(model, pins);
  return choices.flatMap(({ devices, replicas, microBatches, tiles }) => {
    const cuts = pins.cuts ?? cutsOf(model, tiles);
    if (cuts === undefined) return [];
    return [{ name: model.name, devices, replicas, microBatches, cuts, halo: pins.halo ?? 'overlap' }];
  });
}

const pinnedTiles = (pins: Pins): readonly number[] | undefined =>
  pins.cuts?.map((cuts) => cuts.length - 1) ?? pins.tiles;

function trainingChoices(model: Model, pins: Pins): Choice[] {
  const batch = model.training?.batch ?? 1;
  const extents = tiledExtents(model);
  const fixed = pinnedTiles(pins);
  const devices = pins.devices ?? (pins.replicas ?? 1) * product(fixed ?? [1]);
  const replicaCounts = pins.replicas
    ? [pins.replicas]
    : fixed
      ? [devices / product(fixed)]
      : divisorsOf(devices).reverse();
  return replicaCounts
    .filter((replicas) => Number.isInteger(replicas) && devices % replicas === 0 && batch % replicas === 0)
    .flatMap((replicas) => {
      const tiles = fixed ?? squarest(extents, devices / replicas);
      const micro = pins.microBatches ? [pins.microBatches] : divisorsOf(batch / replicas);
      return micro
        .filter((microBatches) => batch % (replicas * microBatches) === 0)
        .map((microBatches) => ({ devices, replicas, microBatches, tiles }));
    });
}

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
