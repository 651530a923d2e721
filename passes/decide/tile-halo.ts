/** The halo decisions of a shape, and what its tile holds and reads with the margins that they leave. */
import { at } from '../../ir/box.ts';
import { exchangeSeconds, gatherSeconds } from '../../ir/collectives.ts';
import { readSeconds } from '../../ir/machine.ts';
import { product } from '../../ir/type.ts';
import {
  bestHalo,
  type HaloAnswer,
  type HaloQuestion,
  priceHalo,
  pureExchange,
  pureOverlap,
} from './halo.ts';
import type { ValueProfile } from './profile.ts';
import { type Shape, samplesIn } from './shapes.ts';
import type { HaloStrategy, Situation } from './situation.ts';
import { sumsInSweep } from './sweep.ts';

/** Halo decisions that were made already are kept. */
type Halos = { readonly situation: Situation; readonly halos: Map<string, HaloAnswer> };

const strategies: { readonly [S in HaloStrategy]: (question: HaloQuestion) => HaloAnswer } = {
  overlap: pureOverlap,
  exchange: (question) => (question.exchanges ? pureExchange : pureOverlap)(question),
};

/** The same for all shapes whose tiles, samples and links are alike. */
export function haloOf({ situation, halos }: Halos, shape: Shape): HaloAnswer {
  const { pins, machine, strategy } = situation;
  const isFar = product(shape.grid) > machine.devicesPerNode;
  // How far neighbours along an axis are from each other, as far as that matters.
  const distances = shape.grid.map((_, axis) =>
    Math.min(machine.devicesPerNode, product(shape.grid.slice(axis + 1))),
  );
  const key = [
    shape.tile,
    shape.units,
    samplesIn(situation, shape),
    isFar ? 'far' : shape.grid,
    distances,
    shape.grid.map((tiles) => tiles > 1),
    shape.stream,
    ...sumsInSweep(situation, shape),
  ].join(' ');
  const known = halos.get(key);
  if (known !== undefined) return known;
  const question = haloQuestion(situation, shape);
  const isPinned = pins.exchanges !== undefined || pins.coarsen !== undefined;
  const decide = strategy === undefined ? bestHalo : strategies[strategy];
  const answer = isPinned ? priceHalo(question, pins.exchanges ?? [], pins.coarsen) : decide(question);
  halos.set(key, answer);
  return answer;
}

function haloQuestion(situation: Situation, shape: Shape): HaloQuestion {
  const { profile, machine } = situation;
  const count = product(shape.grid);
  const tiles = shape.grid.map((devices, axis) => devices * at(shape.stream, axis));
  return {
    profile,
    device: machine.device,
    tile: shape.tile,
    units: shape.units,
    grid: tiles,
    samples: samplesIn(situation, shape),
    exchangeSeconds: (bytes, away) => exchangeSeconds(machine, shape.grid, bytes, away),
    gatherSeconds: (bytes) => gatherSeconds(machine, { count, spacing: 1, first: 0 }, bytes),
    swept: sumsInSweep(situation, shape),
    exchanges: product(shape.stream) === 1,
  };
}

/** Cells of a value that a tile holds with a margin, an axis. */
const sidesOf = (
  { stride, extents }: ValueProfile,
  tile: readonly number[],
  tiles: readonly number[],
  margin: number,
): number[] =>
  stride.map((step, axis) =>
    Math.min(at(extents, axis), at(tile, axis) / step + (at(tiles, axis) > 1 ? margin : 0)),
  );

/** Bytes of all maps on the tile, margins included, per byte of the untiled network on one sample. */
export function shareOfBytes(situation: Situation, shape: Shape, halo: HaloAnswer): number {
  const { margins, coarsen, ofGroups } = halo;
  const group = shape.tile.map((side, axis) =>
    Math.min(side * (coarsen?.grid[axis] ?? 1), side * at(shape.grid, axis)),
  );
  let [whole, held] = [0, 0];
  const tiles = shape.grid.map((count, axis) => count * at(shape.stream, axis));
  for (const [name, value] of situation.profile.values) {
    const { extents, cellBytes } = value;
    const tile = ofGroups?.has(name) === true ? group : shape.tile;
    const sides = sidesOf(value, tile, tiles, margins.get(name) ?? 0);
    whole += product(extents) * cellBytes;
    held += product(sides) * cellBytes;
  }
  return (held / whole) * samplesIn(situation, shape);
}

/** Seconds of a step in which a device reads its windows from storage. */
export function loadSeconds(situation: Situation, shape: Shape, { margins }: HaloAnswer): number {
  const { model, profile, machine } = situation;
  const read = model.inputs.flatMap(({ name, source }) => {
    const value = profile.values.get(name);
    if (value === undefined || (source.from !== 'image' && source.from !== 'target')) return [];
    const margin = margins.get(name) ?? 0;
    const sides = value.stride.map((step, axis) => {
      const [devices, stream] = [at(shape.grid, axis), at(shape.stream, axis)];
      // A device that has all tiles of an axis has those at the borders, too, which have a margin on one side.
      const mean = devices > 1 ? margin : (margin * (stream - 1)) / stream;
      return Math.min(at(value.extents, axis), at(shape.tile, axis) / step + mean);
    });
    return [value.cellBytes * product(sides)];
  });
  // Of a pipeline, the image is read by one stage and the labels are by another, or by the same.
  const bytes = read.reduce((sum, one) => sum + one, 0);
  return readSeconds(
    machine,
    bytes * shape.microBatches * product(shape.stream) * samplesIn(situation, shape),
  );
}
