/** The rank rule: which replica, tile and role a device has, and where its boxes lie in the image. */
import { at, type Box, shiftBox } from '../../ir/box.ts';
import type { Plan, Role } from '../../ir/plan.ts';
import { type Ownership, tileIndices } from '../../ir/tiling.ts';
import { product } from '../../ir/type.ts';

const tileCounts = (plan: Plan): number[] => plan.axes.map(({ cuts }) => cuts.length - 1);

/** Tiles of one sample. */
export const tileTotal = (plan: Plan): number => product(tileCounts(plan));

export const tilePosition = (plan: Plan, tile: number): number[] => tileIndices(tileCounts(plan), tile);

/** Index of the role that works on a tile. */
export function roleIndexOf(plan: Plan, tile: number): number {
  const classes = tilePosition(plan, tile).map((index, axis) => at(at(plan.axes, axis).classes, index));
  const found = plan.roles.findIndex((role) => role.classes.every((c, axis) => c === at(classes, axis)));
  if (found < 0) throw new RangeError(`plan ${plan.name} has no role for tile ${tile}`);
  return found;
}

export const roleOf = (plan: Plan, tile: number): Role => at(plan.roles, roleIndexOf(plan, tile));

export const replicaOf = (plan: Plan, rank: number): number => Math.floor(rank / tileTotal(plan));

/** The tile that a device has for the whole of a training. */
export const tileOf = (plan: Plan, rank: number): number => rank % tileTotal(plan);

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
