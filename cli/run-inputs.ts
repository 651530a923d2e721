/** Data, weights and predicting bundles: what `run`, `evaluate`, `predict` and `export` share. */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { compile } from '../compiler/compile.ts';
import { bundlePaths } from '../ir/bundle.ts';
import { diagnose, failure, fault, type Result, success } from '../ir/diagnostics/diagnostic.ts';
import type { Model } from '../ir/model.ts';
import type { Plan } from '../ir/plan.ts';
import { showBytes } from '../ir/units.ts';
import type { Bundle } from '../runtime/bundle.ts';
import type { Data } from '../runtime/data/data.ts';
import { openData, openImage } from '../runtime/data/open-data.ts';
import { needsOf } from '../runtime/feed-of.ts';
import { newestCheckpoint } from '../runtime/files/checkpoint.ts';
import { readWeights, type Weights } from '../runtime/weights.ts';
import { note } from './command.ts';
import { memoryOfThisMachine, readMemory, threadsEach, wholeNumber } from './inputs.ts';
import { temporaryBundles } from './write-bundle.ts';

const announce = {
  onDecode: ({ source, path, bytes }: { source: string; path: string; bytes: number }) =>
    note(`Decoding ${source} once into ${path} (${showBytes(bytes)})`),
};

/** The data that a model trains on or is scored on: what its target is says what labels may be. */
export const openDataHere = (path: string, model: Model): Promise<Result<Data>> =>
  openData(path, { ...announce, targets: needsOf(model).numbers === undefined ? 'classes' : 'numbers' });

export const openImageHere = (path: string): Promise<Result<Data>> => openImage(path, announce);

/** A safetensors file, or a folder of checkpoints, of which the newest valid one is taken. */
export function findWeights(path: string, bundle: Bundle): Result<Weights> {
  if (!existsSync(path)) return failure(diagnose(fault('file-missing', { file: path })));
  if (!statSync(path).isDirectory()) return readWeights(path, bundle.plan.model);
  const newest = newestCheckpoint(path, bundle.manifest.model);
  if (!newest.ok) return newest;
  if (newest.value === undefined)
    return failure(diagnose(fault('file-missing', { file: join(path, 'step-*.safetensors') })));
  return readWeights(newest.value.file, bundle.plan.model);
}

export const checkpointFolder = (bundle: Bundle): string => join(bundle.directory, 'checkpoints');

export type PredictingOptions = {
  readonly devices?: string;
  readonly memory?: string;
  readonly threads?: string;
};

/** Makes forward-only bundles of a network for images of any size, from the text it was made of; each size once. */
export type Predictors = {
  bundleFor(extents: readonly number[]): Promise<Result<Bundle>>;
  /** Removes the bundles that were made. */
  remove(): void;
};

export function createPredictors(bundle: Bundle, options: PredictingOptions): Predictors {
  const temporary = temporaryBundles();
  const made = new Map<string, Bundle>();
  return {
    async bundleFor(extents) {
      const size = extents.join(' ');
      const found = made.get(size);
      if (found !== undefined) return success(found);
      const planned = planPrediction(bundle, extents, options);
      if (!planned.ok) return planned;
      const { plan, source, threads } = planned.value;
      const opened = await temporary.open(plan, { source, sets: bundle.manifest.sets, threads });
      if (opened.ok) made.set(size, opened.value);
      return opened;
    },
    remove: temporary.remove,
  };
}

type Planned = { readonly plan: Plan; readonly source: string; readonly threads: number };

function planPrediction(
  bundle: Bundle,
  extents: readonly number[],
  options: PredictingOptions,
): Result<Planned> {
  const devices = wholeNumber('--devices', options.devices ?? String(bundle.plan.schedule.devices));
  if (!devices.ok) return devices;
  const memory =
    options.memory === undefined ? success(memoryOfThisMachine(devices.value)) : readMemory(options.memory);
  if (!memory.ok) return memory;
  const threads = wholeNumber('--threads', options.threads ?? String(threadsEach(devices.value)));
  if (!threads.ok) return threads;
  const file = join(bundle.directory, bundlePaths.model);
  const source = readFileSync(file, 'utf8');
  const image = bundle.plan.model.inputs.find((input) => input.source.from === 'image')?.name ?? '';
  const { sets } = bundle.manifest;
  const pins = { devices: devices.value, memory: memory.value };
  const compiled = compile({ source, file, sets, purpose: 'predict', extents: { [image]: extents }, pins });
  return compiled.ok ? success({ plan: compiled.value.plan, source, threads: threads.value }) : compiled;
}
