/** How good a segmentation is: counts of labelled against predicted classes, and what follows from them. */

/** `counts[labelled * classes + predicted]`, in pixels. Matrices of tiles and steps add up. */
export type Confusion = { readonly classes: number; readonly counts: Float64Array };

export type Score = {
  /** Share of the labelled pixels that are predicted rightly; NaN if none is labelled. */
  readonly accuracy: number;
  /** Intersection over union of each class; NaN for a class that is neither labelled nor predicted. */
  readonly iou: readonly number[];
  /** Labelled pixels. */
  readonly pixels: number;
};

export const emptyConfusion = (classes: number): Confusion => ({
  classes,
  counts: new Float64Array(classes * classes),
});

/** Adds pixels to the counts in place; labels of `classes` and above are not labelled and do not count. */
export function addPixels({ classes, counts }: Confusion, labelled: Uint8Array, predicted: Uint8Array): void {
  if (labelled.length !== predicted.length)
    throw new RangeError(`${labelled.length} labels for ${predicted.length} predictions`);
  for (let i = 0; i < labelled.length; i++) {
    const label = labelled[i] ?? classes;
    if (label >= classes) continue;
    const cell = label * classes + (predicted[i] ?? 0);
    counts[cell] = (counts[cell] ?? 0) + 1;
  }
}

const range = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

/** Accuracy and intersection over union of each class. */
export function scoreOf({ classes, counts }: Confusion): Score {
  const count = (label: number, predicted: number) => counts[label * classes + predicted] ?? 0;
  const sum = (numbers: readonly number[]) => numbers.reduce((a, b) => a + b, 0);
  const all = range(classes);
  const pixels = sum([...counts]);
  const right = all.map((c) => count(c, c));
  const iou = all.map((c, i) => {
    const labelled = sum(all.map((other) => count(c, other)));
    const predicted = sum(all.map((other) => count(other, c)));
    return (right[i] ?? 0) / (labelled + predicted - (right[i] ?? 0));
  });
  return { accuracy: sum(right) / pixels, iou, pixels };
}

/** Mean intersection over union of the classes that occur; NaN if none does. */
export function meanIou({ iou }: Pick<Score, 'iou'>): number {
  const known = iou.filter((one) => !Number.isNaN(one));
  return known.reduce((sum, one) => sum + one, 0) / known.length;
}
