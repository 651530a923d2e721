/** One step of training, as the instructions of one role. */
import { at, volume } from '../../ir/box.ts';
import type { Op } from '../../ir/graph.ts';
import type { Source, Training } from '../../ir/model.ts';
import type { ModuleAt, Program } from '../../ir/module.ts';
import type { Instruction, Role, State } from '../../ir/plan.ts';
import { gridOf, stagesOf } from '../../ir/schedule.ts';
import { type Belongings, belongings } from '../../ir/stages.ts';
import { array, product, type ValueType } from '../../ir/type.ts';
import type { Bucket } from './buckets.ts';
import { hyperName, slotsOf, stateName, updateGraph } from './optimizer.ts';
import type { Item } from './order.ts';
import { Script } from './script.ts';
import type { Segments } from './segments.ts';
import type { Split, Task, Work } from './tasks.ts';

/** A tile of the device, by its index among the device's tiles, its program, and that in tasks. */
export type Share = { readonly part: readonly number[]; readonly program: Program; readonly split: Split };

export type Making = Pick<ModuleAt<'differentiated'>, 'model' | 'schedule' | 'gradients'> & {
  readonly training: Training;
  readonly segments: Segments;
  readonly samples: number;
  readonly states: readonly State[];
  /** Stage of each chunk, and chunk of each op of the model. */
  readonly stages: readonly number[];
  readonly chunkOf: readonly number[];
  /** For each stage the order of its work, and the buckets of its gradients. */
  readonly orders: readonly (readonly Item[])[];
  readonly bucketsOf: readonly (readonly Bucket[])[];
  readonly stage: number;
  readonly classes: readonly number[];
  readonly shares: readonly Share[];
};

/** A role in the making. */
type Step = Making & {
  readonly script: Script;
  /** What this stage has of the model. */
  readonly has: Belongings;
  /** Sums that are made of the parts of micro-batches and tiles. */
  readonly summed: ReadonlySet<string>;
  /** What is summed over the devices together, in the order in which it is complete; and how many of these are. */
  readonly buckets: readonly (readonly string[])[];
  readonly reduced: { count: number };
  /** By part and value the name of its buffer: made once, since every instruction has some. */
  readonly names: readonly Map<string, string>[];
  /** Parameters, counts and, where there is only one part, sums: values that have one buffer for all parts. */
  readonly once: ReadonlySet<string>;
  /** Where the inputs of the model come from. */
  readonly sources: ReadonlyMap<string, Source['from']>;
  /** There is only one part, which goes straight to the sums. */
  readonly alone: boolean;
};

