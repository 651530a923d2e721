/** A role in the making: what all of its instructions are written with, and the names of its buffers. */
import { at } from '../../ir/box.ts';
import type { Source, Training } from '../../ir/model.ts';
import type { ModuleAt, Program } from '../../ir/module.ts';
import type { State } from '../../ir/plan.ts';
import type { Sharers } from '../../ir/sharers.ts';
import type { Belongings } from '../../ir/stages.ts';
import { inSweep } from '../../ir/sweeps.ts';
import type { ValueType } from '../../ir/type.ts';
import type { Bucket } from './buckets.ts';
import type { Item } from './order.ts';
import type { Script } from './script.ts';
import type { Segments } from './segments.ts';
import { type Split, typeIn } from './tasks.ts';

/** A tile of the device, by its index among the device's tiles, its program, and that in tasks. */
export type Share = { readonly part: readonly number[]; readonly program: Program; readonly split: Split };

export type Making = Pick<ModuleAt<'differentiated'>, 'model' | 'schedule' | 'gradients'> & {
  readonly training: Training;
  readonly segments: Segments;
  readonly samples: number;
  readonly states: readonly State[];
  /** Stage of each chunk. */
  readonly stages: readonly number[];
  /** For each stage the order of its work, and the buckets of its gradients. */
  readonly orders: readonly (readonly Item[])[];
  readonly bucketsOf: readonly (readonly Bucket[])[];
  /** Sums that are made of all parts in a sweep ahead of all else. */
  readonly swept: ReadonlyMap<string, Sharers>;
  /** By part and value the name of its buffer: made once for all roles, since every instruction has some. */
  readonly names: readonly Map<string, string>[];
  readonly stage: number;
  readonly classes: readonly number[];
  readonly shares: readonly Share[];
};

/** A role in the making. */
export type Step = Making & {
  readonly script: Script;
  /** What this stage has of the model. */
  readonly has: Belongings;
  /** Sums that are made of the parts of micro-batches and tiles. */
  readonly summed: ReadonlySet<string>;
  /** What is summed over the devices together, in the order in which it is complete; and how many of these are. */
  readonly buckets: readonly (readonly string[])[];
  readonly reduced: { count: number };
  /** Parameters, counts, sums of all or the only part: values that have one buffer for all parts. */
  readonly once: ReadonlySet<string>;
  /** Where the inputs of the model come from. */
  readonly sources: ReadonlyMap<string, Source['from']>;
  /** There is only one part, which goes straight to the sums. */
  readonly alone: boolean;
};

/** What one micro-batch of one tile has on this device; `ahead`: in the sweep, which keeps nothing for later. */
export type Scene = {
  readonly micro: number;
  readonly share: number;
  readonly split: Split;
  readonly ahead?: true;
  readonly written: Set<string>;
};

/** A buffer that each micro-batch, and each tile of a device, has its own of. */
export function ofPart({ shares, names }: Step, name: string, micro: number, share: number): string {
  const known = at(names, micro * shares.length + share);
  const own = known.get(name);
  if (own !== undefined) return own;
  const made = shares.length === 1 ? `${name}#${micro}` : `${name}#${micro}.${share}`;
  known.set(name, made);
  return made;
}

export const partOf = ({ shares }: Making, share: number): readonly number[] | undefined =>
  shares.length === 1 ? undefined : at(shares, share).part;

export const inputType = ({ shares, model }: Making, share: number, name: string): ValueType => {
  const here = at(shares, share).program.graph.inputs.find((input) => input.name === name);
  const type = here?.type ?? model.inputs.find((input) => input.name === name)?.type;
  if (type === undefined) throw new Error(`no input ${name}`);
  return type;
};

/** The buffer of a value. */
export function bufferOf(
  step: Step,
  scene: Scene,
  name: string,
  type = typeIn(scene.split.types, name),
): string {
  const { script, once, swept } = step;
  const { micro, share } = scene;
  if (once.has(name)) return script.buffer(name, name, type, share);
  if (swept.has(name)) return script.buffer(sumOfMicro(name, micro), name, type, share);
  const part = type.kind === 'map' ? partOf(step, share) : undefined;
  return script.buffer(nameIn(step, scene, name), name, type, share, part);
}

/** A sum over the tiles of one micro-batch. */
const sumOfMicro = (name: string, micro: number): string => `${name}#${micro}`;

/** The name of the buffer of what each part has its own of. What is read or drawn in a sweep comes anew after it. */
export function nameIn(step: Step, { micro, share, ahead }: Scene, name: string): string {
  const from = ahead === true ? step.sources.get(name) : undefined;
  return ofPart(step, from === undefined || from === 'target' ? name : inSweep(name), micro, share);
}
