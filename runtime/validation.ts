/** Scores during training: on what, how often, and which weights were the best so far. */
import { existsSync } from 'node:fs';
import { type Result, success } from '../ir/diagnostics/diagnostic.ts';
import { bestFile, type Checkpoint, saveBest, wholeCheckpoint } from './files/checkpoint.ts';
import type { Score } from './metrics.ts';
import type { Weights } from './weights.ts';

export type Validation = {
  /** Steps between two scores; the last step of a run is scored too. */
  readonly every: number;
  /** Scores weights while the devices of the training rest; undefined where it was stopped. */
  readonly score: (weights: Weights) => Promise<Result<Score | undefined>>;
};

export const isValidated = (validation: Validation | undefined, step: number, total: number): boolean =>
  validation !== undefined && (step % validation.every === 0 || step === total);

/** Metadata of the best checkpoint: what later scores have to beat. */
const NOTE = 'mean-iou';

/**
 * The mean intersection over union that the best checkpoint of a directory had, if there is one. A damaged
 * one counts as none, with the warning `checkpoint-torn`. Errors: `checkpoint-of-another-model`,
 * `checkpoint-version`.
 */
export function bestScore(directory: string, model: string): Result<number> {
  const file = bestFile(directory);
  if (!existsSync(file)) return success(Number.NEGATIVE_INFINITY);
  const read = wholeCheckpoint(file, model);
  if (!read.ok) return read;
  return success(Number(read.value?.notes?.get(NOTE) ?? Number.NEGATIVE_INFINITY), read.warnings);
}

/** Keeps a checkpoint as the best one, with its score. Errors: `write-failed`. */
export const keepBest = (directory: string, checkpoint: Checkpoint, score: number): Result<string> =>
  saveBest(directory, { ...checkpoint, notes: new Map([[NOTE, String(score)]]) });
