/**
 * Checkpoints: all that training needs to go on as the same training, in one safetensors file a step.
 * Weights have the names of their parameters, so PyTorch loads them as they are; what the optimizer keeps
 * beside a parameter is named `<slot>/<parameter>`. Step, position, seed and the model's hash are metadata.
 * The plan is not in it: a run may resume with another number of devices.
 */
import { createHash } from 'node:crypto';
import { accessSync, constants, existsSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import {
  type Diagnostic,
  diagnose,
  type Fault,
  failure,
  fault,
  type Result,
  success,
} from '../../ir/diagnostics/diagnostic.ts';
import type { Slot } from '../../ir/plan.ts';
import { makeFolder } from './make-folder.ts';
import { reasonOf } from './reason.ts';
import { encodeTensors, readTensors, type Tensor, type TensorFile } from './safetensors.ts';
import { type FileSystem, writeSafely } from './write-safely.ts';

export type Checkpoint = {
  /** Steps that are done. */
  readonly step: number;
  /** Samples drawn so far. */
  readonly position: number;
  readonly seed: number;
  /** Hash of the model that is trained. */
  readonly model: string;
  /** By `stateName`. */
  readonly tensors: ReadonlyMap<string, Tensor>;
  /** What else is worth knowing, such as the score it had. */
  readonly notes?: ReadonlyMap<string, string>;
};

export type Found = { readonly file: string; readonly checkpoint: Checkpoint };

const FORMAT = 'unetc-checkpoint-1';
/** What a later version of this program may write. A damaged digit looks like one too, and is refused as such. */
const newerFormat = /^unetc-checkpoint-(?!1$)\d+$/;

/** The name of a parameter's state in a checkpoint; the weights have the parameter's own. */
export const stateName = (slot: Slot, parameter: string): string =>
  slot === 'weight' ? parameter : `${slot}/${parameter}`;

const fileName = (step: number): string => `step-${String(step).padStart(6, '0')}.safetensors`;

const numbered = /^step-(\d{6,})\.safetensors$/;
const unfinished = /^(step-\d{6,}|best)\.safetensors\.tmp$/;

/** The best one by score lies beside the numbered ones, and is not counted among them. */
export const bestFile = (directory: string): string => join(directory, 'best.safetensors');

export type SaveOptions = {
  /**
   * How many numbered ones are kept; the oldest are deleted when a new one is complete, so there is room for one
   * more while it is written.
   */
  readonly keep?: number;
  readonly files?: FileSystem;
};

/** Writes the numbered checkpoint of a step and gives its path. Errors: `write-failed`; older ones stay. */
export function saveCheckpoint(
  directory: string,
  checkpoint: Checkpoint,
  { keep = 3, files }: SaveOptions = {},
): Result<string> {
  const written = saveAs(join(directory, fileName(checkpoint.step)), directory, checkpoint, files);
  // Newer ones are torn, or the run would have gone on from them: they do not count.
  const reached = list(directory).filter(({ step }) => step <= checkpoint.step);
  if (written.ok) for (const { file } of reached.slice(keep)) removeIfPossible(file);
  return written;
}

function removeIfPossible(file: string): void {
  try {
    rmSync(file, { force: true });
  } catch {
    // One too many does no harm.
  }
}

/** Keeps a checkpoint as the best one so far. Errors: `write-failed`; the one before stays. */
export const saveBest = (directory: string, checkpoint: Checkpoint, files?: FileSystem): Result<string> =>
  saveAs(bestFile(directory), directory, checkpoint, files);

/**
 * Makes the directory, sees that it can be written to, and removes what a run that was killed in the middle of
 * writing left there. Errors: `write-failed`.
 */
export function prepareDirectory(directory: string): Result<undefined> {
  try {
    makeFolder(directory);
    accessSync(directory, constants.W_OK);
    for (const name of readdirSync(directory))
      if (unfinished.test(name)) removeIfPossible(join(directory, name));
    return success(undefined);
  } catch (error) {
    return failure(diagnose(fault('write-failed', { file: directory, reason: reasonOf(error) })));
  }
}

function saveAs(
  path: string,
  directory: string,
  checkpoint: Checkpoint,
  files: FileSystem | undefined,
): Result<string> {
  try {
    makeFolder(directory);
  } catch {
    // Writing into it gives the reason.
  }
  const written = writeSafely(path, encodeTensors(sealed(checkpoint)), files);
  return written.ok ? success(path) : written;
}

/** Numbered checkpoints, the newest first. */
function list(directory: string): { readonly file: string; readonly step: number }[] {
  if (!statSync(directory, { throwIfNoEntry: false })?.isDirectory()) return [];
  return readdirSync(directory)
    .flatMap((name) => {
      const step = numbered.exec(name)?.[1];
      return step === undefined ? [] : [{ file: join(directory, name), step: Number(step) }];
    })
    .sort((a, b) => b.step - a.step);
}

/** Some checkpoint of a directory, whole or not, if it has any. */
export function checkpointFound(directory: string): string | undefined {
  const best = bestFile(directory);
  return list(directory)[0]?.file ?? (existsSync(best) ? best : undefined);
}

/**
 * The newest complete checkpoint of a directory, if it has one; `checkpoint-torn` warnings name those that
 * were skipped. Errors: `checkpoint-of-another-model`, `checkpoint-version`.
 */
export function newestCheckpoint(directory: string, model: string): Result<Found | undefined> {
  const warnings: Diagnostic[] = [];
  for (const { file } of list(directory)) {
    const read = wholeCheckpoint(file, model);
    if (!read.ok) return failure(...warnings, ...read.diagnostics);
    if (read.value !== undefined) return success({ file, checkpoint: read.value }, warnings);
    warnings.push(...read.warnings);
  }
  return success(undefined, warnings);
}

/**
 * The checkpoint of a model in a file; undefined, with the warning `checkpoint-torn`, where that is incomplete
 * or damaged. One that is whole but cannot be used is an error: going on from an older one would be worse than
 * to ask. Errors: `checkpoint-of-another-model`, `checkpoint-version`.
 */
export function wholeCheckpoint(file: string, model: string): Result<Checkpoint | undefined> {
  const read = readCheckpoint(file);
  if (read.ok)
    return read.value.model === model
      ? read
      : failure(diagnose(fault('checkpoint-of-another-model', { file })));
  if (read.diagnostics.some(({ code }) => code === 'checkpoint-version')) return read;
  const reason = read.diagnostics.map(({ message }) => message).join('; ');
  return success(undefined, [diagnose(fault('checkpoint-torn', { file, reason }))]);
}

/** Reads one file and checks that it is complete. Errors: `weights-invalid`, `checkpoint-version`. */
export function readCheckpoint(file: string): Result<Checkpoint> {
  const read = readTensors(file);
  if (!read.ok) return read;
  const checkpoint = checkpointOf(read.value);
  return typeof checkpoint === 'string'
    ? failure(diagnose(problemOf(checkpoint, file)))
    : success(checkpoint);
}

const problemOf = (found: string, file: string): Fault =>
  newerFormat.test(found)
    ? fault('checkpoint-version', { file, found, expected: FORMAT })
    : fault('weights-invalid', { file, reason: found });

const ownKeys: ReadonlySet<string> = new Set(['format', 'step', 'position', 'seed', 'model', 'checksum']);

/** The tensors and metadata of the file, the checksum of all the rest among them. */
function sealed({ step, position, seed, model, tensors, notes = new Map() }: Checkpoint): TensorFile {
  const metadata = new Map([
    ...[...notes].map(([key, text]): [string, string] => [`note.${key}`, text]),
    ['format', FORMAT],
    ['step', String(step)],
    ['position', String(position)],
    ['seed', String(seed)],
    ['model', model],
  ]);
  return { tensors, metadata: new Map([...metadata, ['checksum', checksumOf({ tensors, metadata })]]) };
}

/** SHA-256 of names, types, shapes and bytes of all tensors, and of the metadata, whatever their order. */
function checksumOf({ tensors, metadata }: TensorFile): string {
  const hash = createHash('sha256').update(JSON.stringify(byName(metadata)));
  for (const [name, { dtype, dims, data }] of byName(tensors)) {
    hash.update(JSON.stringify([name, dtype, dims]));
    hash.update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }
  return hash.digest('hex');
}

const byName = <T>(entries: ReadonlyMap<string, T>): [string, T][] =>
  [...entries].sort(([a], [b]) => (a < b ? -1 : 1));

/** The checkpoint, or the format where that is not ours, or else what is wrong. */
function checkpointOf({ tensors, metadata }: TensorFile): Checkpoint | string {
  const format = metadata.get('format') ?? '';
  if (newerFormat.test(format)) return format;
  if (!metadata.has('checksum')) return 'it has no checksum, so it is no checkpoint';
  const rest = new Map([...metadata].filter(([key]) => key !== 'checksum'));
  const whole = metadata.get('checksum') === checksumOf({ tensors, metadata: rest });
  const [step, position, seed] = ['step', 'position', 'seed'].map((key) => Number(metadata.get(key)));
  const model = metadata.get('model');
  if (!whole || format !== FORMAT) return 'its contents do not match its checksum';
  if (step === undefined || position === undefined || seed === undefined || model === undefined)
    return 'it does not say how far the training was';
  const notes = [...rest].filter(([key]) => !ownKeys.has(key));
  return {
    step,
    position,
    seed,
    model,
    tensors,
    ...(notes.length === 0
      ? {}
      : { notes: new Map(notes.map(([key, text]): [string, string] => [key.replace(/^note\./, ''), text])) }),
  };
}
