/** What it takes to do ops a piece at a time: kernels on few cells attain less, and pieces are cut out and added up. */
import { at } from '../../../ir/box.ts';

export type Pieces = {
  /** Seconds of an op of the model, one way, on a share of its cells. */
  seconds(op: number, way: 'forward' | 'backward', share: number): number;
  /** Seconds of cutting so many bytes out of a map. */
  cut(bytes: number): number;
  /** Seconds of adding so many bytes to a sum. */
  add(bytes: number): number;
  /** Seconds of beginning a session. */
  readonly session: number;
  /** The axis along which maps are cut. */
  readonly axis: number;
};

/** Along the longest axis margins are the smallest share of a piece; the outermost of several. */
export const longestAxis = (extents: readonly number[]): number => extents.indexOf(Math.max(...extents));

/** As if kernels took the share of their seconds that they have of the cells, and nothing else took any. */
export const smoothPieces = (
  forward: readonly number[],
  backward: readonly number[],
  extents: readonly number[],
): Pieces => ({
  seconds: (op, way, share) => share * at(way === 'forward' ? forward : backward, op),
  cut: () => 0,
  add: () => 0,
  session: 0,
  axis: longestAxis(extents),
});
