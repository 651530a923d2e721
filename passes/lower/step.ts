/** One step of training, as the instructions of one role. */
import { at } from '../../ir/box.ts';
import type { Optimizer, Training } from '../../ir/model.ts';
import type { Role } from '../../ir/plan.ts';
import { stagesOf } from '../../ir/schedule.ts';
import { belongings } from '../../ir/stages.ts';
import { array } from '../../ir/type.ts';
import { rewritten, type Twins, type Written } from './alike.ts';
import { type Bucket, earlyAndLate } from './buckets.ts';
import { bufferOf, inputType, type Making, ofPart, partOf, type Scene, type Step } from './making.ts';
import { hyperName, slotsOf, stateName, updateGraph } from './optimizer.ts';
import type { Item } from './order.ts';
import { perform, provide, reduceOver } from './performing.ts';
import { Script } from './script.ts';
import { sweepAhead } from './sweep.ts';
import { typeIn, type Work } from './tasks.ts';

export function trainingRole(making: Making): Written {
  const { model, schedule, training, shares, stage } = making;
  const has = belongings(model, schedule, stage);
  const gradients = making.gradients.filter(({ parameter }) => has.parameters.has(parameter));
  const sums = [
    ...gradients.map(({ value }) => value),
    ...has.statistics.map(({ value }) => value),
    ...(has.loss ? [model.loss as string] : []),
  ];
  const parts = making.names.length;
  const step: Step = {
    ...making,
    gradients,
    has,
    script: new Script(making.samples),
    summed: new Set(sums),
    buckets: sumsInBuckets(at(making.bucketsOf, stage), gradients, sums),
    reduced: { count: 0 },
    sources: new Map(model.inputs.map(({ name, source }) => [name, source.from])),
    once: new Set([
      ...has.parameters,
      ...has.counts.map(({ name }) => name),
      ...(parts === 1 ? sums : []),
      ...[...making.swept].flatMap(([name, { over }]) => (over === 'stage' ? [name] : [])),
    ]),
    alone: parts === 1,
  };
  declareStates(step);
  countDenominators(step);
  sweepAhead(step);
  for (const item of at(making.orders, stage)) workOn(step, item);
  reduceBefore(step, step.buckets.length);
  update(step, training);
  const { buffers, instructions, sites, typedBy } = step.script.withSites();
  return {
    role: roleOf(making, { buffers, instructions }),
    splits: shares.map(({ split }) => split),
    sites,
    typedBy,
  };
}

/** A role that is there already, for tiles of other programs that differ from its own in cells alone. */
export const trainingRoleLike = (making: Making, like: Written, twins: readonly Twins[]): Role => {
  const { shares, segments, samples } = making;
  const splits = shares.map(({ split }) => split);
  return roleOf(making, rewritten(like, splits, twins, segments, samples));
};

/** Its places in memory follow. */
function roleOf(
  { schedule, stage, classes }: Making,
  { buffers, instructions }: Pick<Role, 'buffers' | 'instructions'>,
): Role {
  const place = classes.join('_');
  const name = stagesOf(schedule) === 1 ? `role_${place}` : `stage_${stage}_role_${place}`;
  return { name, stage, classes, instructions, buffers, arenaBytes: 0, peakBytes: 0 };
}

/** The loss and the running statistics, which are complete before the first gradient is, go with the first bucket. */
function sumsInBuckets(
  buckets: readonly Bucket[],
  gradients: Making['gradients'],
  sums: readonly string[],
): string[][] {
  const gradientOf = new Map(gradients.map(({ parameter, value }) => [parameter, value]));
  const bucketOf = new Map(
    buckets.flatMap(({ parameters }, index) =>
      parameters.map((parameter) => [gradientOf.get(parameter), index] as const),
    ),
  );
  const count = Math.max(1, buckets.length);
  return Array.from({ length: count }, (_, index) =>
    sums.filter((sum) => (bucketOf.get(sum) ?? 0) === index),
  );
}

/** Sums the buckets before the one of that index over the devices, unless they are already. */
function reduceBefore(step: Step, index: number): void {
  const { buckets, reduced } = step;
  for (; reduced.count < index; reduced.count++) reduceOver(step, 'stage', at(buckets, reduced.count));
}

/** Parameters of the stage that nothing trains are states as well. */
function declareStates({ script, states, has, model }: Step): void {
  const dims = new Map(model.parameters.map((parameter) => [parameter.name, parameter.dims]));
  for (const { buffer, parameter } of states)
    if (has.parameters.has(parameter)) script.state(buffer, parameter, array(dims.get(parameter) ?? []));
}

