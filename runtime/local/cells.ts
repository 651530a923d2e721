/** Walks over the cells that a tile owns inside a buffer that also holds margins. */
import { at, type Box, extents, intersect, volume } from '../../ir/box.ts';
import { product } from '../../ir/type.ts';

/** Runs of neighbouring cells (on the last axis) of `part` as offsets into the row-major cells of `whole`. */
export function runsOf(whole: Box, part: Box): { readonly start: number; readonly length: number }[] {
  const inside = whole.map((range, axis) => intersect(range, at(part, axis)));
  if (volume(inside) === 0) return [];
  const sizes = extents(whole);
  const length = extents(inside).at(-1) ?? 1;
  const starts = inside.reduce<number[]>(
    (found, range, axis) => {
      const rows = axis === inside.length - 1 ? 1 : range.to - range.from;
      const first = range.from - at(whole, axis).from;
      return found.flatMap((start) =>
        Array.from({ length: rows }, (_, i) => start * at(sizes, axis) + first + i),
      );
    },
    [0],
  );
  return starts.map((start) => ({ start, length }));
}

/** The cells `part` of a tensor `[maps, ...extents(whole)]`, packed: `[maps, ...extents(part)]`. */
export function cutOut<T extends Float32Array | Uint8Array>(
  data: T,
  maps: number,
  whole: Box,
  part: Box,
  make: (length: number) => T,
): T {
  const runs = runsOf(whole, part);
  const cells = product(extents(whole));
  const packed = make(maps * runs.reduce((total, { length }) => total + length, 0));
  let next = 0;
  for (let map = 0; map < maps; map++)
    for (const { start, length } of runs) {
      const from = map * cells + start;
      packed.set(data.subarray(from, from + length), next);
      next += length;
    }
  return packed;
}

export type Labelled = { readonly data: Uint8Array; readonly box: Box };

/** Calls `visit` with the two values of every cell of `part`, of every sample, that both maps hold. */
export function eachPair(
  a: Labelled,
  b: Labelled,
  samples: number,
  part: Box,
  visit: (a: number, b: number) => void,
): void {
  const common = a.box.map((range, axis) => intersect(intersect(range, at(b.box, axis)), at(part, axis)));
  const first = runsOf(a.box, common);
  const second = runsOf(b.box, common);
  const [aCells, bCells] = [volume(a.box), volume(b.box)];
  for (let sample = 0; sample < samples; sample++)
    first.forEach(({ start, length }, run) => {
      const aFrom = sample * aCells + start;
      const bFrom = sample * bCells + at(second, run).start;
      for (let i = 0; i < length; i++) visit(a.data[aFrom + i] ?? 0, b.data[bFrom + i] ?? 0);
    });
}

/** Counts, for each pair of classes, the cells labelled `row` and predicted `column`; others are not counted. */
export function countPairs(
  confusion: Float64Array,
  classes: number,
  labels: Labelled,
  predicted: Labelled,
  samples: number,
  part: Box,
): void {
  eachPair(labels, predicted, samples, part, (label, guess) => {
    if (label >= classes || guess >= classes) return;
    const index = label * classes + guess;
    confusion[index] = (confusion[index] ?? 0) + 1;
  });
}

/** How many cells of `part` have each of the 256 possible labels. */
export function countLabels({ data, box }: Labelled, samples: number, part: Box): Float64Array {
  const counts = new Float64Array(256);
  const cells = volume(box);
  const runs = runsOf(box, part);
  for (let sample = 0; sample < samples; sample++)
    for (const { start, length } of runs) {
      const from = sample * cells + start;
      for (let i = from; i < from + length; i++) {
        const label = data[i] ?? 0;
        counts[label] = (counts[label] ?? 0) + 1;
      }
    }
  return counts;
}
