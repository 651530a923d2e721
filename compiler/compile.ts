/**
 * The driver. Read this first:
 *
 *   source --front--> Model --decide--> Schedule --shard, gradient, instruct, allocate--> Plan --bundle--> files
 *
 * Decisions are made by the joint search where the machine is known, else by the plain default (`first-fit`).
 * The passes and their order are data (`pipelines.ts`); the pass manager verifies after each.
 */
import { type Backend, plainBackend } from '../ir/backend.ts';
import type { Decision } from '../ir/decision.ts';
import { diagnose, failure, isFault, type Result, success } from '../ir/diagnostics/diagnostic.ts';
import type { Machine } from '../ir/machine.ts';
import type { Model } from '../ir/model.ts';
import type { Module } from '../ir/module.ts';
import type { Plan } from '../ir/plan.ts';
import type { Pins, Schedule } from '../ir/schedule.ts';
import { jointlyDecided, type Searching } from '../passes/decide/joint-search.ts';
import { memoryFor } from '../passes/decide/situation.ts';
import { compileModel } from './front/lower-model.ts';
import { processes, runPasses } from './pass-manager.ts';
import { decidePipeline, lowerPipeline } from './pipelines.ts';

export type Source = {
  /** The `.unet` text, and the name of its file for diagnostics. */
  readonly source: string;
  readonly file: string;
  /** Expressions that replace top-level `let`s. */
  readonly sets: Readonly<Record<string, string>>;
  readonly purpose: 'train' | 'predict';
  /** Spatial sizes of an image input that differ from the text's: a prediction takes any image. */
  readonly extents?: Readonly<Record<string, readonly number[]>>;
};

export type Request = Source & { readonly pins: Pins; readonly machine?: Machine };

export type Decided = {
  readonly schedule: Schedule;
  /** Absent where nothing was weighed: the plain default decided, or a person. */
  readonly decision?: Decision;
  /** What the search made of the schedule: passes need not do it again, only its verification is left. */
  readonly lowered?: readonly Module[];
};

export type Compiled = Omit<Decided, 'lowered'> & { readonly model: Model; readonly plan: Plan };

/** From a text and some decisions to a verified plan. */
export function compile({ pins, machine, ...source }: Request): Result<Compiled> {
  const model = modelOf(source);
  if (!model.ok) return model;
  const decided = decide(model.value, pins, machine);
  if (!decided.ok) return decided;
  const { schedule, decision, lowered } = decided.value;
  const plan = carryOut(model.value, schedule, machine, lowered);
  if (!plan.ok) return plan;
  const compiled = { schedule, model: model.value, plan: plan.value };
  return success(decision === undefined ? compiled : { ...compiled, decision }, model.warnings);
}

export const modelOf = ({ source, file, sets, purpose, extents }: Source): Result<Model> =>
  compileModel(source, file, { sets, purpose, ...(extents === undefined ? {} : { extents }) });

/** `strategy` keeps halo decisions to one of other systems; `memoryCurve`: the decision has its curve. */
export type Deciding = Pick<Searching, 'strategy' | 'memoryCurve'>;

/** All that the pins leave open. The search is for training; what it cannot place, the plain default may stream. */
export function decide(
  model: Model,
  pins: Pins,
  machine?: Machine,
  deciding: Deciding = {},
): Result<Decided> {
  const trains = model.loss !== undefined && model.training !== undefined;
  const found =
    machine !== undefined && trains
      ? jointlyDecided(model, machine, pins, { backend: backendFor(machine), ...deciding })
      : undefined;
  if (found !== undefined && !isFault(found)) return success({ ...found, lowered: found.lowered.modules });
  // What the search cannot place on this machine, the plain default may.
  if (found !== undefined && machine?.launcher !== 'local') return failure(diagnose(found));
  const within = machine === undefined ? pins : { ...pins, memory: memoryFor(pins, machine) };
  const decided = runPasses(decidePipeline, { stage: 'model', model, pins: within }, backendFor(machine));
  if (!decided.ok) return decided;
  if (decided.value.stage !== 'scheduled') throw new Error(`decisions end at ${decided.value.stage}`);
  return success({ schedule: decided.value.schedule });
}

/** What segments need: of memory as ONNX files on this machine, op by op with immediate frees on a cluster. */
const backendFor = (machine?: Machine): Backend =>
  machine === undefined || machine.launcher === 'local' ? processes : plainBackend;

/** A schedule as a plan, verified after every pass. */
export function carryOut(
  model: Model,
  schedule: Schedule,
  machine?: Machine,
  known: Decided['lowered'] = [],
): Result<Plan> {
  const given = { stage: 'scheduled', model, schedule } as const;
  const lowered = runPasses(lowerPipeline, given, backendFor(machine), known);
  if (!lowered.ok) return lowered;
  if (lowered.value.stage !== 'plan') throw new Error(`the pipeline ends at ${lowered.value.stage}`);
  return success(lowered.value.plan);
}
