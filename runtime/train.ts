/**
 * Trains a bundle on this machine: step after step on all devices, checkpoints, and an orderly end.
 * What happens is told as events; nothing is printed here.
 */

import { existsSync } from 'node:fs';
import {
  type Diagnostic,
  diagnose,
  type Fault,
  failure,
  fault,
  type Result,
  success,
} from '../ir/diagnostics/diagnostic.ts';
import type { Plan } from '../ir/plan.ts';
import type { Bundle } from './bundle.ts';
import {
  bestFile,
  type Checkpoint,
  newestCheckpoint,
  prepareDirectory,
  saveCheckpoint,
} from './files/checkpoint.ts';
import { type Devices, startDevices } from './local/devices.ts';
import type { FeedSpec } from './local/feeds.ts';
import { allFinite } from './local/finite.ts';
import { tileOf } from './local/placement.ts';
import type { Done, Hold, StateValues } from './local/protocol.ts';
import { wholeStates } from './local/whole-states.ts';
import { type Confusion, meanIou, type Score } from './metrics.ts';
import { advance, noProgress, type Progress } from './progress.ts';
import { bestScore, isValidated, keepBest, type Validation } from './validation.ts';
import {
  statesFromTensors,
  statesFromWeights,
  tensorsFromStates,
  type Weights,
  weightsOf,
} from './weights.ts';

export type CheckpointOptions = {
  readonly directory: string;
  /** Steps between two checkpoints; there is always one at the end. */
  readonly every: number;
  /** Go on from the newest one, if there is any; without it the directory must have none. */
  readonly resume: boolean;
  /** How many are kept; 3 by default. */
  readonly keep?: number;
};

export type TrainOptions = {
  /** `windowsFeed(plan, data, split)`, for example. */
  readonly feed: FeedSpec;
  /** Steps in all, those of a resumed run included; by default what the model says. */
  readonly steps?: number;
  /** First weights; drawn as the model says where not given. A resumed run has its own. */
  readonly init?: Weights;
  readonly checkpoints?: CheckpointOptions;
  /** Scores on other data between steps; with checkpoints the best weights are kept as `best.safetensors`. */
  readonly validation?: Validation;
  /** Whether each instruction of each step is timed (`StepResult.times`). */
  readonly timed?: boolean;
  /** Aborted: the run ends after the step, with a checkpoint. */
  readonly stop?: AbortSignal;
  /** Seconds that a device may stand still while another waits for it. */
  readonly timeoutSeconds?: number;
  readonly onEvent?: (event: TrainEvent) => void;
  /** For tests: where a device stands still. */
  readonly hold?: Hold;
};

export type TrainEvent =
  /** The devices are ready; `processes` are their ids by rank. */
  | { readonly kind: 'started'; readonly step: number; readonly processes: readonly number[] }
  | { readonly kind: 'resumed'; readonly step: number; readonly file: string }
  | { readonly kind: 'warning'; readonly diagnostic: Diagnostic }
  | ({ readonly kind: 'step' } & StepResult)
  /** After `step` steps; `best`: none of this training was better. */
  | ({ readonly kind: 'validation'; readonly step: number; readonly best: boolean } & Score)
  | { readonly kind: 'checkpoint'; readonly step: number; readonly file: string };

export type StepResult = {
  /** Counted from 0. */
  readonly step: number;
  readonly loss: number;
  readonly seconds: number;
  readonly samplesPerSecond: number;
  /** Of each device: largest resident memory so far beyond that before the first step. */
  readonly peakBytes: readonly number[];
  /** For each target with classes, over all samples of the step. */
  readonly confusion: Readonly<Record<string, Confusion>>;
  /** Of each device, where they are asked for: `JobResult.times`. */
  readonly times?: readonly Float64Array[];
  readonly progress: Progress;
};

export type Trained = {
  /** Steps that are done. */
  readonly step: number;
  /** True where the run was stopped before its last step. */
  readonly stopped: boolean;
  readonly weights: Weights;
  /** The last checkpoint, where checkpoints were asked for. */
  readonly checkpoint?: string;
};

/** Why a bundle cannot be trained on this machine, if so. Errors: `bundle-purpose`, `bundle-executor`. */
export function unfitHere({ plan, manifest, directory: path }: Bundle): Fault | undefined {
  if (plan.purpose !== 'train') return fault('bundle-purpose', { path, found: 'predict', expected: 'train' });
  return manifest.executors.includes('local') ? undefined : fault('bundle-executor', { path });
}

/**
 * Runs the training of a bundle. Errors: those of the devices (`device-*`), `loss-not-finite`,
 * `state-not-finite`, `checkpoints-exist`, `checkpoint-of-another-model`, `checkpoint-version`, `weights-differ`,
 * `write-failed`, `bundle-purpose`, `bundle-executor`.
 */
