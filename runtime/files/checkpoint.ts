/**
 * Checkpoints: all that training needs to go on as the same training, in one safetensors file a step.
 * Weights have the names of their parameters, so PyTorch loads them as they are; what the optimizer keeps
 * beside a parameter is named `<slot>/<parameter>`. Step, position, seed and the model's hash are metadata.
 * The plan is not in it: a run may resume with another number of devices.
 */
import { createHash } from 'node:crypto';
import { accessSync, constants, mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import {
  type Diagnostic,
  diagnose,
  failure,
  fault,
  type Result,
  success,
} from '../../ir/diagnostics/diagnostic.ts';
import type { Slot } from '../../ir/plan.ts';
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

/** The name of a parameter's state in a checkpoint; the weights have the parameter's own. */
export const stateName = (slot: Slot, parameter: string): string =>
  slot === 'weight' ? parameter : `${slot}/${parameter}`;

const fileName = (step: number): string => `step-${String(step).padStart(6, '0')}.safetensors`;

const numbered = /^step-(\d{6,})\.safetensors$/;

/** The best one by score lies beside the numbered ones, and is not counted among them. */
export const bestFile = (directory: string): string => join(directory, 'best.safetensors');

export type SaveOptions = {
  /** How many numbered ones are kept; the oldest are deleted when a new one is complete. */
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
  if (written.ok) for (const { file } of list(directory).slice(keep)) rmSync(file, { force: true });
  return written;
}

/** Keeps a checkpoint as the best one so far. Errors: `write-failed`; the one before stays. */
export const saveBest = (directory: string, checkpoint: Checkpoint, files?: FileSystem): Result<string> =>
  saveAs(bestFile(directory), directory, checkpoint, files);

/** Makes the directory and sees that it can be written to. Errors: `write-failed`. */
export function prepareDirectory(directory: string): Result<undefined> {
  try {
    mkdirSync(directory, { recursive: true });
    accessSync(directory, constants.W_OK);
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
    mkdirSync(directory, { recursive: true });
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

/**
 * The newest complete checkpoint of a directory, if it has one; `checkpoint-torn` warnings name those that
 * were skipped. Errors: `checkpoint-of-another-model`.
 */
export function newestCheckpoint(directory: string, model: string): Result<Found | undefined> {
  const warnings: Diagnostic[] = [];
  for (const { file } of list(directory)) {
    const read = readCheckpoint(file);
    if (read.ok) return ofModel({ file, checkpoint: read.value }, model, warnings);
    const reason = read.diagnostics.map(({ message }) => message).join('; ');
    warnings.push(diagnose(fault('checkpoint-torn', { file, reason })));
  }
  return success(undefined, warnings);
}

const ofModel = (found: Found, model: string, warnings: readonly Diagnostic[]): Result<Found> =>
  found.checkpoint.model === model
    ? success(found, warnings)
    : failure(...warnings, diagnose(fault('checkpoint-of-another-model', { file: found.file })));

/** Reads one file and checks that it is complete. Errors: `weights-invalid`. */
export function readCheckpoint(file: string): Result<Checkpoint> {
  const read = readTensors(file);
  if (!read.ok) return read;
  const checkpoint = checkpointOf(read.value);
  if (checkpoint !== undefined) return success(checkpoint);
  const reason = 'its contents do not match its checksum';
  return failure(diagnose(fault('weights-invalid', { file, reason })));
}

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

function checkpointOf({ tensors, metadata }: TensorFile): Checkpoint | undefined {
  const rest = new Map([...metadata].filter(([key]) => key !== 'checksum'));
  const whole = metadata.get('checksum') === checksumOf({ tensors, metadata: rest });
  const [step, position, seed] = ['step', 'position', 'seed'].map((key) => Number(metadata.get(key)));
  const model = metadata.get('model');
  if (!whole || metadata.get('format') !== FORMAT) return undefined;
  if (step === undefined || position === undefined || seed === undefined || model === undefined)
    return undefined;
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