/** Labels stay from here until their micro-batch is done: one byte a cell, and read once. */
function countDenominators(step: Step): void {
  const { script, schedule, has, shares } = step;
  let first = true;
  for (let micro = 0; micro < schedule.microBatches; micro++)
    for (const share of shares.keys()) {
      for (const { name } of has.targets) {
        const into = script.buffer(
          ofPart(step, name, micro, share),
          name,
          inputType(step, share, name),
          share,
          partOf(step, share),
        );
        script.do({ do: 'load', source: name, micro, into });
      }
      for (const { name, source, type } of has.counts)
        script.do({
          do: 'count',
          source: name,
          from: ofPart(step, source.target, micro, share),
          into: script.buffer(name, name, type),
          first,
        });
      first = false;
    }
  reduceOver(
    step,
    'stage',
    has.counts.map(({ name }) => name),
  );
}

/** One item of the order, for each tile of the device. */
function workOn(step: Step, { chunk, phase, micro }: Item): void {
  const together = step.stages.length === 1;
  // A program that is not cut is done both ways in its forward item.
  if (together && phase === 'backward') return;
  for (const [share, { split }] of step.shares.entries()) {
    const works = split.works.filter((work) => work.chunk === chunk && (together || work.phase === phase));
    const scene = { micro, share, split, written: new Set<string>() };
    // No gradient gets another part after this one.
    const isLast = micro === step.schedule.microBatches - 1 && share === step.shares.length - 1;
    for (const work of works) {
      provide(step, scene, work);
      for (const task of work.tasks) {
        if (isLast) reduceBefore(step, task.part);
        perform(step, scene, task);
        addUp(step, scene);
      }
      giveAway(step, scene, work);
    }
    score(step, scene, works);
  }
}

/** Adds the parts of sums that were just made. */
function addUp(step: Step, { micro, share, split, written }: Scene): void {
  const { script, alone, summed } = step;
  if (alone) return;
  for (const name of written)
    if (summed.has(name))
      script.do({
        do: 'accumulate',
        from: ofPart(step, name, micro, share),
        into: script.buffer(name, name, typeIn(split.types, name), share),
        first: micro === 0 && share === 0,
      });
  written.clear();
}

/** Sends what other stages need of a work. */
function giveAway(step: Step, scene: Scene, work: Work): void {
  const { micro, split } = scene;
  for (const name of work.gives) {
    const readers = [...(split.readers.get(name) ?? [])];
    const stages = new Set(readers.map((chunk) => at(step.stages, chunk)));
    for (const stage of [...stages].filter((one) => one !== step.stage).sort((a, b) => a - b))
      step.script.do({ do: 'send', name, micro, stage, from: bufferOf(step, scene, name) });
  }
}

/** Holds the predictions that some works made against the labels. */
function score(step: Step, scene: Scene, works: readonly Work[]): void {
  const { script, has } = step;
  const { micro, share } = scene;
  const made = new Set(works.flatMap(({ tasks }) => tasks.flatMap(({ writes }) => writes)));
  for (const { name, value } of has.scored) {
    if (!made.has(value)) continue;
    script.do({
      do: 'metric',
      target: name,
      predicted: bufferOf(step, scene, value),
      labels: ofPart(step, name, micro, share),
    });
  }
}

function update(step: Step, training: Training): void {
  const { script, gradients, model, has } = step;
  const reduced = gradients.map(({ value }) => value);
  if (training.clip !== undefined) script.do({ do: 'clip', buffers: reduced, norm: training.clip });
  if (reduced.length + has.statistics.length > 0) {
    script.do({ do: 'rate', into: script.buffer(hyperName, hyperName, array([3])) });
    for (const sums of earlyAndLate(step.buckets, training))
      updateFrom(step, training.optimizer, new Set(sums.flat()));
  }
  if (has.loss) script.do({ do: 'report', from: model.loss as string });
}

/** Updates the parameters and running statistics that these are the sums of. */
function updateFrom(step: Step, optimizer: Optimizer, sums: ReadonlySet<string>): void {
  const { script, segments, gradients, model, has } = step;
  const byParameter = new Map(
    gradients.flatMap(({ parameter, value }) => (sums.has(value) ? [[parameter, value] as const] : [])),
  );
  const trained = model.parameters.filter(({ name }) => byParameter.has(name));
  const dims = new Map(model.parameters.map((parameter) => [parameter.name, parameter.dims]));
  const statistics = has.statistics
    .filter(({ value }) => sums.has(value))
    .map((one) => ({ ...one, dims: dims.get(one.parameter) ?? [] }));
  const gradientOf = (parameter: string) => byParameter.get(parameter) ?? '';
  const { graph } = updateGraph(optimizer, trained, gradientOf, statistics);
  const segment = segments.named('update', graph);
  const writes = [
    ...trained.flatMap(({ name }) => slotsOf(optimizer).map((slot) => stateName(name, slot))),
    ...statistics.map(({ parameter }) => parameter),
  ];
  const reads = graph.inputs.map(({ name }) => name);
  script.do({ do: 'run', segment: segment.name, why: 'update', micro: 0, reads, writes });
}
