/** Class maps as gray pictures in which classes can be told apart by eye. */
import type { Result } from '../../ir/diagnostics/diagnostic.ts';
import { NOT_LABELLED } from '../data/data.ts';
import { createPng } from '../files/png.ts';

/** The gray of each class: as the labels are stored where the data map them, else evenly from black to white. */
export function grayLevels(count: number, labels?: ReadonlyMap<number, number>): Uint8Array {
  const stored = new Map([...(labels ?? [])].toReversed().map(([value, index]) => [index, value]));
  const known = Array.from({ length: count }, (_, index) => stored.get(index));
  const all = known.every((value) => value !== undefined && value <= 255);
  return Uint8Array.from(known, (value = 0, index) => (all ? value : evenly(index, count)));
}

const evenly = (index: number, count: number): number => Math.round((index * 255) / Math.max(1, count - 1));

export type MaskWriter = {
  /** Adds whole rows of classes, top to bottom. */
  readonly push: (classes: Uint8Array) => Promise<Result<undefined>>;
  readonly close: () => Promise<Result<undefined>>;
  readonly abandon: () => void;
};

export type MaskLayout = { readonly width: number; readonly height: number; readonly levels: Uint8Array };

/** A mask that is written as its rows come. Errors: `write-failed`. */
export function createMask(path: string, { width, height, levels }: MaskLayout): Result<MaskWriter> {
  const png = createPng(path, { width, height, channels: 1 });
  if (!png.ok) return png;
  const { push, close, abandon } = png.value;
  const gray = (classes: Uint8Array) => Uint8Array.from(classes, (index) => levels[index] ?? NOT_LABELLED);
  return { ...png, value: { push: (classes) => push(gray(classes)), close, abandon } };
}
