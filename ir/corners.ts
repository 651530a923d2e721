/**
 * Enlarging an axis so that the centres of its first and its last cell stay where they are (`align_corners`): of n
 * cells, `factor` times as many. The cell o lies at o (n - 1) / (factor n - 1) among the n, less than one cell from
 * j = ⌊o / factor⌋: so it is made of the cells j - 1, j and j + 1, by shares that depend on its global position.
 */
import { at, type Box, extents, length } from './box.ts';

/** The shares of the cells before, at and after j, in this order, of one enlarged cell; they add up to 1. */
export function sharesOf(cell: number, factor: number, cells: number): [number, number, number] {
  const [j, rest] = [Math.floor(cell / factor), cell % factor];
  // cell (cells - 1) / (factor cells - 1) - j, with whole numbers above and below
  const away = (rest * (cells - 1) - j * (factor - 1)) / (factor * cells - 1);
  return [Math.max(0, -away), 1 - Math.abs(away), Math.max(0, away)];
}

export type Corners = { readonly axis: number; readonly factor: number };

/** The shares of the cells in `box`, as a map of three channels; `whole` is the box of the enlarged axis. */
export function cornerShares({ axis, factor }: Corners, whole: Box, box: Box): Float64Array {
  const cells = at(extents(whole), axis) / factor;
  const { from } = at(box, axis);
  const count = length(at(box, axis));
  const shares = new Float64Array(3 * count);
  for (let i = 0; i < count; i++)
    sharesOf(from + i, factor, cells).forEach((share, which) => {
      shares[which * count + i] = share;
    });
  return shares;
}