export async function train(bundle: Bundle, options: TrainOptions): Promise<Result<Trained>> {
  const { plan } = bundle;
  const unfit = unfitHere(bundle);
  if (unfit !== undefined) return failure(diagnose(unfit));
  const start = firstStates(bundle, options);
  if (!start.ok) return start;
  // Before hours of training whose weights cannot be kept.
  const directory = options.checkpoints?.directory;
  const prepared = directory === undefined ? success(undefined) : prepareDirectory(directory);
  if (!prepared.ok) return prepared;
  const { states, step, file } = start.value;
  if (file !== undefined) options.onEvent?.({ kind: 'resumed', step, file });
  const { timeoutSeconds, hold, feed } = options;
  const devices = await startDevices({
    plan,
    segments: bundle.segments,
    threads: bundle.manifest.threads,
    feed,
    states,
    ...(timeoutSeconds === undefined ? {} : { timeoutSeconds }),
    ...(hold === undefined ? {} : { hold }),
  });
  if (!devices.ok) return devices;
  try {
    options.onEvent?.({ kind: 'started', step, processes: devices.value.processes });
    return await steps({ bundle, options, devices: devices.value }, start.value);
  } finally {
    await devices.value.close();
  }
}

/** Where a run begins; `file` is the checkpoint it comes from. */
type Beginning = {
  readonly step: number;
  readonly states: readonly StateValues[];
  readonly file?: string;
  /** Mean intersection over union that a validation has to beat. */
  readonly best: number;
};

function firstStates({ plan, manifest }: Bundle, options: TrainOptions): Result<Beginning> {
  const { checkpoints, init, onEvent } = options;
  const fresh: Beginning = {
    step: 0,
    states: init === undefined ? [] : statesFromWeights(init),
    best: Number.NEGATIVE_INFINITY,
  };
  if (checkpoints === undefined) return success(fresh);
  const { directory, resume } = checkpoints;
  const newest = newestCheckpoint(directory, manifest.model);
  if (!resume) {
    const best = bestFile(directory);
    if (newest.ok && newest.value === undefined && !existsSync(best)) return success(fresh);
    const file = newest.ok ? (newest.value?.file ?? best) : 'of another model';
    return failure(diagnose(fault('checkpoints-exist', { directory, file })));
  }
  if (!newest.ok) return newest;
  const best = bestScore(directory, manifest.model);
  if (!best.ok) return best;
  for (const diagnostic of [...newest.warnings, ...best.warnings]) onEvent?.({ kind: 'warning', diagnostic });
  if (newest.value === undefined) return success({ ...fresh, best: best.value });
  const { file, checkpoint } = newest.value;
  const states = statesFromTensors(plan, checkpoint.tensors, file);
  return states.ok
    ? success({ step: checkpoint.step, states: states.value, file, best: best.value })
    : states;
}

type Run = { readonly bundle: Bundle; readonly options: TrainOptions; readonly devices: Devices };

async function steps(run: Run, beginning: Beginning): Promise<Result<Trained>> {
  const { options, bundle } = run;
  const total = options.steps ?? bundle.plan.model.training?.steps ?? 0;
  let step = beginning.step;
  let saved = beginning.file;
  let { best } = beginning;
  let progress = noProgress(step, total);
  while (step < total && options.stop?.aborted !== true) {
    const result = await oneStep(run, step);
    if (!result.ok) return withCheckpoint(result.diagnostics, saved);
    progress = advance(progress, result.value.seconds);
    options.onEvent?.({ kind: 'step', ...result.value, progress });
    step++;
    // Before the checkpoint: who resumes from that has nothing to make up for.
    const validated = isValidated(options.validation, step, total)
      ? await validate(run, step, best)
      : success(best);
    if (!validated.ok) return withCheckpoint(validated.diagnostics, saved);
    best = validated.value;
    if (isDue(options, step) && step < total) {
      const file = await save(run, step);
      if (!file.ok) return withCheckpoint(file.diagnostics, saved);
      saved = file.value;
    }
  }
  const ended = await end(run, step, step < total);
  return ended.ok ? ended : withCheckpoint(ended.diagnostics, saved);
}

const isDue = ({ checkpoints }: TrainOptions, step: number): boolean =>
  checkpoints !== undefined && step % checkpoints.every === 0;

/** The last checkpoint is the last good one: it was written before the step that failed. */
const withCheckpoint = (diagnostics: readonly Diagnostic[], saved: string | undefined): Result<never> =>
  failure(
    ...diagnostics.map((diagnostic) => {
      const last =
        saved === undefined ? 'there is no checkpoint yet' : `the last good checkpoint is \`${saved}\``;
      return { ...diagnostic, hint: diagnostic.hint === undefined ? last : `${diagnostic.hint}; ${last}` };
    }),
  );

