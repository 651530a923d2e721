/** Whether data fit a network, before the first step: everything that can be known without training. */
import { at, extents, length } from '../../ir/box.ts';
import {
  type Diagnostic,
  diagnose,
  type Fault,
  failure,
  fault,
  type Result,
  success,
} from '../../ir/diagnostics/diagnostic.ts';
import { type Area, type Data, type Label, NOT_LABELLED, type Pair, pairOf } from './data.ts';
import type { Raster } from './raster.ts';
import { gridSize, windowsOf } from './sample-window.ts';

/** What a network and its training take. */
export type Needs = {
  /** Of the input image. */
  readonly channels: number;
  /** Of the input image; absent where it takes any size. */
  readonly extents?: readonly number[];
  /** Number of classes of the target; absent where no labels are read. */
  readonly classes?: number;
  /** Channels of the target where it is numbers to regress. */
  readonly numbers?: number;
  /** Samples a step; absent where nothing is trained. */
  readonly batch?: number;
};

/**
 * Checks one split. Errors, all at once: `split-unknown`, `image-channels-differ`, `image-too-small`,
 * `too-few-windows`, `turns-need-squares`, `pair-incomplete`, `label-value-unknown`,
 * `labels-all-alike`, `target-channels-differ`.
 */
export function checkData(data: Data, split: string, needs: Needs): Result<Data> {
  const areas = data.splits.get(split);
  if (areas === undefined) {
    const splits = [...data.splits.keys()].join(', ');
    return failure(diagnose(fault('split-unknown', { split, splits })));
  }
  const pairs = [...new Set(areas.map(({ pair }) => pair))].map((index) => pairOf(data, index));
  const faults = [
    ...pairs.flatMap((pair) =>
      [channelsFault(pair.image, needs) ?? [], targetFaults(data, pair, needs)].flat(),
    ),
    ...areas.flatMap((area) => sizeFaults(data, area, needs)),
  ];
  // The number of windows means something only where each area has one.
  const all = faults.length > 0 ? faults : trainingFaults(data, split, areas, needs);
  const diagnostics = all.map((one): Diagnostic => diagnose(one));
  return diagnostics.length > 0 ? failure(...diagnostics) : success(data);
}

/** An image of other channels than the network reads. */
export function channelsFault(image: Raster, { channels }: Pick<Needs, 'channels'>): Fault | undefined {
  if (image.channels === channels) return undefined;
  const args = { file: image.source, channels: image.channels, expected: channels };
  return fault('image-channels-differ', args);
}

function targetFaults(data: Data, pair: Pair, { classes, numbers }: Needs): Fault[] {
  const { name, image, label } = pair;
  if (classes === undefined && numbers === undefined) return [];
  if (label === undefined)
    return [fault('pair-incomplete', { file: image.source, missing: `label (${name})` })];
  if (classes !== undefined) return labelFaults(data, label, classes);
  const { source: file, channels } = label.raster;
  const differ = channels !== numbers && numbers !== undefined;
  return differ ? [fault('target-channels-differ', { file, channels, expected: numbers })] : [];
}

/** Every value of the label is a class of the target, or not labelled. */
function labelFaults(data: Data, label: Label, classes: number): Fault[] {
  return [...label.values].flatMap(([value, { x, y }]) => {
    const problem = problemOf(data, value, classes);
    return problem === undefined
      ? []
      : [fault('label-value-unknown', { file: label.raster.source, value, x, y, problem })];
  });
}

function problemOf({ classes }: Data, value: number, count: number): string | undefined {
  const mapped = classes === undefined ? value : classes.get(value);
  if (mapped === undefined) return 'is not among `labels` in `data.json`';
  if (mapped < count || mapped === NOT_LABELLED) return undefined;
  return mapped === value
    ? `is none of the ${count} classes`
    : `is mapped to ${mapped}, which is none of the ${count} classes`;
}

const sizeText = (sizes: readonly number[]): string => sizes.join(' x ');

function sizeFaults(data: Data, { pair, box }: Area, { extents: window }: Needs): Fault[] {
  if (window === undefined) return [];
  if (window.every((size, axis) => size <= length(at(box, axis)))) return [];
  const file = pairOf(data, pair).image.source;
  return [fault('image-too-small', { file, size: sizeText(extents(box)), window: sizeText(window) })];
}

function trainingFaults(
  data: Data,
  split: string,
  areas: readonly Area[],
  { extents: window, batch, classes }: Needs,
): Fault[] {
  if (window === undefined || batch === undefined) return [];
  const windows = gridSize(areas, window);
  const few = windowsOf(data, areas, window) === 'grid' && windows < batch;
  const turned = data.augment.quarterTurns && window.some((size) => size !== window[0]);
  return [
    ...(few ? [fault('too-few-windows', { split, windows, batch })] : []),
    ...(turned ? [fault('turns-need-squares', { window: sizeText(window) })] : []),
    ...(classes === undefined ? [] : alikeFaults(data, split, areas)),
  ];
}

/** A mask of 0 and 255 that nobody maps is one class and much that is not labelled: the loss goes to 0. */
function alikeFaults(data: Data, split: string, areas: readonly Area[]): Fault[] {
  const values = new Set(areas.flatMap(({ pair }) => [...(pairOf(data, pair).label?.values.keys() ?? [])]));
  const found = [...values].map((value) => data.classes?.get(value) ?? value);
  const classes = new Set(found.filter((one) => one !== NOT_LABELLED));
  if (classes.size > 1) return [];
  const list = [...values].sort((a, b) => a - b).join(', ');
  return [fault('labels-all-alike', { split, values: list, classes: [...classes].join(', ') || 'none' })];
}
