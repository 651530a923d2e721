/**
 * The rank rule: which replica, stage and place a device has, which role and tiles follow, and who its peers are.
 *
 *   rank = (replica * stages + stage) * places + place
 */
import { at } from './box.ts';
import type { Group } from './ops/attributes.ts';
import type { Plan } from './plan.ts';
import { stagesOf } from './schedule.ts';
import { tileIndices } from './tiling.ts';
import { product } from './type.ts';

export type Seat = {
  readonly replica: number;
  readonly stage: number;
  /** Index in the grid of devices on each axis. */
  readonly place: readonly number[];
};

type Grid = Pick<Plan, 'axes' | 'schedule'>;

/** Devices along each axis, in one stage of one replica; of a prediction, its tiles. */
export const placesOf = ({ axes }: Pick<Plan, 'axes'>): number[] => axes.map(({ classes }) => classes.length);

export function seatOf(plan: Grid, rank: number): Seat {
  const counts = placesOf(plan);
  const row = Math.floor(rank / product(counts));
  const stages = stagesOf(plan.schedule);
  return {
    replica: Math.floor(row / stages),
    stage: row % stages,
    place: tileIndices(counts, rank % product(counts)),
  };
}

export function rankOf(plan: Grid, { replica, stage, place }: Seat): number {
  const counts = placesOf(plan);
  const index = place.reduce((all, one, axis) => all * at(counts, axis) + one, 0);
  return (replica * stagesOf(plan.schedule) + stage) * product(counts) + index;
}

/** Devices of a training. */
export const rankCount = (plan: Grid): number =>
  plan.schedule.replicas * stagesOf(plan.schedule) * product(placesOf(plan));

/** Index of the role of a seat; -1 where the plan has none. */
export const roleIndexAt = (plan: Plan, seat: Pick<Seat, 'stage' | 'place'>): number =>
  roleIndexIn(plan)(seat);

/** The same for whoever asks for many seats. */
export function roleIndexIn({ axes, roles }: Plan): (seat: Pick<Seat, 'stage' | 'place'>) => number {
  const known = new Map<string, number>();
  for (const [index, { stage, classes }] of roles.entries()) {
    const key = `${stage} ${classes.join()}`;
    if (!known.has(key)) known.set(key, index);
  }
  return ({ stage, place }) => {
    const classes = place.map((index, axis) => at(at(axes, axis).classes, index));
    return known.get(`${stage} ${classes.join()}`) ?? -1;
  };
}

/** The tile that a part of a place is, by its index on each axis. */
export const tileAt = (
  { schedule }: Pick<Plan, 'schedule'>,
  place: readonly number[],
  part?: readonly number[],
): number[] => place.map((index, axis) => index * (schedule.stream[axis] ?? 1) + (part?.[axis] ?? 0));

/** The seat `offset` places away in the same grid; undefined outside it. */
export function neighbour(plan: Grid, seat: Seat, offset: readonly number[]): Seat | undefined {
  const counts = placesOf(plan);
  const place = seat.place.map((index, axis) => index + (offset[axis] ?? 0));
  return place.every((index, axis) => index >= 0 && index < at(counts, axis))
    ? { ...seat, place }
    : undefined;
}

/** Ranks of a group, ascending: the grid of the stage of the replica, the stage of all replicas, or everybody. */
export function groupOf(plan: Grid, { replica, stage }: Seat, over: Group): number[] {
  const { replicas } = plan.schedule;
  const grid = (one: number) => {
    const first = rankOf(plan, { replica: one, stage, place: placesOf(plan).map(() => 0) });
    return Array.from({ length: groupSize(plan, 'grid') }, (_, place) => first + place);
  };
  const groups: { readonly [G in Group]: () => number[] } = {
    grid: () => grid(replica),
    stage: () => Array.from({ length: replicas }, (_, one) => grid(one)).flat(),
    all: () => Array.from({ length: rankCount(plan) }, (_, rank) => rank),
  };
  return groups[over]();
}

/** How many devices a group has; the same for each of its members. */
export function groupSize(plan: Grid, over: Group): number {
  const places = product(placesOf(plan));
  const sizes: { readonly [G in Group]: number } = {
    grid: places,
    stage: places * plan.schedule.replicas,
    all: rankCount(plan),
  };
  return sizes[over];
}
