/** What a device finds around it: the roles of its neighbours, and which cells of a value they own, seen from its own. */
import { at, type Box, range } from '../box.ts';
import type { Plan, Role } from '../plan.ts';
import { neighbour, roleIndexIn, type Seat, tileAt } from '../ranks.ts';
import { type Ownership, ownership } from '../tiling.ts';
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
  const bounds = boundsIn(plan, ownership(plan.model, plan.schedule.cuts));
  const roleAt = roleIndexIn(plan);
  const known = new Map<Role, Map<string, Kinds>>();
  return (role, value, offsets) => {
    const { table, key: cut } = bounds(value);
    const ofRole = known.get(role) ?? new Map<string, Kinds>();
    known.set(role, ofRole);
    const key = `${cut} ${[...offsets.keys()].join(' ')}`;
    const found = ofRole.get(key) ?? kindsOf(seatsOfRole(plan, role), (seat) => around(seat, offsets, table));
    ofRole.set(key, found);
    return found;
  };

  function around(seat: Seat, offsets: ReadonlyMap<string, readonly number[]>, table: Bounds): Surrounding {
    const here = tileAt(plan, seat.place).map((tile, axis) => at(at(table, axis), tile));
    return new Map(
      [...offsets].flatMap(([key, offset]) => {
        const found = neighbour(plan, seat, offset);
        if (found === undefined) return [];
        const owned = tileAt(plan, found.place).map((tile, axis) => {
          const [marks, from] = [at(table, axis), at(here, axis)];
          return range(at(marks, tile) - from, at(marks, tile + 1) - from);
        });
        return [[key, { role: roleAt(found), owned }] as const];
      }),
    );
  }
}

/** On each axis where the tiles of a value begin, and where the last ends. */
type Bounds = readonly (readonly number[])[];

/** The bounds of a value, and a key that values with equal ones share. */
function boundsIn({ schedule }: Plan, owners: Ownership) {
  const known = new Map<string, { readonly table: Bounds; readonly key: string }>();
  return (value: string) => {
    const found = known.get(value);
    if (found !== undefined) return found;
    const table = schedule.cuts.map((marks, axis) =>
      marks.map((_, index) => owners.origin(value, axis, index)),
    );
    const made = { table, key: table.join(' ') };
    known.set(value, made);
    return made;
  };
}

function kindsOf(seats: readonly Seat[], surroundingOf: (seat: Seat) => Surrounding): Kinds {
  const indices = new Map<string, number>();
  const kinds: Surrounding[] = [];
  const found = seats.map((seat) => {
    const surrounding = surroundingOf(seat);
    const key = JSON.stringify([...surrounding]);
    const index = indices.get(key) ?? kinds.push(surrounding) - 1;
    indices.set(key, index);
    return index;
  });
  return { kinds, seats: found };
}
