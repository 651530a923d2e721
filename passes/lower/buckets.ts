/**
 * Gradients in buckets, in the order in which the backward pass finishes them: a bucket is summed over the
 * devices while the rest of the backward pass goes on, where the executor can (Li et al. 2020). The bottom
 * levels of a U-Net hold most parameters and are finished before the encoder of the finest.
 */
import { at } from '../../ir/box.ts';
import { type Model, trainedParameters } from '../../ir/model.ts';
import type { Schedule } from '../../ir/schedule.ts';
import { chunkOfOps, stageOfChunks } from '../../ir/stages.ts';
import { product } from '../../ir/type.ts';

/** Parameters of one stage whose gradients are complete when the backward pass has come to the op `until`. */
export type Bucket = { readonly parameters: readonly string[]; readonly until: number };

type Cutting = Pick<Schedule, 'chunks' | 'buckets' | 'strips'>;

/**
 * The buckets of a stage, of about the same bytes each. It depends on nothing but model and schedule, so all
 * devices of the stage agree on it.
 */
export function bucketsOf(model: Model, schedule: Cutting, stage: number): Bucket[] {
  const { buckets: wanted = 1 } = schedule;
  const finished = finishedBy(model, schedule, stage);
  const bytes = new Map(model.parameters.map(({ name, dims }) => [name, 4 * product(dims)]));
  const total = [...finished.keys()].reduce((sum, name) => sum + (bytes.get(name) ?? 0), 0);
  const buckets: { parameters: string[]; until: number }[] = [];
  let before = 0;
  for (const [name, until] of finished) {
    const last = buckets.at(-1);
    // What one op finishes stays together; a bucket ends where its share of the bytes is full.
    const isFull = last !== undefined && before >= (buckets.length * total) / wanted && last.until !== until;
    if (last === undefined || isFull) buckets.push({ parameters: [name], until });
    else {
      last.parameters.push(name);
      last.until = until;
    }
    before += bytes.get(name) ?? 0;
  }
  return buckets;
}

/** By trained parameter of the stage the first op that reads it, which the backward pass comes to last; latest ops first. */
function finishedBy(model: Model, schedule: Cutting, stage: number): Map<string, number> {
  const stages = stageOfChunks(schedule);
  const chunks = chunkOfOps(model, schedule);
  const places = trainedParameters(model).map((name) => {
    const first = model.ops.findIndex(({ inputs }) => inputs.includes(name));
    return { name, first, until: beginOf(model, schedule, first) };
  });
  const own = places.filter(({ first }) => first >= 0 && at(stages, at(chunks, first)) === stage);
  return new Map(own.sort((a, b) => b.until - a.until).map(({ name, until }) => [name, until]));
}

/** Ops in strips go backward together: what one of them finishes is finished by the first. */
function beginOf(model: Model, { strips }: Cutting, op: number): number {
  const index = (name: string) => model.ops.findIndex(({ output }) => output === name);
  const strip = strips.find(({ from, to }) => index(from) <= op && op <= index(to));
  return strip === undefined ? op : index(strip.from);
}

/** For each op of the model how many buckets of its stage are complete before the backward pass comes to it. */
export function partOfOps(model: Model, schedule: Cutting): number[] {
  const stages = stageOfChunks(schedule);
  const chunks = chunkOfOps(model, schedule);
  const buckets = [...new Set(stages)].map((stage) => [stage, bucketsOf(model, schedule, stage)] as const);
  const byStage = new Map(buckets);
  return model.ops.map((_, index) => {
    const own = byStage.get(at(stages, at(chunks, index))) ?? [];
    // The last bucket is complete when all is done.
    return own.slice(0, -1).filter(({ until }) => until > index).length;
  });
}