export function trainingRole(making: Making): Role {
  const { schedule, model, training, shares, stage, classes } = making;
  const has = belongings(model, schedule, stage);
  const gradients = making.gradients.filter(({ parameter }) => has.parameters.has(parameter));
  const sums = [
    ...gradients.map(({ value }) => value),
    ...has.statistics.map(({ value }) => value),
    ...(has.loss ? [model.loss as string] : []),
  ];
  const parts = schedule.microBatches * shares.length;
  const step: Step = {
    ...making,
    gradients,
    has,
    script: new Script(making.samples),
    summed: new Set(sums),
    buckets: sumsInBuckets(at(making.bucketsOf, stage), gradients, sums),
    reduced: { count: 0 },
    names: Array.from({ length: parts }, () => new Map<string, string>()),
    sources: new Map(model.inputs.map(({ name, source }) => [name, source.from])),
    once: new Set([...has.parameters, ...has.counts.map(({ name }) => name), ...(parts === 1 ? sums : [])]),
    alone: parts === 1,
  };
  declareStates(step);
  countDenominators(step);
  for (const item of at(making.orders, stage)) workOn(step, item);
  reduceBefore(step, step.buckets.length);
  update(step, training);
  const place = classes.join('_');
  const name = stagesOf(schedule) === 1 ? `role_${place}` : `stage_${stage}_role_${place}`;
  return { name, stage, classes, ...step.script.finished(), arenaBytes: 0, peakBytes: 0 };
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
function reduceBefore({ script, buckets, reduced, ...making }: Step, index: number): void {
  for (; reduced.count < index; reduced.count++) {
    const sums = at(buckets, reduced.count);
    if (stageSize(making) > 1 && sums.length > 0)
      script.do({ do: 'all_reduce', over: 'stage', micro: 0, buffers: sums });
  }
}

/** Parameters of the stage that nothing trains are states as well. */
function declareStates({ script, states, has, model }: Step): void {
  const dims = new Map(model.parameters.map((parameter) => [parameter.name, parameter.dims]));
  for (const { buffer, parameter } of states)
    if (has.parameters.has(parameter)) script.state(buffer, parameter, array(dims.get(parameter) ?? []));
}

/** A buffer that each micro-batch, and each tile of a device, has its own of. */
function ofPart({ shares, names }: Step, name: string, micro: number, share: number): string {
  const known = at(names, micro * shares.length + share);
  const own = known.get(name);
  if (own !== undefined) return own;
  const made = shares.length === 1 ? `${name}#${micro}` : `${name}#${micro}.${share}`;
  known.set(name, made);
  return made;
}

const partOf = ({ shares }: Making, share: number): readonly number[] | undefined =>
  shares.length === 1 ? undefined : at(shares, share).part;

const typeNamed = (types: ReadonlyMap<string, ValueType>, name: string): ValueType => {
  const type = types.get(name);
  if (type === undefined) throw new Error(`no value ${name}`);
  return type;
};

const inputType = ({ shares, model }: Making, share: number, name: string): ValueType => {
  const here = at(shares, share).program.graph.inputs.find((input) => input.name === name);
  const type = here?.type ?? model.inputs.find((input) => input.name === name)?.type;
  if (type === undefined) throw new Error(`no input ${name}`);
  return type;
};

/** How many devices a stage of all replicas has. */
const stageSize = ({ schedule }: Pick<Making, 'schedule'>): number =>
  schedule.replicas * product(gridOf(schedule));

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
  const counts = has.counts.map(({ name }) => name);
  if (stageSize(step) > 1 && counts.length > 0)
    script.do({ do: 'all_reduce', over: 'stage', micro: 0, buffers: counts });
}

/** What one micro-batch of one tile has on this device. */
type Scene = {
  readonly micro: number;
  readonly share: number;
  readonly split: Split;
  readonly written: Set<string>;
};

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
    if (phase === 'forward') score(step, scene, chunk);
  }
}

/** The buffer of a value. */
function bufferOf(
  step: Step,
  { micro, share, split }: Scene,
  name: string,
  type = typeNamed(split.types, name),
): string {
  const { script, once } = step;
  if (once.has(name)) return script.buffer(name, name, type);
  return script.buffer(
    ofPart(step, name, micro, share),
    name,
    type,
    type.kind === 'map' ? partOf(step, share) : undefined,
  );
}

/** Loads, draws and receives what a work needs and this device does not have yet. */
function provide(step: Step, scene: Scene, work: Work): void {
  const { script, sources } = step;
  const { micro } = scene;
  for (const name of work.needs) {
    const from = sources.get(name);
    const into = () => bufferOf(step, scene, name);
    if (from === undefined) receive(step, scene, work, name);
    else if (from === 'image' && isFirst(step, scene, name))
      script.do({ do: 'load', source: name, micro, into: into() });
    else if ((from === 'mask' || from === 'corners') && isFirst(step, scene, name))
      script.do({ do: 'draw', source: name, micro, into: into() });
  }
}

/** Whether this stage has not loaded or drawn an input for this part before. */
const isFirst = (step: Step, { micro, share }: Scene, name: string): boolean =>
  !step.script.writes(ofPart(step, name, micro, share));

function receive(step: Step, scene: Scene, work: Work, name: string): void {
  const maker = scene.split.makers.get(name);
  // A parameter, or a value that the backward pass makes later.
  if (maker === undefined || (work.phase === 'forward' && maker.phase === 'backward')) return;
  const stage = at(step.stages, maker.chunk);
  if (stage === step.stage || step.script.writes(ofPart(step, name, scene.micro, scene.share))) return;
  step.script.do({ do: 'receive', name, micro: scene.micro, stage, into: bufferOf(step, scene, name) });
}

