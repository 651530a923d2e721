/** The feeds there are, as data: a device opens its own from a description that can be sent to it. */
import { at, type Box, extents, wholeBox } from '../../ir/box.ts';
import { product } from '../../ir/type.ts';
import type { Data } from '../data/data.ts';
import { readImage, readLabels, readNumbers } from '../data/read-window.ts';
import { sampleWindow, type Window } from '../data/sample-window.ts';
import type { Elements } from './arena.ts';
import { cutOut } from './cells.ts';
import type { Feed, Request } from './feed.ts';

/** A whole batch of one input: `[samples, channels, ...extents]`, the same in every step. */
export type Batch = { readonly dims: readonly number[]; readonly data: Elements };

export type FeedSpec =
  /** Given numbers: to compare executors. */
  | { readonly kind: 'batch'; readonly inputs: Readonly<Record<string, Batch>> }
  /** Windows of a split, drawn by (seed, step, sample). */
  | {
      readonly kind: 'windows';
      readonly data: Data;
      readonly split: string;
      readonly seed: number;
      /** Samples a step, of all replicas. */
      readonly batch: number;
      /** Of the image, and of each target by its name. */
      readonly extents: readonly number[];
      readonly targets: Readonly<Record<string, readonly number[]>>;
    }
  /** Given windows, one for each step: images to be segmented. */
  | {
      readonly kind: 'areas';
      readonly data: Data;
      readonly windows: readonly Window[];
      readonly targets: Readonly<Record<string, readonly number[]>>;
    };

type SpecOf<K extends FeedSpec['kind']> = Extract<FeedSpec, { kind: K }>;

type Loader = (request: Request, into: Elements) => Promise<void>;

const loaders: { readonly [K in FeedSpec['kind']]: (spec: SpecOf<K>) => Loader } = {
  batch:
    ({ inputs }) =>
    async (request, into) =>
      into.set(cutBatch(inputs, request)),
  windows: (spec) => async (request, into) => {
    const { step, sample } = request;
    const window = sampleWindow(spec.data, spec.split, { ...spec, step, sample });
    await readInput(spec, window, request, into);
  },
  areas: (spec) => (request, into) => readInput(spec, at(spec.windows, request.step), request, into),
};

const loaderOf = <K extends FeedSpec['kind']>(spec: SpecOf<K> & { kind: K }): Loader =>
  loaders[spec.kind](spec);

export function openFeed(spec: FeedSpec): Feed {
  return { load: loaderOf(spec) };
}

/** Classes (bytes) or numbers where the input is one of the targets; else pixels. */
async function readInput(
  { data, targets }: SpecOf<'areas' | 'windows'>,
  window: Window,
  { source, box }: Request,
  into: Elements,
): Promise<void> {
  const labelExtents = targets[source];
  if (into instanceof Float32Array && labelExtents === undefined) await readImage(data, window, box, into);
  else if (into instanceof Uint8Array && labelExtents !== undefined)
    await readLabels(data, window, labelExtents, box, into);
  else if (into instanceof Float32Array && labelExtents !== undefined)
    await readNumbers(data, window, labelExtents, box, into);
  else throw new TypeError(`input ${source} is neither of floats nor of classes`);
}

function cutBatch(inputs: Readonly<Record<string, Batch>>, { source, sample, box }: Request): Elements {
  const batch = inputs[source];
  if (batch === undefined) throw new RangeError(`the batch has no ${source}`);
  const channels = at(batch.dims, 1);
  const whole: Box = wholeBox(batch.dims.slice(2));
  const length = channels * product(extents(whole));
  const data = batch.data.subarray(sample * length, (sample + 1) * length);
  return cutOut<Elements>(data, channels, whole, box, (size) =>
    data instanceof Float32Array ? new Float32Array(size) : new Uint8Array(size),
  );
}
