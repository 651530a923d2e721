/** Cells added to, or cut off, the sides of maps. */
import type { Sides } from '../../../ir/ops/attributes.ts';
import { cellsOf, type Three } from './kernel.ts';

export type ThreeSides = readonly [depth: Sides, height: Sides, width: Sides];

const grow = (size: number, [lo, hi]: Sides): number => size + lo + hi;

export const framedExtents = (extents: Three, sides: ThreeSides): Three => [
  grow(extents[0], sides[0]),
  grow(extents[1], sides[1]),
  grow(extents[2], sides[2]),
];

export const negated = (sides: ThreeSides): ThreeSides => {
  const negate = ([lo, hi]: Sides): Sides => [-lo, -hi];
  return [negate(sides[0]), negate(sides[1]), negate(sides[2])];
};

/** First and end of the cells of an axis that are there before and after. */
const shared = (size: number, [lo, hi]: Sides): [from: number, to: number] => [
  Math.max(0, -lo),
  size - Math.max(0, -hi),
];

/** Each of the `planes` with zeros added to its sides; negative sides are cut off. */
export function reframe(
  values: Float64Array,
  planes: number,
  extents: Three,
  sides: ThreeSides,
): Float64Array {
  const target = framedExtents(extents, sides);
  const result = new Float64Array(planes * cellsOf(target));
  const [[z0, z1], [y0, y1], [x0, x1]] = [
    shared(extents[0], sides[0]),
    shared(extents[1], sides[1]),
    shared(extents[2], sides[2]),
  ];
  if (x1 <= x0) return result;
  for (let plane = 0; plane < planes; plane++)
    for (let z = z0; z < z1; z++)
      for (let y = y0; y < y1; y++) {
        const from = ((plane * extents[0] + z) * extents[1] + y) * extents[2];
        const to = ((plane * target[0] + z + sides[0][0]) * target[1] + y + sides[1][0]) * target[2];
        result.set(values.subarray(from + x0, from + x1), to + x0 + sides[2][0]);
      }
  return result;
}
