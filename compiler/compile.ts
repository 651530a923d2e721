/**
 * The driver. Read this first:
 *
 *   source --front--> Model --first-fit, shard, gradient, instruct, allocate--> Plan --bundle--> files
 *
 * The passes and their order are data (`pipelines.ts`); the pass manager verifies after each.
 */
import { type Result, success } from '../ir/diagnostics/diagnostic.ts';
import type { Model } from '../ir/model.ts';
import type { Plan } from '../ir/plan.ts';
import type { Pins } from '../ir/schedule.ts';
import { compileModel } from './front/lower-model.ts';
import { runPasses } from './pass-manager.ts';
import { planPipeline } from './pipelines.ts';

export type Request = {
  /** The `.unet` text, and the name of its file for diagnostics. */
  readonly source: string;
  readonly file: string;
  /** Expressions that replace top-level `let`s. */
  readonly sets: Readonly<Record<string, string>>;
  readonly purpose: 'train' | 'predict';
  /** Spatial sizes of an image input that differ from the text's: a prediction takes any image. */
  readonly extents?: Readonly<Record<string, readonly number[]>>;
  readonly pins: Pins;
};

export type Compiled = { readonly model: Model; readonly plan: Plan };

/** From a text and some decisions to a verified plan. */
export function compile({ source, file, sets, purpose, extents, pins }: Request): Result<Compiled> {
  const model = compileModel(source, file, { sets, purpose, ...(extents === undefined ? {} : { extents }) });
  if (!model.ok) return model;
  const planned = runPasses(planPipeline, { stage: 'model', model: model.value, pins });
  if (!planned.ok) return planned;
  if (planned.value.stage !== 'plan') throw new Error(`the pipeline ends at ${planned.value.stage}`);
  return success({ model: model.value, plan: planned.value.plan }, model.warnings);
}
