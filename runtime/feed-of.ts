/** What a plan wants to be fed: descriptions of feeds, and what data must have to serve as one. */
import { at, extents } from '../ir/box.ts';
import { type Fault, fault } from '../ir/diagnostics/diagnostic.ts';
import { modelTypes } from '../ir/intervals.ts';
import type { Input, Model } from '../ir/model.ts';
import type { Plan } from '../ir/plan.ts';
import { stridesOf } from '../ir/tiling.ts';
import type { MapType } from '../ir/type.ts';
import type { Needs } from './data/check-data.ts';
import type { Data } from './data/data.ts';
import type { Window } from './data/sample-window.ts';
import type { FeedSpec } from './local/feeds.ts';

/** The image that a model looks at. */
function imageType({ name, inputs }: Model): MapType {
  const image = inputs.find(({ source }) => source.from === 'image');
  if (image?.type.kind !== 'map') throw new TypeError(`model ${name} has no image`);
  return image.type;
}

/** Height and width (depth, height and width) of the image. */
export const imageExtents = (model: Model): number[] => extents(imageType(model).box);

/** Extents of every target by its name. */
export const targetExtents = (model: Model): Record<string, number[]> =>
  Object.fromEntries(
    model.inputs.flatMap(({ name, type, source }) =>
      source.from === 'target' && type.kind === 'map' ? [[name, extents(type.box)]] : [],
    ),
  );

/**
 * Why no data can be given to a model, if so: data are images of two axes, each with one label.
 * Error: `data-not-served`.
 */
export function servingFault(model: Model): Fault | undefined {
  const { rank, inputs } = model;
  const images = inputs.filter(({ source }) => source.from === 'image');
  const targets = inputs.filter(({ source }) => source.from === 'target');
  const wanted = [
    rank === 2 ? undefined : `images of ${rank} axes`,
    images.length === 1 ? undefined : `${images.length} images a sample`,
    targets.length <= 1 ? undefined : `${targets.length} labels a sample`,
    coarseTarget(model, targets),
  ].find((words) => words !== undefined);
  return wanted === undefined ? undefined : fault('data-not-served', { wanted });
}

/** Why a model cannot be scored, or a mask be made, if so. Errors: `data-not-served`, `classes-missing`. */
export function scoringFault(model: Model): Fault | undefined {
  const [output] = model.outputs;
  const op = model.ops.find((one) => one.output === output?.value);
  return servingFault(model) ?? (op?.kind === 'classify' ? undefined : fault('classes-missing'));
}

/** A target whose cells are not pixels of the image: labels have the resolution of their image. */
function coarseTarget(model: Model, targets: readonly Input[]): string | undefined {
  const strides = stridesOf(model);
  const coarse = targets.find(({ name }) => strides.get(name)?.some((stride) => stride !== 1));
  if (coarse === undefined) return undefined;
  const cells = strides.get(coarse.name)?.join(' x ');
  return `labels of another resolution than the image (one cell of \`${coarse.name}\` is ${cells} pixels)`;
}

/** What `checkData` must find in the data that a model trains on. */
export function needsOf(model: Model): Needs {
  const { channels } = imageType(model);
  const classes = model.inputs.flatMap(({ source }) =>
    source.from === 'target' && source.classes !== undefined ? [source.classes] : [],
  );
  const numbers = model.inputs.flatMap(({ type, source }) =>
    source.from === 'target' && source.classes === undefined && type.kind === 'map' ? [type.channels] : [],
  );
  return {
    channels,
    extents: imageExtents(model),
    ...(classes[0] === undefined ? {} : { classes: classes[0] }),
    ...(numbers[0] === undefined ? {} : { numbers: numbers[0] }),
    ...(model.training === undefined ? {} : { batch: model.training.batch }),
  };
}

/** Windows of a split, drawn as the model's training says. */
export function windowsFeed({ model }: Plan, data: Data, split: string): FeedSpec {
  const { seed = 0, batch = 1 } = model.training ?? {};
  const sizes = { extents: imageExtents(model), targets: targetExtents(model) };
  return { kind: 'windows', data, split, seed, batch, ...sizes };
}

/** Given windows of images, one after another: the step of a job says which. */
export const areasFeed = ({ model }: Plan, data: Data, windows: readonly Window[]): FeedSpec => ({
  kind: 'areas',
  data,
  windows,
  targets: targetExtents(model),
});

/** Extents and number of classes of an output that is a map of classes; one channel tells two apart. */
export function classMapOf(model: Model, output: string): { extents: number[]; classes: number } {
  const value = model.outputs.find(({ name }) => name === output)?.value;
  const op = model.ops.find((one) => one.output === value);
  const logits = modelTypes(model).get(op?.inputs[0] ?? '');
  if (op?.kind !== 'classify' || op.type.kind !== 'map' || logits?.kind !== 'map')
    throw new TypeError(`output ${output} of model ${model.name} is no map of classes`);
  return { extents: extents(op.type.box), classes: Math.max(2, logits.channels) };
}

/** The output that is meant where none is named: the first. */
export const firstOutput = ({ outputs }: Model): string => at(outputs, 0).name;
