/**
 * Gradients in buckets, in the order in which the backward pass finishes them: a bucket is summed over the
 * devices while the rest of the backward pass goes on, where the executor can (Li et al. 2020). The bottom
 * levels of a U-Net hold most parameters and are finished before the encoder of the finest.
 */
import { at } from '../../ir/box.ts';
import { type Model, type Training, trainedParameters } from '../../ir/model.ts';
import { type Schedule, stagesOf } from '../../ir/schedule.ts';
import { chunkOfOps, stageOfChunks } from '../../ir/stages.ts';
import { product } from '../../ir/type.ts';

/** Parameters of one stage whose gradients are complete when the backward pass has come to the op `until`. */
export type Bucket = { readonly parameters: readonly string[]; readonly until: number };

type Cutting = Pick<Schedule, 'chunks' | 'buckets' | 'strips'>;

/**
 * The buckets of each stage, of about the same bytes each within a stage, but for the last: no backward pass is left
 * to hide it, so it has an eighth of what the others have. Where one op has several shares they are fewer. They depend on nothing but model and schedule, so all
 * devices of a stage agree on them.
 */
export function bucketsOfStages(model: Model, schedule: Cutting): Bucket[][] {
  const stages = stageOfChunks(schedule);
  const bytes = new Map(model.parameters.map(({ name, dims }) => [name, 4 * product(dims)]));
  const finished = finishedGradients(model, schedule);
  return Array.from({ length: stagesOf(schedule) }, (_, stage) =>
    inBuckets(
      finished.filter(({ chunk }) => at(stages, chunk) === stage),
      bytes,
      schedule.buckets ?? 1,
    ),
  );
}

/** Of the last bucket, in shares of the others. */
const lastShare = 1 / 8;

function inBuckets(
  finished: readonly Finished[],
  bytes: ReadonlyMap<string, number>,
  wanted: number,
): Bucket[] {
  const total = finished.reduce((sum, { name }) => sum + (bytes.get(name) ?? 0), 0);
  const share = total / (wanted - 1 + lastShare);
  const tail = wanted === 1 ? 0 : share * lastShare;
  const buckets: { parameters: string[]; until: number }[] = [];
  let [before, own] = [0, 0];
  for (const { name, until } of finished) {
    const last = buckets.at(-1);
    const left = total - before;
    // What one op finishes stays together; a bucket ends where its share of the bytes is full, or the last begins.
    const isFull = own >= share || (left <= tail && left + own > tail);
    if (last === undefined || (isFull && last.until !== until)) {
      buckets.push({ parameters: [name], until });
      own = 0;
    } else {
      last.parameters.push(name);
      last.until = until;
    }
    before += bytes.get(name) ?? 0;
    own += bytes.get(name) ?? 0;
  }
  return buckets;
}

/** Buckets whose sums are taken to be under way when the backward pass ends. */
const late = 2;

/**
 * The buckets of a stage by the run of the update that reads their sums: the early ones are used while the late ones are
 * still being summed. One run where all gradients are clipped by their norm. Not more than two, since each launches its
 * kernels anew.
 */
export const earlyAndLate = <B>(buckets: readonly B[], training: Training | undefined): (readonly B[])[] =>
  buckets.length > late && training?.clip === undefined
    ? [buckets.slice(0, -late), buckets.slice(-late)]
    : [buckets];

/** A trained parameter, the chunk that reads it, and the op with which the backward pass completes its gradient. */
type Finished = { readonly name: string; readonly chunk: number; readonly until: number };

/** The first op that reads a parameter is the one that the backward pass comes to last. Latest ops first. */
function finishedGradients(model: Model, schedule: Cutting): Finished[] {
  const chunks = chunkOfOps(model, schedule);
  const firsts = new Map<string, number>();
  for (const [index, { inputs }] of model.ops.entries())
    for (const name of inputs) if (!firsts.has(name)) firsts.set(name, index);
  const begin = beginOfStrips(model, schedule);
  return trainedParameters(model)
    .flatMap((name): Finished[] => {
      const first = firsts.get(name);
      return first === undefined ? [] : [{ name, chunk: at(chunks, first), until: begin(first) }];
    })
    .sort((a, b) => b.until - a.until);
}

/** Ops in strips go backward together: what one of them finishes is finished by the first. */
function beginOfStrips(model: Model, { strips }: Cutting): (op: number) => number {
  const index = new Map(model.ops.map(({ output }, op) => [output, op]));
  const ranges = strips.map(({ from, to }) => ({ from: index.get(from) ?? -1, to: index.get(to) ?? -1 }));
  return (op) => ranges.find(({ from, to }) => from <= op && op <= to)?.from ?? op;
}

/** For each op of the model how many buckets of its stage are complete before the backward pass comes to it. */
export function partOfOps(
  model: Model,
  schedule: Cutting,
  buckets: readonly (readonly Bucket[])[],
): number[] {
  const stages = stageOfChunks(schedule);
  // The last bucket is complete when all is done.
  const ends = buckets.map((own) => own.slice(0, -1).map(({ until }) => until));
  return chunkOfOps(model, schedule).map(
    (chunk, index) => at(ends, at(stages, chunk)).filter((until) => until > index).length,
  );
}
