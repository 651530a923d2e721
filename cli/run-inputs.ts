/** Data and weights: what `run`, `evaluate`, `predict` and `export` share. */
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { diagnose, failure, fault, type Result } from '../ir/diagnostics/diagnostic.ts';
import type { Model } from '../ir/model.ts';
import { showBytes } from '../ir/units.ts';
import type { Bundle } from '../runtime/bundle.ts';
import type { Data } from '../runtime/data/data.ts';
import { openData, openImage } from '../runtime/data/open-data.ts';
import { needsOf } from '../runtime/feed-of.ts';
import { newestCheckpoint } from '../runtime/files/checkpoint.ts';
import { readWeights, type Weights } from '../runtime/weights.ts';
import { note } from './command.ts';

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
