/** What a step computes on: pixels and labels of the whole batch, and the masks and counts that follow. */
import { type Box, extents } from '../../ir/box.ts';
import { cornerShares } from '../../ir/corners.ts';
import { dropoutMask } from '../../ir/draw.ts';
import type { Input, Model, Source, Training } from '../../ir/model.ts';
import { element, elementCount, mapType } from './kernels/kernel.ts';
import type { Values } from './run-graph.ts';

export type Feeds = {
  /** Counted from 0. */
  readonly step: number;
  /** Whole images and targets by input name: `[batch, channels, ...extents]`. */
  readonly inputs: Values;
};

export const trainingOf = ({ name, training }: Model): Training => {
  if (training === undefined) throw new Error(`model ${name} has no training`);
  return training;
};

export function inputNamed(model: Model, name: string): Input {
  const input = model.inputs.find((one) => one.name === name);
  if (input === undefined) throw new Error(`model ${model.name} has no input ${name}`);
  return input;
}

type SourceOf<F extends Source['from']> = Extract<Source, { from: F }>;

const isFrom = <F extends Source['from']>(source: Source, from: F): source is SourceOf<F> =>
  source.from === from;

/** The source of an input, of which the caller knows the kind. */
export function sourceNamed<F extends Source['from']>(model: Model, name: string, from: F): SourceOf<F> {
  const { source } = inputNamed(model, name);
  if (isFrom(source, from)) return source;
  throw new TypeError(`input ${name} comes from ${source.from}, not from ${from}`);
}

/** The feed of that name, of which `[samples, channels, ...extents]` must be there. */
export function feedNamed(model: Model, { inputs }: Feeds, name: string, samples: number): Float64Array {
  const expected = elementCount(inputNamed(model, name).type, samples);
  const values = inputs.get(name);
  if (values?.length !== expected)
    throw new RangeError(`feed ${name} has ${values?.length ?? 'no'} elements instead of ${expected}`);
  return values;
}

/** The cells `box` of an input that is drawn or computed by position, for samples by their index in the batch. */
export function drawInput(
  model: Model,
  name: string,
  step: number,
  samples: readonly number[],
  box: Box,
): Float64Array {
  const { source, type } = inputNamed(model, name);
  if (source.from !== 'corners') return drawMask(model, name, step, samples, box);
  return repeated(cornerShares(source, mapType(type).box, box), samples.length);
}

function repeated(values: Float64Array, times: number): Float64Array {
  const all = new Float64Array(times * values.length);
  for (let i = 0; i < times; i++) all.set(values, i * values.length);
  return all;
}

function drawMask(
  model: Model,
  name: string,
  step: number,
  samples: readonly number[],
  box: Box,
): Float64Array {
  const { layer, p, by } = sourceNamed(model, name, 'mask');
  const type = mapType(inputNamed(model, name).type);
  const { seed } = trainingOf(model);
  const draw = { seed, layer, step, p, by, channels: type.channels, box, extents: extents(type.box) };
  const masks = samples.map((sample) => dropoutMask({ ...draw, sample }));
  const size = masks[0]?.length ?? 0;
  const all = new Float64Array(samples.length * size);
  for (const [i, mask] of masks.entries()) all.set(mask, i * size);
  return all;
}

/**
 * The denominator that `labels` (cells of the target of the count input `name`) add up to: weights of the
 * labels inside the classes, or 1 for each cell of a target without classes; times the counted channels.
 * `cells` is the number of cells of all samples, without channels.
 */
export function countOf(model: Model, name: string, labels: Float64Array, cells: number): number {
  const { target, weights, channels } = sourceNamed(model, name, 'count');
  const { classes } = sourceNamed(model, target, 'target');
  if (classes === undefined) return cells * channels;
  const weightOf = (label: number) => (label < classes ? (weights[label] ?? 1) : 0);
  return channels * labels.reduce((sum, label) => sum + weightOf(label), 0);
}

/** Whole input of a model for a batch of `samples`, whatever its source. */
export function wholeInput(model: Model, { name, type, source }: Input, feeds: Feeds, samples: number) {
  if (source.from === 'mask' || source.from === 'corners') {
    const all = Array.from({ length: samples }, (_, sample) => sample);
    return drawInput(model, name, feeds.step, all, mapType(type).box);
  }
  if (source.from !== 'count') return feedNamed(model, feeds, name, samples);
  const labels = feedNamed(model, feeds, source.target, samples);
  const { channels } = mapType(inputNamed(model, source.target).type);
  return Float64Array.of(countOf(model, name, labels, labels.length / channels));
}

/** `labels` and `predictions` of the same cells, added to a matrix [label][prediction]. */
export function addConfusion(
  matrix: Float64Array,
  classes: number,
  labels: Float64Array,
  predictions: Float64Array,
): void {
  labels.forEach((label, i) => {
    if (label >= classes) return;
    const place = label * classes + element(predictions, i);
    matrix[place] = (matrix[place] ?? 0) + 1;
  });
}
