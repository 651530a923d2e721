/**
 * Writes the instructions of each role: one step of training, or one tile of a prediction.
 *
 *   for each micro-batch and tile: load the labels, count the denominators;   all_reduce the counts
 *   if sums must be complete before all else: for each micro-batch and tile load, draw, run forward;   all_reduce them
 *   in the order of the schedule, for each chunk, direction, micro-batch and tile:
 *     load, draw, receive; run and meet; accumulate; send
 *     in the last one: all_reduce each bucket of gradients as soon as it is complete
 *   clip, update
 */
import { plainBackend } from '../../ir/backend.ts';
import { at } from '../../ir/box.ts';
import { type Model, resultsOf, type Training } from '../../ir/model.ts';
import type { Gradient, ModuleAt, Program } from '../../ir/module.ts';
import type { Pass } from '../../ir/pass.ts';
import type { Plan, Role, State } from '../../ir/plan.ts';
import { type Schedule, stagesOf } from '../../ir/schedule.ts';
import { sharingOf } from '../../ir/sharers.ts';
import { chunkOfOps, scoredOutputs, stageOfChunks } from '../../ir/stages.ts';
import { opsOfSweep, sweptSums } from '../../ir/sweeps.ts';
import { tileIndices } from '../../ir/tiling.ts';
import { product } from '../../ir/type.ts';
import { type Twins, twinsOf, type Written } from './alike.ts';
import { type Bucket, bucketsOfStages, partOfOps } from './buckets.ts';
import type { Share } from './making.ts';
import { slotsOf, stateName } from './optimizer.ts';
import { ordered } from './order.ts';
import { predictionRole } from './prediction.ts';
import { Segments } from './segments.ts';
import { splitsOf } from './splits.ts';
import { trainingRole, trainingRoleLike } from './step.ts';
import type { Cutting, Split } from './tasks.ts';

export const instruct: Pass<'differentiated', 'plan'> = {
  name: 'instruct',
  doc: 'segments, buffers and instructions of each role',
  from: 'differentiated',
  to: 'plan',
  run(module, { executor, workspaceOf } = plainBackend) {
    const { model, schedule, axes } = module;
    const training = model.loss === undefined ? undefined : model.training;
    const samples = samplesOf(model, schedule);
    const segments = new Segments(samples, workspaceOf);
    const states = statesOf(model, training, module.gradients);
    const roles = training
      ? trainingRoles(module, training, segments, samples, states)
      : module.programs.map((program) => predictionRole(model, program, segments, samples));
    const plan: Plan = {
      name: model.name,
      purpose: training ? 'train' : 'predict',
      executor,
      model,
      schedule,
      axes,
      samples,
      segments: segments.all(),
      roles,
      states,
    };
    return { stage: 'plan', allocated: false, plan };
  },
};

/** Samples of one micro-batch; a prediction works on one image. */
const samplesOf = (model: Model, { replicas, microBatches }: Schedule): number =>
  model.loss === undefined ? 1 : (model.training?.batch ?? 1) / (replicas * microBatches);

function statesOf(model: Model, training: Training | undefined, gradients: readonly Gradient[]): State[] {
  const trained = new Set(gradients.map(({ parameter }) => parameter));
  return model.parameters.flatMap(({ name }) => {
    const slots = training && trained.has(name) ? slotsOf(training.optimizer) : (['weight'] as const);
    return slots.map((slot): State => ({ buffer: stateName(name, slot), parameter: name, slot }));
  });
}

/** One role for each stage and each combination of the classes of places. */
function trainingRoles(
  module: ModuleAt<'differentiated'>,
  training: Training,
  segments: Segments,
  samples: number,
  states: readonly State[],
): Role[] {
  const { model, schedule } = module;
  const stages = stageOfChunks(schedule);
  const bucketsOf = bucketsOfStages(model, schedule);
  const swept = sweptSums(model, sharingOf(schedule), samples);
  const cutting = cuttingOf(module, bucketsOf, opsOfSweep(model, [...swept.keys()]));
  const splits = splitsOf(module.programs, cutting);
  const shared = {
    ...module,
    training,
    segments,
    samples,
    states,
    stages,
    orders: ordered(schedule.order, stages, schedule.microBatches, schedule.pace),
    bucketsOf,
    swept,
    names: Array.from(
      { length: schedule.microBatches * product(schedule.stream) },
      () => new Map<string, string>(),
    ),
  };
  const twins = twinsAmong();
  return Array.from({ length: stagesOf(schedule) }, (_, stage) => stage).flatMap((stage) => {
    const written: Written[] = [];
    return combinations(module).map((classes) => {
      const shares = sharesOf(module, splits, classes);
      const making = { ...shared, stage, classes, shares };
      for (const like of written) {
        const found = shares.map(({ split }, i) => twins(at(like.splits, i), split));
        const all = found.filter((one) => one !== undefined);
        if (all.length === found.length) return trainingRoleLike(making, like, all);
      }
      const made = trainingRole(making);
      written.push(made);
      return made.role;
    });
  });
}

/** The twins of two programs, which all stages ask for. */
function twinsAmong(): (one: Split, other: Split) => Twins | undefined {
  const known = new Map<Split, Map<Split, Twins | undefined>>();
  return (one, other) => {
    const ofOne = known.get(one) ?? new Map<Split, Twins | undefined>();
    known.set(one, ofOne);
    if (!ofOne.has(other)) ofOne.set(other, twinsOf(one, other));
    return ofOne.get(other);
  };
}

/** How the programs of a module are cut into tasks. */
export function cuttingOf(
  { model, schedule, gradients }: ModuleAt<'differentiated'>,
  buckets: readonly (readonly Bucket[])[],
  swept: ReadonlySet<number>,
): Cutting {
  const chunkOf = chunkOfOps(model, schedule);
  return {
    chunkOf,
    partOf: partOfOps(model, schedule, buckets),
    drop: schedule.drop,
    // Of all stages, so that each knows what the others need of it.
    results: [
      ...gradients.map(({ value }) => value),
      ...resultsOf({ ...model, outputs: scoredOutputs(model) }),
    ],
    swept,
    together: schedule.chunks.length <= 1,
  };
}

/** All combinations of one class of each axis, row-major. */
const combinations = ({ axes }: Pick<Plan, 'axes'>): number[][] =>
  axes.reduce<number[][]>(
    (all, { classes }) => all.flatMap((before) => [...new Set(classes)].map((one) => [...before, one])),
    [[]],
  );

/** The tiles that a device works through, each with its program. */
function sharesOf(
  { axes, schedule, programs }: ModuleAt<'differentiated'>,
  splits: ReadonlyMap<Program, Split>,
  classes: readonly number[],
): Share[] {
  const { stream } = schedule;
  const places = axes.map((axis, i) => axis.classes.indexOf(at(classes, i)));
  return Array.from({ length: product(stream) }, (_, index) => {
    const part = tileIndices(stream, index);
    const kinds = axes.map((axis, i) => at(axis.tiles, at(places, i) * at(stream, i) + at(part, i)));
    const program = programs.find((one) => one.classes.join() === kinds.join());
    const split = program && splits.get(program);
    if (program === undefined || split === undefined)
      throw new Error(`no program for tiles of classes ${kinds.join()}`);
    return { part, program, split };
  });
}
