/**
 * Writes the instructions of each role: one step of training, or one tile of a prediction.
 *
 *   for each micro-batch: load the labels, count the denominators;   all_reduce the counts
 *   for each micro-batch: load, draw, run forward and backward, accumulate
 *   all_reduce the gradients and the loss, clip, update
 */
import { at } from '../../ir/box.ts';
import type { Graph } from '../../ir/graph.ts';
import { workspaceOf } from '../../ir/liveness.ts';
import { type Input, type Model, statisticsOf, type Training } from '../../ir/model.ts';
import type { Gradient, ModuleAt, Program } from '../../ir/module.ts';
import type { Pass } from '../../ir/pass.ts';
import type { Buffer, Instruction, Plan, Role, Segment, State } from '../../ir/plan.ts';
import type { Schedule } from '../../ir/schedule.ts';
import { array, bytesOf, dimsOf, type ValueType } from '../../ir/type.ts';
import { hyperName, slotsOf, stateName, updateGraph } from './optimizer.ts';

export const instruct: Pass<'differentiated', 'plan'> = {
  name: 'instruct',
  doc: 'segments, buffers and instructions of each role',
  from: 'differentiated',
  to: 'plan',
  run(module) {
    const { model, schedule, axes, programs } = module;
    const samples = samplesOf(model, schedule);
    const training = model.loss === undefined ? undefined : model.training;
    const segments = new Segments(samples);
    const roles = programs.map((program) => {
      const segment = segments.named(training ? 'step' : 'forward', program.graph);
      return training
        ? trainingRole(module, program, segment, samples, training, segments)
        : predictionRole(model, program, segment, samples);
    });
    const plan: Plan = {
      name: model.name,
      purpose: training ? 'train' : 'predict',
      model,
      schedule,
      axes,
      samples,
      segments: segments.all(),
      roles,
      states: statesOf(model, training, module.gradients),
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

/** Segments by content: roles that run the same graph share one. */
class Segments {
  private readonly byContent = new Map<string, Segment>();
  private readonly samples: number;

  constructor(samples: number) {
    this.samples = samples;
  }

  named(stem: string, graph: Graph): Segment {
    const content = JSON.stringify(graph);
    const known = this.byContent.get(content);
    if (known !== undefined) return known;
    const count = [...this.byContent.values()].filter(({ name }) => name.startsWith(stem)).length;
    const name = `${stem}_${count}`;
    const segment = { name, samples: this.samples, graph, workspace: workspaceOf(graph, this.samples) };
    this.byContent.set(content, segment);
    return segment;
  }

  all(): Segment[] {
    return [...this.byContent.values()];
  }
}

/** Collects the instructions of a role and notes when each buffer is first and last used. */
class Script {
  readonly instructions: Instruction[] = [];
  private readonly buffers = new Map<string, Buffer>();
  private readonly samples: number;

  constructor(samples: number) {
    this.samples = samples;
  }

  /** Declares a buffer; it is born with the next instruction, or lives from step to step. */
  buffer(name: string, value: string, type: ValueType, persistent = false): string {
    const size = this.instructions.length;
    if (!this.buffers.has(name))
      this.buffers.set(name, {
        name,
        value,
        element: type.element,
        dims: dimsOf(type, this.samples),
        ...(type.kind === 'map' && type.box.length > 0 ? { box: type.box } : {}),
        bytes: bytesOf(type, this.samples),
        birth: persistent ? -1 : size,
        death: size,
        offset: 0,
      });
    return name;
  }

  do(instruction: Instruction): void {
    this.instructions.push(instruction);
  }

  free(...buffers: string[]): void {
    if (buffers.length === 0) return;
    for (const name of buffers) {
      const buffer = this.buffers.get(name);
      if (buffer === undefined) throw new Error(`free of ${name}, which is no buffer`);
      this.buffers.set(name, { ...buffer, death: this.instructions.length });
    }
    this.do({ do: 'free', buffers });
  }

  role(program: Program): Role {
    const buffers = [...this.buffers.values()].map((buffer) =>
      buffer.birth < 0 ? { ...buffer, death: this.instructions.length } : buffer,
    );
    const { name, classes } = program;
    return { name, classes, buffers, instructions: this.instructions, arenaBytes: 0, peakBytes: 0 };
  }
}

const inputsFrom = <F extends Input['source']['from']>(model: Model, from: F) =>
  model.inputs.filter(
    (input): input is Input & { source: Extract<Input['source'], { from: F }> } => input.source.from === from,
  );

function predictionRole(model: Model, program: Program, segment: Segment, samples: number): Role {
  const script = new Script(samples);
  const { inputs, ops } = segment.graph;
  const types = new Map(
    [...inputs, ...ops.map(({ output, type }) => ({ name: output, type }))].map((v) => [v.name, v.type]),
  );
  const typeOf = (name: string) => types.get(name) as ValueType;
  for (const { name, type } of inputs)
    if (model.parameters.some((parameter) => parameter.name === name)) script.buffer(name, name, type, true);
  const images = [...inputsFrom(model, 'image'), ...inputsFrom(model, 'corners')].filter(({ name }) =>
    types.has(name),
  );
  for (const { name, source } of images) {
    const into = script.buffer(name, name, typeOf(name));
    script.do({ do: source.from === 'image' ? 'load' : 'draw', source: name, micro: 0, into });
  }
  const writes = segment.graph.outputs.map((name) => script.buffer(name, name, typeOf(name)));
  const reads = inputs.map(({ name }) => name);
  script.do({ do: 'run', segment: segment.name, why: 'forward', micro: 0, reads, writes });
  script.free(...images.map(({ name }) => name));
  for (const { name, value } of model.outputs) script.do({ do: 'store', output: name, from: value });
  script.free(...writes);
  return script.role(program);
}

type Step = {
  readonly script: Script;
  readonly model: Model;
  readonly schedule: Schedule;
  readonly segment: Segment;
  readonly gradients: readonly Gradient[];
  typeOf(name: string): ValueType;
};

function trainingRole(
  { model, schedule, gradients }: ModuleAt<'differentiated'>,
  program: Program,
  segment: Segment,
  samples: number,
  training: Training,
  segments: Segments,
): Role {
  const script = new Script(samples);
  const { inputs, ops } = segment.graph;
  const types = new Map(inputs.map(({ name, type }) => [name, type]));
  for (const op of ops) types.set(op.output, op.type);
  const typeOf = (name: string) => types.get(name) ?? array([]);
  const step: Step = { script, model, schedule, segment, gradients, typeOf };
  const trained = model.parameters.filter(({ name }) =>
    gradients.some(({ parameter }) => parameter === name),
  );
  const dimsOf = (name: string) => model.parameters.find((one) => one.name === name)?.dims ?? [];
  for (const state of statesOf(model, training, gradients))
    script.buffer(state.buffer, state.parameter, array(dimsOf(state.parameter)), true);
  countDenominators(step);
  for (let micro = 0; micro < schedule.microBatches; micro++) microBatch(step, micro);
  const statistics = statisticsOf(model).map((one) => ({ ...one, dims: dimsOf(one.parameter) }));
  const sums = [...summedOver(model, gradients)];
  if (schedule.devices > 1) script.do({ do: 'all_reduce', buffers: sums });
  const reduced = gradients.map(({ value }) => value);
  if (training.clip !== undefined) script.do({ do: 'clip', buffers: reduced, norm: training.clip });
  script.do({ do: 'rate', into: script.buffer(hyperName, hyperName, array([3])) });
  const { graph } = updateGraph(training.optimizer, trained, gradientOf(gradients), statistics);
  const update = segments.named('update', graph);
  const writes = [
    ...trained.flatMap(({ name }) => slotsOf(training.optimizer).map((slot) => stateName(name, slot))),
    ...statistics.map(({ parameter }) => parameter),
  ];
  const reads = graph.inputs.map(({ name }) => name);
  script.do({ do: 'run', segment: update.name, why: 'update', micro: 0, reads, writes });
  script.do({ do: 'report', from: model.loss as string });
  script.free(...countsOf(model).map(({ name }) => name), ...sums, hyperName);
  return script.role(program);
}

/** Values that are shares: summed over micro-batches and devices once a step. */
const summedOver = (model: Model, gradients: readonly Gradient[]): Set<string> =>
  new Set([
    ...gradients.map(({ value }) => value),
    ...statisticsOf(model).map(({ value }) => value),
    model.loss as string,
  ]);

const gradientOf =
  (gradients: readonly Gradient[]) =>
  (parameter: string): string =>
    at(
      gradients.filter((gradient) => gradient.parameter === parameter),
      0,
    ).value;

const countsOf = (model: Model) => inputsFrom(model, 'count');

/** A buffer that each micro-batch has its own of. */
const ofMicro = (name: string, micro: number): string => `${name}#${micro}`;

/** Labels stay from here until their micro-batch is done: one byte a cell, and read once. */
function countDenominators({ script, model, schedule, typeOf }: Step): void {
  const counts = countsOf(model);
  for (let micro = 0; micro < schedule.microBatches; micro++) {
    for (const { name } of inputsFrom(model, 'target')) {
      const into = script.buffer(ofMicro(name, micro), name, typeOf(name));
      script.do({ do: 'load', source: name, micro, into });
    }
    for (const { name, source, type } of counts) {
      const from = ofMicro(source.target, micro);
      script.do({
        do: 'count',
        source: name,
        from,
        into: script.buffer(name, name, type),
        first: micro === 0,
      });
    }
  }
  if (schedule.devices > 1 && counts.length > 0)
    script.do({ do: 'all_reduce', buffers: counts.map(({ name }) => name) });
}

/** Loads, runs and sums up one micro-batch. Its own results go straight to the sums where it is the only one. */
function microBatch({ script, model, schedule, segment, gradients, typeOf }: Step, micro: number): void {
  const { inputs, outputs } = segment.graph;
  const has = new Set(inputs.map(({ name }) => name));
  const perMicro = [
    ...inputsFrom(model, 'image'),
    ...inputsFrom(model, 'mask'),
    ...inputsFrom(model, 'corners'),
  ].filter(({ name }) => has.has(name));
  for (const { name, source } of perMicro) {
    const into = script.buffer(ofMicro(name, micro), name, typeOf(name));
    script.do({ do: source.from === 'image' ? 'load' : 'draw', source: name, micro, into });
  }
  const targets = inputsFrom(model, 'target').map(({ name }) => name);
  const varying = new Set([...perMicro.map(({ name }) => name), ...targets]);
  const reads = inputs.map(({ name }) => (varying.has(name) ? ofMicro(name, micro) : name));
  const summed = summedOver(model, gradients);
  const alone = schedule.microBatches === 1;
  const own = (name: string) => (alone && summed.has(name) ? name : ofMicro(name, micro));
  const writes = outputs.map((name) => script.buffer(own(name), name, typeOf(name)));
  script.do({ do: 'run', segment: segment.name, why: 'step', micro, reads, writes });
  script.free(...perMicro.map(({ name }) => ofMicro(name, micro)));
  for (const { name, value } of model.outputs.filter((output) => targets.includes(output.name)))
    script.do({ do: 'metric', target: name, predicted: ofMicro(value, micro), labels: ofMicro(name, micro) });
  const sums = alone ? [] : outputs.filter((name) => summed.has(name));
  for (const name of sums) {
    const into = script.buffer(name, name, typeOf(name));
    script.do({ do: 'accumulate', from: ofMicro(name, micro), into, first: micro === 0 });
  }
  const predictions = outputs.filter((name) => !summed.has(name));
  script.free(...[...targets, ...predictions, ...sums].map((name) => ofMicro(name, micro)));
}
