/** Scores during training: on what, how often, and which weights were the best so far. */
import { existsSync } from 'node:fs';
import { diagnose, failure, fault, type Result, success } from '../ir/diagnostics/diagnostic.ts';
import { bestFile, type Checkpoint, readCheckpoint, saveBest } from './files/checkpoint.ts';
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
 * one counts as none, with the warning `checkpoint-torn`. Errors: `checkpoint-of-another-model`.
 */
export function bestScore(directory: string, model: string): Result<number> {
  const file = bestFile(directory);
  if (!existsSync(file)) return success(Number.NEGATIVE_INFINITY);
  const read = readCheckpoint(file);
  if (!read.ok) {
    const reason = read.diagnostics.map(({ message }) => message).join('; ');
    return success(Number.NEGATIVE_INFINITY, [diagnose(fault('checkpoint-torn', { file, reason }))]);
  }
  if (read.value.model !== model) return failure(diagnose(fault('checkpoint-of-another-model', { file })));
  return success(Number(read.value.notes?.get(NOTE) ?? Number.NEGATIVE_INFINITY));
}

/** Keeps a checkpoint as the best one, with its score. Errors: `write-failed`. */
export const keepBest = (directory: string, checkpoint: Checkpoint, score: number): Result<string> =>
  saveBest(directory, { ...checkpoint, notes: new Map([[NOTE, String(score)]]) });
