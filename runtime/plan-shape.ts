/** The structure of a plan that is read from a file, field by field. That the plan is sound is for the verifier to prove. */
import type { Range } from '../ir/box.ts';
import type { Graph, Op } from '../ir/graph.ts';
import type {
  Init,
  Input,
  Model,
  Optimizer,
  Output,
  Parameter,
  Rate,
  Source,
  Statistic,
  Training,
} from '../ir/model.ts';
import type { Piece } from '../ir/ops/attributes.ts';
import { isOpKind } from '../ir/ops/table.ts';
import {
  type Axis,
  type Buffer,
  type Instruction,
  type Plan,
  purposes,
  type Role,
  type Segment,
  type State,
} from '../ir/plan.ts';
import {
  axisWords,
  type Chunk,
  type Coarsening,
  type Exchange,
  type Pace,
  type Schedule,
  type Strips,
} from '../ir/schedule.ts';
import type { ArrayType, Element, MapType, Value, ValueType } from '../ir/type.ts';
import {
  count,
  flag,
  type Guard,
  integer,
  list,
  number,
  oneOf,
  optional,
  record,
  tagged,
  text,
} from './shape.ts';

const numbers = list(number);
const counts = list(count);
const texts = list(text);

const range = record<Range>({ from: integer, to: integer });
const box = list(range);
const element = oneOf<Element>('f32', 'u8');

const type = tagged<'kind', ValueType>('kind', {
  map: record<MapType>({ kind: oneOf('map'), element, channels: count, box }),
  array: record<ArrayType>({ kind: oneOf('array'), element, dims: counts }),
});

const value = record<Value>({ name: text, type });

/** What every op has. Attributes are read by the compiler and the reference, never by the runtime. */
type AnyOp = Pick<Op, 'output' | 'inputs' | 'type'> & { readonly kind: string; readonly attrs: object };

const anyOp = record<AnyOp>({
  kind: (word, path, complain): word is string => {
    const known = typeof word === 'string' && isOpKind(word);
    if (!known) complain(path, 'is not an op');
    return known;
  },
  output: text,
  inputs: texts,
  type,
  attrs: (attrs, path, complain): attrs is object => {
    const given = typeof attrs === 'object' && attrs !== null;
    if (!given) complain(path, 'is not a record');
    return given;
  },
});

const op: Guard<Op> = (word, path, complain): word is Op => anyOp(word, path, complain);

const graph = record<Graph>({ inputs: list(value), ops: list(op), outputs: texts });

type SourceOf<F extends Source['from']> = Extract<Source, { from: F }>;

const source = tagged<'from', Source>('from', {
  image: record<SourceOf<'image'>>({ from: oneOf('image') }),
  target: record<SourceOf<'target'>>({ from: oneOf('target'), classes: optional(count) }),
  mask: record<SourceOf<'mask'>>({
    from: oneOf('mask'),
    layer: count,
    p: number,
    by: oneOf('cell', 'channel'),
  }),
  corners: record<SourceOf<'corners'>>({ from: oneOf('corners'), axis: count, factor: count }),
  count: record<SourceOf<'count'>>({ from: oneOf('count'), target: text, weights: numbers, channels: count }),
});

type InitOf<K extends Init['kind']> = Extract<Init, { kind: K }>;

const init = tagged<'kind', Init>('kind', {
  zeros: record<InitOf<'zeros'>>({ kind: oneOf('zeros') }),
  ones: record<InitOf<'ones'>>({ kind: oneOf('ones') }),
  he_uniform: record<InitOf<'he_uniform'>>({ kind: oneOf('he_uniform'), fanIn: number }),
});

type RateOf<C extends Rate['curve']> = Extract<Rate, { curve: C }>;

const pace = { peak: number, warmUp: count };
const rate = tagged<'curve', Rate>('curve', {
  constant: record<RateOf<'constant'>>({ ...pace, curve: oneOf('constant') }),
  cosine: record<RateOf<'cosine'>>({ ...pace, curve: oneOf('cosine') }),
  step: record<RateOf<'step'>>({ ...pace, curve: oneOf('step'), every: count, factor: number }),
});

type AdamLike = Extract<Optimizer, { beta1: number }>;
type Sgd = Extract<Optimizer, { momentum: number }>;

const adam = record<AdamLike>({
  kind: oneOf('adam', 'adamw'),
  beta1: number,
  beta2: number,
  epsilon: number,
  decay: number,
});
const sgd = record<Sgd>({ kind: oneOf('sgd'), momentum: number, nesterov: flag, decay: number });
const optimizer: Guard<Optimizer> = (given, path, complain): given is Optimizer => {
  const isSgd = typeof given === 'object' && given !== null && 'kind' in given && given.kind === 'sgd';
  return isSgd ? sgd(given, path, complain) : adam(given, path, complain);
};

const training = record<Training>({
  optimizer,
  rate,
  batch: count,
  steps: count,
  seed: integer,
  clip: optional(number),
});