function perform(step: Step, scene: Scene, task: Task): void {
  const { script, segments } = step;
  const { micro } = scene;
  for (const name of task.writes) scene.written.add(name);
  if (task.kind === 'meet') {
    script.do(meeting(step, scene, task.op));
    return;
  }
  const segment = segments.named(task.why, task.graph);
  const reads = task.reads.map((name) => bufferOf(step, scene, name));
  const writes = task.writes.map((name) => bufferOf(step, scene, name));
  script.do({ do: 'run', segment: segment.name, why: task.why, micro, reads, writes });
}

function meeting(step: Step, scene: Scene, op: Op): Instruction {
  const { micro } = scene;
  const buffer = (name: string) => bufferOf(step, scene, name);
  const into = () => buffer(op.output);
  const from = () => buffer(at(op.inputs, 0));
  switch (op.kind) {
    case 'exchange': {
      const { value, back, keeps, sends, receives } = op.attrs;
      return {
        do: 'exchange',
        name: op.output,
        value,
        back,
        micro,
        ...(op.inputs.length === 0 ? {} : { from: from() }),
        ...(op.type.kind === 'map' && volume(op.type.box) === 0 ? {} : { into: into() }),
        ...(keeps.length === 0 ? {} : { keeps }),
        sends,
        receives,
      };
    }
    case 'paste': {
      const into = bufferOf(step, scene, op.attrs.into, op.type);
      const first = op.inputs.length === 1;
      return { do: op.attrs.extent.length > 0 ? 'paste' : 'accumulate', from: from(), into, first };
    }
    case 'all_gather':
    case 'reduce_scatter':
      return { do: op.kind, over: op.attrs.over, micro, from: from(), into: into() };
    default:
      throw new Error(`${op.kind} is no meeting`);
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
        into: script.buffer(name, name, typeNamed(split.types, name)),
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

/** Holds the predictions of a chunk against the labels. */
function score(step: Step, scene: Scene, chunk: number): void {
  const { script, has, model, chunkOf } = step;
  const { micro, share } = scene;
  for (const { name, value } of has.scored) {
    const maker = model.ops.findIndex(({ output }) => output === value);
    if (at(chunkOf, maker) !== chunk) continue;
    script.do({
      do: 'metric',
      target: name,
      predicted: bufferOf(step, scene, value),
      labels: ofPart(step, name, micro, share),
    });
  }
}

function update(step: Step, training: Training): void {
  const { script, segments, gradients, model, has } = step;
  const reduced = gradients.map(({ value }) => value);
  if (training.clip !== undefined) script.do({ do: 'clip', buffers: reduced, norm: training.clip });
  if (reduced.length + has.statistics.length > 0) {
    script.do({ do: 'rate', into: script.buffer(hyperName, hyperName, array([3])) });
    const byParameter = new Map(gradients.map(({ parameter, value }) => [parameter, value]));
    const trained = model.parameters.filter(({ name }) => byParameter.has(name));
    const dims = new Map(model.parameters.map((parameter) => [parameter.name, parameter.dims]));
    const statistics = has.statistics.map((one) => ({ ...one, dims: dims.get(one.parameter) ?? [] }));
    const gradientOf = (parameter: string) => byParameter.get(parameter) ?? '';
    const { graph } = updateGraph(training.optimizer, trained, gradientOf, statistics);
    const segment = segments.named('update', graph);
    const writes = [
      ...trained.flatMap(({ name }) => slotsOf(training.optimizer).map((slot) => stateName(name, slot))),
      ...statistics.map(({ parameter }) => parameter),
    ];
    const reads = graph.inputs.map(({ name }) => name);
    script.do({ do: 'run', segment: segment.name, why: 'update', micro: 0, reads, writes });
  }
  if (has.loss) script.do({ do: 'report', from: model.loss as string });
}
