/** Interval arithmetic of ops that slide a window: convolutions, pooling, and their transposes. */
import { at, isEmpty, type Range, range } from '../box.ts';
import type { Sides, Window } from './attributes.ts';

type Sliding = Window & { readonly dilation?: readonly number[]; readonly pad?: readonly Sides[] };

export const reach = (op: Sliding, axis: number): number =>
  (at(op.kernel, axis) - 1) * (op.dilation?.[axis] ?? 1) + 1;

export const padOf = (op: Sliding, axis: number): Sides => op.pad?.[axis] ?? [0, 0];

/** How many windows fit an axis of `size` cells with its padding; below 1 where the window is too large. */
export function steps(op: Sliding, axis: number, size: number): number {
  const [lo, hi] = padOf(op, axis);
  return Math.floor((size + lo + hi - reach(op, axis)) / at(op.stride, axis)) + 1;
}

/** The input cells under the windows that give the output cells `out`. */
export function windowsOver(op: Sliding, axis: number, out: Range): Range {
  const stride = at(op.stride, axis);
  const [lo] = padOf(op, axis);
  const from = out.from * stride - lo;
  return isEmpty(out) ? range(from, from) : range(from, (out.to - 1) * stride - lo + reach(op, axis));
}

/** The input cells whose (transposed) window touches the output cells `out`; `lo` cells are cut off before. */
export function windowsTouching(op: Window, axis: number, out: Range, lo: number): Range {
  const stride = at(op.stride, axis);
  const from = Math.ceil((out.from + lo - at(op.kernel, axis) + 1) / stride);
  return isEmpty(out) ? range(from, from) : range(from, Math.floor((out.to - 1 + lo) / stride) + 1);
}