const model = record<Model>({
  name: text,
  rank: count,
  inputs: list(record<Input>({ name: text, type, source })),
  parameters: list(record<Parameter>({ name: text, dims: counts, init })),
  ops: list(op),
  loss: optional(text),
  statistics: optional(list(record<Statistic>({ parameter: text, value: text, momentum: number }))),
  outputs: list(record<Output>({ name: text, value: text })),
  training: optional(training),
});

const schedule = record<Schedule>({
  name: text,
  devices: count,
  replicas: count,
  microBatches: count,
  order: oneOf('one_after_another', 'gpipe', '1f1b'),
  cuts: list(counts),
  stream: counts,
  exchanges: list(record<Exchange>({ before: text, operand: count, cells: count })),
  coarsen: optional(record<Coarsening>({ grid: counts, level: count })),
  chunks: list(record<Chunk>({ from: text, stage: count })),
  pace: optional(record<Pace>({ inFlight: count, forward: counts, backward: counts })),
  buckets: optional(count),
  drop: texts,
  lean: optional(texts),
  strips: list(record<Strips>({ from: text, to: text, count, of: optional(oneOf(...axisWords)) })),
});

const piece = record<Piece>({ offset: list(integer), box });
const group = oneOf('grid', 'stage', 'all');

type InstructionOf<K extends Instruction['do']> = Extract<Instruction, { do: K }>;

const instruction = tagged<'do', Instruction>('do', {
  load: record<InstructionOf<'load'>>({ do: oneOf('load'), source: text, micro: count, into: text }),
  draw: record<InstructionOf<'draw'>>({ do: oneOf('draw'), source: text, micro: count, into: text }),
  count: record<InstructionOf<'count'>>({
    do: oneOf('count'),
    source: text,
    from: text,
    into: text,
    first: flag,
  }),
  run: record<InstructionOf<'run'>>({
    do: oneOf('run'),
    segment: text,
    why: oneOf(...purposes),
    micro: count,
    reads: texts,
    writes: texts,
  }),
  accumulate: record<InstructionOf<'accumulate'>>({
    do: oneOf('accumulate'),
    from: text,
    into: text,
    first: flag,
  }),
  all_reduce: record<InstructionOf<'all_reduce'>>({
    do: oneOf('all_reduce'),
    over: group,
    micro: count,
    buffers: texts,
  }),
  all_gather: record<InstructionOf<'all_gather'>>({
    do: oneOf('all_gather'),
    over: group,
    micro: count,
    from: text,
    into: text,
  }),
  reduce_scatter: record<InstructionOf<'reduce_scatter'>>({
    do: oneOf('reduce_scatter'),
    over: group,
    micro: count,
    from: text,
    into: text,
  }),
  exchange: record<InstructionOf<'exchange'>>({
    do: oneOf('exchange'),
    name: text,
    value: text,
    back: flag,
    micro: count,
    from: optional(text),
    into: optional(text),
    keeps: optional(box),
    sends: list(piece),
    receives: list(piece),
  }),
  send: record<InstructionOf<'send'>>({
    do: oneOf('send'),
    name: text,
    micro: count,
    stage: count,
    from: text,
  }),
  receive: record<InstructionOf<'receive'>>({
    do: oneOf('receive'),
    name: text,
    micro: count,
    stage: count,
    into: text,
  }),
  paste: record<InstructionOf<'paste'>>({ do: oneOf('paste'), from: text, into: text, first: flag }),
  clip: record<InstructionOf<'clip'>>({ do: oneOf('clip'), buffers: texts, norm: number }),
  rate: record<InstructionOf<'rate'>>({ do: oneOf('rate'), into: text }),
  metric: record<InstructionOf<'metric'>>({
    do: oneOf('metric'),
    target: text,
    predicted: text,
    labels: text,
  }),
  store: record<InstructionOf<'store'>>({ do: oneOf('store'), output: text, from: text }),
  report: record<InstructionOf<'report'>>({ do: oneOf('report'), from: text }),
  free: record<InstructionOf<'free'>>({ do: oneOf('free'), buffers: texts }),
});

const buffer = record<Buffer>({
  name: text,
  value: text,
  element,
  dims: counts,
  box: optional(box),
  part: optional(counts),
  bytes: count,
  birth: integer,
  death: integer,
  offset: count,
});

const role = record<Role>({
  name: text,
  stage: count,
  classes: counts,
  buffers: list(buffer),
  instructions: list(instruction),
  arenaBytes: count,
  peakBytes: count,
});

export const planShape = record<Plan>({
  name: text,
  purpose: oneOf('train', 'predict'),
  executor: oneOf('processes', 'torch'),
  model,
  schedule,
  axes: list(record<Axis>({ cuts: counts, tiles: counts, classes: counts })),
  samples: count,
  segments: list(
    record<Segment>({
      name: text,
      samples: count,
      graph,
      workspace: count,
      heap: optional(count),
      cleared: optional(count),
    }),
  ),
  roles: list(role),
  states: list(
    record<State>({
      buffer: text,
      parameter: text,
      slot: oneOf('weight', 'average', 'square', 'momentum'),
    }),
  ),
});
