/**
 * Regions: half-open boxes in the coordinates of a value, one range an axis, outermost axis first
 * (H, W or D, H, W). Everything about margins, padding, image borders and ownership is interval
 * arithmetic on these; there is no formula for a halo anywhere.
 */

/** The cells `from <= cell < to` of one axis. May leave the image while it is being computed. */
export type Range = { readonly from: number; readonly to: number };

export type Box = readonly Range[];

export const range = (from: number, to: number): Range => ({ from, to });

export const length = (r: Range): number => Math.max(0, r.to - r.from);

export const isEmpty = (r: Range): boolean => r.to <= r.from;

export const intersect = (a: Range, b: Range): Range => {
  const from = Math.max(a.from, b.from);
  return { from, to: Math.max(from, Math.min(a.to, b.to)) };
};

/** The smallest range that holds both; an empty range adds nothing. */
export const hull = (a: Range, b: Range): Range => {
  if (isEmpty(a)) return b;
  if (isEmpty(b)) return a;
  return { from: Math.min(a.from, b.from), to: Math.max(a.to, b.to) };
};

export const shift = (r: Range, by: number): Range => ({ from: r.from + by, to: r.to + by });

const sameRange = (a: Range, b: Range): boolean => a.from === b.from && a.to === b.to;

/** The box of an image of the given extents, starting at the origin. */
export const wholeBox = (extents: readonly number[]): Box => extents.map((size) => range(0, size));

export const extents = (box: Box): number[] => box.map(length);

export function volume(box: Box): number {
  let cells = 1;
  for (const r of box) cells *= length(r);
  return cells;
}

export function sameBox(a: Box, b: Box): boolean {
  if (a === b) return true;
  if (a.length !== b.length) return false;
  for (let axis = 0; axis < a.length; axis++) if (!sameRange(at(a, axis), at(b, axis))) return false;
  return true;
}

export const shiftBox = (box: Box, by: readonly number[]): Box =>
  box.map((r, axis) => shift(r, at(by, axis)));

/** `list[index]`, for an index that is known to be inside; outside is our own bug. */
export function at<T>(list: readonly T[], index: number): T {
  if (index < 0 || index >= list.length) throw new RangeError(`index ${index} of ${list.length} elements`);
  return list[index] as T;
}
