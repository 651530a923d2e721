/** What a tile holds of a value: its own cells or those of its group, and a margin of others around them. */
import { at, type Range, range } from '../../ir/box.ts';
import type { Coarsening } from '../../ir/schedule.ts';
import { coarseValues } from '../lower/layout.ts';
import type { Profile, ValueProfile } from './profile.ts';

/**
 * Cells beyond the own ones, on the low and the high side. `group`: beyond those of the tile's group, of a value that
 * each tile has its own part of.
 */
export type Margin = readonly [lo: number, hi: number, group: 0 | 1];

export const noMargin: Margin = [0, 0, 0];

/** Margins of whole cells as one number. */
export const marginKey = ([lo, hi, group]: Margin): number => (lo * 2 ** 25 + hi) * 2 + group;

export const isNothing = (margin: Margin): boolean => isSame(margin, noMargin);

export const isSame = (a: Margin, b: Margin): boolean => a[0] === b[0] && a[1] === b[1] && a[2] === b[2];

/** Whether the first is no wider than the second on any side. */
export const isWithin = (a: Margin, b: Margin): boolean => a[0] <= b[0] && a[1] <= b[1] && a[2] <= b[2];

export const wider = (a: Margin, b: Margin): Margin => [
  Math.max(a[0], b[0]),
  Math.max(a[1], b[1]),
  a[2] === 1 ? 1 : b[2],
];

export type Tiles = {
  readonly profile: Profile;
  /** Cells of the finest result that the tile owns, an axis. */
  readonly tile: readonly number[];
  /** Tiles along each axis; where there is one, there are no margins. */
  readonly grid: readonly number[];
  /** Groups of tiles have the coarse values in common. */
  readonly coarsen?: Coarsening;
};

export type Holdings = {
  /** Whether groups have a value in common. */
  isCoarse(value: string): boolean;
  /** Cells of a value along an axis that a tile, or the group of which it is the first, begins and ends with. */
  owned(value: string, axis: number, begin: number, isGroup: boolean): Range;
  /** Cells of one sample that a tile with a margin holds; no axis holds more than the image has. */
  cells(value: string, margin: Margin): number;
  /** Of those the ones beyond `kept` along each axis, the corners with the first axes, and how many tiles away they are. */
  borders(value: string, margin: Margin, kept: Margin): { readonly cells: number[]; readonly away: number[] };
  /** How many cells a side neighbours must give so that nothing of a margin is left to compute. */
  reach(value: string, margin: Margin): number;
};

export function holdingsOf({ profile, tile, grid, coarsen }: Tiles): Holdings {
  const { values, model } = profile;
  const coarse = coarsen === undefined ? new Set<string>() : coarseValues(model, coarsen);
  const group = grid.map((count, axis) => Math.min(count, coarsen?.grid[axis] ?? 1));
  const profileOf = (name: string): ValueProfile => {
    const value = values.get(name);
    if (value === undefined) throw new Error(`${name} is no spatial value`);
    return value;
  };
  const tiles = (name: string, axis: number, isGroup: boolean) =>
    isGroup || coarse.has(name) ? at(group, axis) : 1;
  const side = (name: string, { stride, extents }: ValueProfile, axis: number, margin: Margin): number => {
    const [lo, hi, isGroup] = margin;
    const own = Math.ceil((at(tile, axis) * tiles(name, axis, isGroup === 1)) / at(stride, axis));
    return Math.min(at(extents, axis), Math.max(1, own + (at(grid, axis) > 1 ? lo + hi : 0)));
  };
  const sides = (name: string, margin: Margin): number[] => {
    const value = profileOf(name);
    return value.stride.map((_, axis) => side(name, value, axis, margin));
  };
  return {
    isCoarse: (value) => coarse.has(value),
    owned(name, axis, begin, isGroup) {
      const step = at(profileOf(name).stride, axis);
      const from = Math.ceil(begin / step);
      const end = begin + at(tile, axis) * tiles(name, axis, isGroup);
      return range(from, Math.max(from + 1, Math.ceil(end / step)));
    },
    cells(name, margin) {
      const value = profileOf(name);
      let cells = 1;
      for (let axis = 0; axis < value.stride.length; axis++) cells *= side(name, value, axis, margin);
      return cells;
    },
    borders(name, margin, kept) {
      const [own, wide] = [sides(name, kept), sides(name, margin)];
      const one = sides(name, noMargin);
      const cells = own.map((side, axis) =>
        own.reduce(
          (all, other, i) => (i === axis ? all : all * (i < axis ? other : at(wide, i))),
          at(wide, axis) - side,
        ),
      );
      const most = Math.max(margin[0], margin[1]);
      const away = one.map((side, axis) => {
        const inGroup = margin[2] === 1 ? at(group, axis) - 1 : 0;
        const owner = coarse.has(name) ? side / at(group, axis) : side;
        return Math.max(1, inGroup, Math.ceil(most / owner));
      });
      return { cells, away };
    },
    reach(name, [lo, hi, isGroup]) {
      const inGroup = profileOf(name).stride.map((step, axis) =>
        isGroup === 1 ? (at(group, axis) - 1) * Math.ceil(at(tile, axis) / step) : 0,
      );
      return Math.max(...inGroup) + Math.max(lo, hi);
    },
  };
}

/** What is left to compute of a margin of which neighbours give so many cells a side; of a group's cells all or nothing. */
export function lessBy([lo, hi, group]: Margin, cells: number, reach: number): Margin {
  if (group === 1) return cells >= reach ? noMargin : [lo, hi, 1];
  return [Math.max(0, lo - cells), Math.max(0, hi - cells), 0];
}
