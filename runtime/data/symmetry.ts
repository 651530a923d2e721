/**
 * The eight symmetries of a window (flips and quarter turns) as index maps. Cell (i, j) of the changed window
 * shows cell (y, x) of the window as stored:
 *
 *   (u, v) = transpose ? (j, i) : (i, j)      y = reverse[0] ? height - 1 - u : u      x likewise
 */
import { type Range, range } from '../../ir/box.ts';

export type Symmetry = { readonly transpose: boolean; readonly reverse: readonly [boolean, boolean] };

export const identity: Symmetry = { transpose: false, reverse: [false, false] };

/** A picture turned by `turns` quarters counter-clockwise, with `flips` of its axes after it. */
export function symmetryOf(turns: number, flips: readonly [boolean, boolean]): Symmetry {
  const transpose = turns % 2 === 1;
  const turned: readonly [boolean, boolean] = [turns === 2 || turns === 3, turns === 1 || turns === 2];
  // A flip of the changed window's rows reverses the axis that its rows show.
  const [rows, columns] = transpose ? [flips[1], flips[0]] : flips;
  return { transpose, reverse: [turned[0] !== rows, turned[1] !== columns] };
}

const reversed = (r: Range, size: number): Range => range(size - r.to, size - r.from);

/** The stored rows and columns that the given ones of the changed window show; `sizes` as stored. */
export function storedBox(
  { transpose, reverse }: Symmetry,
  sizes: readonly [number, number],
  rows: Range,
  columns: Range,
): { readonly rows: Range; readonly columns: Range } {
  const [u, v] = transpose ? [columns, rows] : [rows, columns];
  return {
    rows: reverse[0] ? reversed(u, sizes[0]) : u,
    columns: reverse[1] ? reversed(v, sizes[1]) : v,
  };
}

/** Walks over stored pixels `[height, width]` in the order of the changed window's rows and columns. */
export type Walk = { readonly start: number; readonly byRow: number; readonly byColumn: number };

export function walkOf({ transpose, reverse }: Symmetry, height: number, width: number): Walk {
  const down = reverse[0] ? -width : width;
  const right = reverse[1] ? -1 : 1;
  const start = (reverse[0] ? (height - 1) * width : 0) + (reverse[1] ? width - 1 : 0);
  return transpose ? { start, byRow: right, byColumn: down } : { start, byRow: down, byColumn: right };
}
