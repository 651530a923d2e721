/** What a device finds around it: the roles of its neighbours, and which cells of a value they own, seen from its own. */
import { at, type Box, type Range, range } from '../box.ts';
import type { Plan, Role } from '../plan.ts';
import { neighbour, roleIndexIn, type Seat } from '../ranks.ts';
import { type Bounds, tabledOwnership } from '../tiling.ts';
import { seatsOfRole } from './seats.ts';

export type Neighbour = {
  /** Index of its role; -1 where the plan has none. */
  readonly role: number;
  /** Counted from the first cell that the device owns. */
  readonly owned: Box;
};

/** By offset, joined; without those beyond the grid. */
export type Surrounding = ReadonlyMap<string, Neighbour>;

/** The ways in which the seats of a role are surrounded, and for each seat to check the index of its own. */
export type Kinds = { readonly kinds: readonly Surrounding[]; readonly seats: readonly number[] };

/** `offsets`: by what they are joined. */
export type Surroundings = (
  role: Role,
  value: string,
  offsets: ReadonlyMap<string, readonly number[]>,
) => Kinds;

/** Told once for all values that are cut alike. */
export function surroundingsIn(plan: Plan): Surroundings {
  const cutOf = cutsIn(plan);
  const roleAt = roleIndexIn(plan);
  const known = new Map<Role, Map<string, Kinds>>();
  return (role, value, offsets) => {
    const cut = cutOf(value);
    const ofRole = known.get(role) ?? new Map<string, Kinds>();
    known.set(role, ofRole);
    const key = `${cut.key} ${[...offsets.keys()].join(' ')}`;
    const found = ofRole.get(key) ?? kindsOf(plan, role, cut, offsets, roleAt);
    ofRole.set(key, found);
    return found;
  };
}

/** How a value is cut, and a key that all values share which are cut so. */
type Cut = {
  readonly key: string;
  readonly bounds: Bounds;
  /** By axis, and by the steps that are asked for, in words what each place finds there. */
  readonly words: Map<string, Map<number, string>>;
};

function cutsIn({ model, schedule }: Plan): (value: string) => Cut {
  const { bounds } = tabledOwnership(model, schedule.cuts);
  const ofValues = new Map<string, Cut>();
  const byKey = new Map<string, Cut>();
  return (value) => {
    const known = ofValues.get(value);
    if (known !== undefined) return known;
    const key = bounds(value).join(' ');
    const cut = byKey.get(key) ?? { key, bounds: bounds(value), words: new Map() };
    byKey.set(key, cut);
    ofValues.set(value, cut);
    return cut;
  };
}

/** Seats are surrounded alike if they are so on each axis: the neighbours' classes, and the cells that they own. */
function kindsOf(
  plan: Plan,
  role: Role,
  cut: Cut,
  offsets: ReadonlyMap<string, readonly number[]>,
  roleAt: (seat: Seat) => number,
): Kinds {
  const steps = plan.axes.map((_, axis) => [
    ...new Set([...offsets.values()].map((offset) => offset[axis] ?? 0)),
  ]);
  const indices = new Map<string, number>();
  const kinds: Surrounding[] = [];
  const seats = seatsOfRole(plan, role).map((seat) => {
    const key = seat.place.map((place, axis) => wordsAt(plan, cut, axis, place, at(steps, axis))).join('; ');
    const index = indices.get(key) ?? kinds.push(around(plan, seat, offsets, cut.bounds, roleAt)) - 1;
    indices.set(key, index);
    return index;
  });
  return { kinds, seats };
}

function wordsAt(plan: Plan, { bounds, words }: Cut, axis: number, place: number, steps: readonly number[]) {
  const key = `${axis}: ${steps.join()}`;
  const known = words.get(key) ?? new Map<number, string>();
  words.set(key, known);
  const found = known.get(place) ?? steps.map((step) => wordOf(plan, bounds, axis, place, step)).join();
  known.set(place, found);
  return found;
}

function wordOf(plan: Plan, bounds: Bounds, axis: number, place: number, step: number): string {
  const { classes } = at(plan.axes, axis);
  const other = place + step;
  if (!(other in classes)) return 'nothing';
  const { from, to } = ownedFrom(plan, bounds, axis, place, other);
  return `${at(classes, other)} ${from} ${to}`;
}

/** The cells that a place owns on an axis, counted from the first that another owns. */
function ownedFrom({ schedule }: Plan, bounds: Bounds, axis: number, here: number, other: number): Range {
  const [marks, tiles] = [at(bounds, axis), schedule.stream[axis] ?? 1];
  const from = at(marks, here * tiles);
  return range(at(marks, other * tiles) - from, at(marks, other * tiles + 1) - from);
}

function around(
  plan: Plan,
  seat: Seat,
  offsets: ReadonlyMap<string, readonly number[]>,
  bounds: Bounds,
  roleAt: (seat: Seat) => number,
): Surrounding {
  return new Map(
    [...offsets].flatMap(([key, offset]) => {
      const found = neighbour(plan, seat, offset);
      if (found === undefined) return [];
      const owned = found.place.map((other, axis) =>
        ownedFrom(plan, bounds, axis, at(seat.place, axis), other),
      );
      return [[key, { role: roleAt(found), owned }] as const];
    }),
  );
}
