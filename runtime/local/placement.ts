/** Where a device, or a tile of a prediction, sits in the plan, and where its boxes lie in the image. */
import { type Box, shiftBox } from '../../ir/box.ts';
import type { Plan } from '../../ir/plan.ts';
import { placesOf, roleIndexAt, type Seat, seatOf } from '../../ir/ranks.ts';
import { type Ownership, tileIndices } from '../../ir/tiling.ts';
import { product } from '../../ir/type.ts';

/** Tiles of one sample that are given out one by one: of a prediction all, of a training one for each place. */
export const tileTotal = (plan: Plan): number => product(placesOf(plan));

/** The tile that a device has for the whole of a training. */
export const tileOf = (plan: Plan, rank: number): number => rank % tileTotal(plan);

/** In training every device has a seat of its own; a prediction has one seat for each tile. */
export const seatFor = (plan: Plan, rank: number, tile: number): Seat =>
  plan.purpose === 'train'
    ? seatOf(plan, rank)
    : { replica: 0, stage: 0, place: tileIndices(placesOf(plan), tile) };

/** Index of the role of a seat. */
export function roleIndexOf(plan: Plan, seat: Seat): number {
  const found = roleIndexAt(plan, seat);
  if (found < 0) throw new RangeError(`plan ${plan.name} has no role for place ${seat.place}`);
  return found;
}

/** Index in the batch of the step of the sample `index` of a micro-batch. */
export const sampleOf = (plan: Plan, replica: number, micro: number, index: number): number =>
  (replica * plan.schedule.microBatches + micro) * plan.samples + index;

/** From tile coordinates to those of the value. */
export const inImage = (owners: Ownership, value: string, tile: readonly number[], box: Box): Box =>
  shiftBox(
    box,
    tile.map((index, axis) => owners.origin(value, axis, index)),
  );

/** The cells of a value that a tile owns, in the coordinates of the value. */
export const ownedBox = (owners: Ownership, value: string, tile: readonly number[]): Box =>
  tile.map((index, axis) => owners.owned(value, axis, index));