async function end(run: Run, step: number, stopped: boolean): Promise<Result<Trained>> {
  const states = await soundStates(run, step);
  if (!states.ok) return states;
  const weights = weightsOf(states.value);
  if (run.options.checkpoints === undefined) return success({ step, stopped, weights });
  const file = write(run, step, states.value);
  return file.ok ? success({ step, stopped, weights, checkpoint: file.value }) : file;
}

/** What is trained, as it is after `step` steps. Errors: `state-not-finite`, and those of the devices. */
async function soundStates({ bundle, devices }: Run, steps: number): Promise<Result<readonly StateValues[]>> {
  // All devices hold the same states: they came from the same sums.
  const states = await wholeStates(bundle.plan, devices);
  const spoilt = states.ok ? states.value.find(({ values }) => !allFinite(values)) : undefined;
  if (spoilt === undefined) return states;
  const what = spoilt.slot === 'weight' ? 'the weights' : `the states (${spoilt.slot})`;
  return failure(diagnose(fault('state-not-finite', { steps, what, parameter: spoilt.parameter })));
}

async function save(run: Run, step: number): Promise<Result<string>> {
  const states = await soundStates(run, step);
  return states.ok ? write(run, step, states.value) : states;
}

/** Scores the weights after `step` steps; gives the score that is to be beaten from now on. */
async function validate(run: Run, step: number, best: number): Promise<Result<number>> {
  const { validation, checkpoints, onEvent } = run.options;
  const states = await soundStates(run, step);
  if (!states.ok) return states;
  const score = await validation?.score(weightsOf(states.value));
  if (score?.ok === false) return score;
  if (score?.value === undefined) return success(best);
  const reached = meanIou(score.value);
  const kept =
    checkpoints !== undefined && reached > best
      ? keepBest(checkpoints.directory, checkpointOf(run, step, states.value), reached)
      : success(undefined);
  if (!kept.ok) return kept;
  const { accuracy, iou, pixels } = score.value;
  onEvent?.({ kind: 'validation', step, best: reached > best, accuracy, iou, pixels });
  return success(reached > best ? reached : best);
}

function checkpointOf({ bundle }: Run, step: number, states: readonly StateValues[]): Checkpoint {
  const { plan, manifest } = bundle;
  const { batch = 0, seed = 0 } = plan.model.training ?? {};
  const tensors = tensorsFromStates(plan, states);
  return { step, position: step * batch, seed, model: manifest.model, tensors };
}

function write(run: Run, step: number, states: readonly StateValues[]): Result<string> {
  const { options } = run;
  const { directory = '', keep } = options.checkpoints ?? {};
  const file = saveCheckpoint(directory, checkpointOf(run, step, states), keep === undefined ? {} : { keep });
  if (file.ok) options.onEvent?.({ kind: 'checkpoint', step, file: file.value });
  return file;
}

/** One step on all devices at once. */
async function oneStep(
  { bundle, devices, options: { timed = false } }: Run,
  step: number,
): Promise<Result<Omit<StepResult, 'progress'>>> {
  const { plan } = bundle;
  const started = performance.now();
  const jobs = Array.from({ length: devices.size }, (_, rank) =>
    devices.work(rank, { step, tile: tileOf(plan, rank), ...(timed ? { timed } : {}) }),
  );
  const done: Done[] = [];
  for (const result of await Promise.all(jobs)) {
    if (!result.ok) return result;
    done.push(result.value);
  }
  const seconds = (performance.now() - started) / 1000;
  return success({
    step,
    loss: done.find(({ loss }) => loss !== undefined)?.loss ?? Number.NaN,
    seconds,
    samplesPerSecond: (plan.model.training?.batch ?? 0) / seconds,
    peakBytes: done.map(({ peakBytes }) => peakBytes),
    confusion: sumOfConfusions(plan, done),
    ...(timed ? { times: done.flatMap(({ times }) => times ?? []) } : {}),
  });
}

/** Devices count the cells they own, so their counts add up to those of the step. */
function sumOfConfusions({ model }: Plan, done: readonly Done[]): Record<string, Confusion> {
  const sums: Record<string, Confusion> = {};
  for (const { name, source } of model.inputs) {
    if (source.from !== 'target' || source.classes === undefined) continue;
    const parts = done.map(({ confusion }) => confusion[name] ?? new Float64Array());
    const counts = Float64Array.from({ length: source.classes ** 2 }, (_, i) =>
      parts.reduce((sum, part) => sum + (part[i] ?? 0), 0),
    );
    sums[name] = { classes: source.classes, counts };
  }
  return sums;
}
