/** Grids of tiles: where to cut, and in which order to try them. */
import { at } from '../../ir/box.ts';
import type { Model } from '../../ir/model.ts';
import { stridesOf, tiledExtents } from '../../ir/tiling.ts';

/**
 * Cuts of an axis into `count` tiles of nearly equal length, on multiples of `grid` cells where each tile
 * can have at least one, else anywhere. Returns undefined where there are more tiles than cells.
 */
function evenCuts(extent: number, count: number, grid: number): number[] | undefined {
  if (count > extent) return undefined;
  const unit = extent >= grid * count ? grid : 1;
  const cuts = Array.from({ length: count }, (_, tile) => Math.round((extent * tile) / count / unit) * unit);
  const whole = [...cuts, extent];
  const rises = whole.every((cut, i) => i === 0 || cut > at(whole, i - 1));
  return rises ? whole : evenCuts(extent, count, 1);
}

/** Cells of the output per cell of the coarsest value, for each axis: tiles that begin there share roles. */
function coarsestStride(model: Model): number[] {
  const strides = [...stridesOf(model).values()];
  return Array.from({ length: model.rank }, (_, axis) =>
    Math.max(1, ...strides.map((all) => Math.ceil(at(all, axis)))),
  );
}

/** Cuts for a grid of tiles, on multiples of the units; undefined where an axis has fewer cells than tiles. */
export function cutsOf(
  model: Model,
  tiles: readonly number[],
  grid: readonly number[] = coarsestStride(model),
): number[][] | undefined {
  const cuts = tiledExtents(model).map((extent, axis) => evenCuts(extent, at(tiles, axis), at(grid, axis)));
  return cuts.every((marks) => marks !== undefined) ? cuts : undefined;
}

/** All ways to write `count` as a product of one factor an axis. */
function factorizations(count: number, rank: number): number[][] {
  if (rank === 1) return [[count]];
  const divisors = divisorsOf(count);
  return divisors.flatMap((first) => factorizations(count / first, rank - 1).map((rest) => [first, ...rest]));
}

/** Ascending. Trial division up to the root: a count may be as large as somebody types. */
export function divisorsOf(count: number): number[] {
  const small: number[] = [];
  for (let divisor = 1; divisor * divisor <= count; divisor++) if (count % divisor === 0) small.push(divisor);
  const large = small.map((divisor) => count / divisor).reverse();
  return [...small, ...large.filter((divisor) => divisor !== small.at(-1))];
}
/** Cells of margin per cell of tile, up to a constant: the sum over the axes of tiles / extent. */
export const border = (extents: readonly number[], tiles: readonly number[]): number =>
  tiles.reduce((sum, count, axis) => sum + (count - 1) / at(extents, axis), 0);

/** The grid of `count` tiles with the shortest borders; wide tiles win a tie, for rows are contiguous. */
export function squarest(extents: readonly number[], count: number): number[] {
  const grids = factorizations(count, extents.length);
  return grids.reduce((best, grid) => (border(extents, grid) <= border(extents, best) ? grid : best));
}
