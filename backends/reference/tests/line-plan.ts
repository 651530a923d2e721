/**
 * A network of one convolution on a line of 5 cells, and its plan by hand for two tiles (cells
 * 0 to 1 and 2 to 4), two replicas and two micro-batches of one sample. Each tile reads one cell of margin.
 */

import { type Range, range } from '../../../ir/box.ts';
import type { Graph, Op } from '../../../ir/graph.ts';
import type { Model } from '../../../ir/model.ts';
import type { ConvAttributes, Sides } from '../../../ir/ops/attributes.ts';
import type { Buffer, Instruction, Plan, Role, Segment } from '../../../ir/plan.ts';
import { plainDecisions } from '../../../ir/schedule.ts';
import { array, bytesOf, dimsOf, map, type Value, type ValueType } from '../../../ir/type.ts';

const extent = 5;
const weights = [1, 3];

const convAttrs = (pad: Sides): ConvAttributes => ({
  kernel: [3],
  stride: [1],
  dilation: [1],
  pad: [pad],
  groups: 1,
});

const logitsOp = (cells: Range, pad: Sides): Op => ({
  kind: 'conv',
  inputs: ['image', 'w'],
  output: 'logits',
  attrs: convAttrs(pad),
  type: map(2, [cells]),
});

const lossOp: Op = {
  kind: 'cross_entropy',
  inputs: ['logits', 'land', 'n'],
  output: 'loss',
  attrs: { weights },
  type: array([]),
};

const classOp = (cells: Range): Op => ({
  kind: 'classify',
  inputs: ['logits'],
  output: 'class',
  attrs: {},
  type: map(1, [cells], 'u8'),
});

const whole = range(0, extent);

export const model: Model = {
  name: 'line',
  rank: 1,
  inputs: [
    { name: 'image', type: map(1, [whole]), source: { from: 'image' } },
    { name: 'land', type: map(1, [whole], 'u8'), source: { from: 'target', classes: 2 } },
    { name: 'n', type: array([]), source: { from: 'count', target: 'land', weights, channels: 1 } },
  ],
  parameters: [{ name: 'w', dims: [2, 1, 3], init: { kind: 'he_uniform', fanIn: 3 } }],
  ops: [logitsOp(whole, [1, 1]), lossOp, classOp(whole)],
  loss: 'loss',
  outputs: [{ name: 'land', value: 'class' }],
  training: {
    optimizer: { kind: 'sgd', momentum: 0, nesterov: false, decay: 0 },
    rate: { peak: 0.5, warmUp: 0, curve: 'constant' },
    batch: 4,
    steps: 10,
    seed: 7,
    clip: 0.01,
  },
};

/** Forward and backward on the owned `cells`, of an image of which `held` is there; the rest is padding. */
export function stepGraph(cells: Range, held: Range): Graph {
  const pad: Sides = [held.from - (cells.from - 1), cells.to + 1 - held.to];
  return {
    inputs: [
      { name: 'image', type: map(1, [held]) },
      { name: 'land', type: map(1, [cells], 'u8') },
      { name: 'n', type: array([]) },
      { name: 'w', type: array([2, 1, 3]) },
    ],
    ops: [
      logitsOp(cells, pad),
      lossOp,
      classOp(cells),
      { kind: 'fill', inputs: [], output: 'seed', attrs: { value: 1, dims: [] }, type: array([]) },
      {
        kind: 'cross_entropy_grad',
        inputs: ['logits', 'land', 'n', 'seed'],
        output: 'dlogits',
        attrs: { weights },
        type: map(2, [cells]),
      },
      {
        kind: 'conv_weight',
        inputs: ['image', 'dlogits'],
        output: 'w~grad',
        attrs: convAttrs(pad),
        type: array([2, 1, 3]),
      },
    ],
    outputs: ['loss', 'class', 'w~grad'],
  };
}

const updateGraph: Graph = {
  inputs: [
    { name: 'hyper', type: array([3]) },
    { name: 'w', type: array([2, 1, 3]) },
    { name: 'w~grad', type: array([2, 1, 3]) },
  ],
  ops: [
    {
      kind: 'sgd_step',
      inputs: ['w', 'w~grad', 'hyper'],
      output: 'next',
      attrs: { decay: 0 },
      type: array([2, 1, 3]),
    },
  ],
  outputs: ['next'],
};

const segment = (name: string, graph: Graph): Segment => ({ name, samples: 1, graph, workspace: 0 });

const buffer = (name: string, value: string, type: ValueType): Buffer => ({
  name,
  value,
  element: type.element,
  dims: dimsOf(type, 1),
  ...(type.kind === 'map' ? { box: type.box } : {}),
  bytes: bytesOf(type, 1),
  birth: 0,
  death: 0,
  offset: 0,
});

const micros = [0, 1] as const;

/** One micro-batch in the role whose step is the given segment. */
const microBatch = (name: string, micro: number): Instruction[] => [
  { do: 'load', source: 'image', micro, into: 'image' },
  {
    do: 'run',
    segment: name,
    why: 'step',
    micro,
    reads: ['image', `land#${micro}`, 'n', 'w'],
    writes: ['loss#', 'class', 'w~grad#'],
  },
  { do: 'metric', target: 'land', predicted: 'class', labels: `land#${micro}` },
  { do: 'accumulate', from: 'loss#', into: 'loss', first: micro === 0 },
  { do: 'accumulate', from: 'w~grad#', into: 'w~grad', first: micro === 0 },
  { do: 'free', buffers: ['image', `land#${micro}`, 'class', 'loss#', 'w~grad#'] },
];

const instructionsOf = (name: string): Instruction[] => [
  ...micros.flatMap((micro): Instruction[] => [
    { do: 'load', source: 'land', micro, into: `land#${micro}` },
    { do: 'count', source: 'n', from: `land#${micro}`, into: 'n', first: micro === 0 },
  ]),
  { do: 'all_reduce', over: 'stage', micro: 0, buffers: ['n'] },
  ...micros.flatMap((micro) => microBatch(name, micro)),
  { do: 'all_reduce', over: 'stage', micro: 0, buffers: ['w~grad', 'loss'] },
  { do: 'clip', buffers: ['w~grad'], norm: 0.01 },
  { do: 'rate', into: 'hyper' },
  { do: 'run', segment: 'update', why: 'update', micro: 0, reads: ['hyper', 'w', 'w~grad'], writes: ['w'] },
  { do: 'report', from: 'loss' },
  { do: 'free', buffers: ['n', 'w~grad', 'loss', 'hyper'] },
];

const typeIn = (graph: Graph, name: string): ValueType => {
  const values: Value[] = [...graph.inputs, ...graph.ops.map(({ output, type }) => ({ name: output, type }))];
  return values.find((value) => value.name === name)?.type ?? array([3]);
};

/** Buffers are named after their values, with a mark where each micro-batch has its own. */
function role(index: number, { name, graph }: Segment, instructions: readonly Instruction[]): Role {
  const marked = [
    'image',
    'land#0',
    'land#1',
    'n',
    'w',
    'loss#',
    'class',
    'w~grad#',
    'loss',
    'w~grad',
    'hyper',
  ];
  const buffers = marked.map((one) => {
    const value = one.replace(/#.*/, '');
    return buffer(one, value, typeIn(graph, value));
  });
  return {
    name: `role_${name}`,
    stage: 0,
    classes: [index],
    buffers,
    instructions,
    arenaBytes: 0,
    peakBytes: 0,
  };
}

/** In tile coordinates: the first cell that a tile owns is cell 0. */
const left = segment('left', stepGraph(range(0, 2), range(0, 3)));
const right = segment('right', stepGraph(range(0, 3), range(-1, 3)));

export const plan: Plan = {
  name: 'line',
  purpose: 'train',
  executor: 'torch',
  model,
  schedule: { ...plainDecisions(1), name: 's', devices: 4, replicas: 2, microBatches: 2, cuts: [[0, 2, 5]] },
  axes: [{ cuts: [0, 2, 5], tiles: [0, 1], classes: [0, 1] }],
  samples: 1,
  segments: [left, right, segment('update', updateGraph)],
  roles: [role(0, left, instructionsOf('left')), role(1, right, instructionsOf('right'))],
  states: [{ buffer: 'w', parameter: 'w', slot: 'weight' }],
};

const withoutLoss: Model = {
  name: 'line',
  rank: 1,
  inputs: model.inputs.slice(0, 1),
  parameters: model.parameters,
  ops: [logitsOp(whole, [1, 1]), classOp(whole)],
  outputs: model.outputs,
};

const predictGraph = ({ inputs, ops }: Graph): Graph => ({
  inputs: inputs.filter(({ name }) => name === 'image' || name === 'w'),
  ops: ops.filter(({ kind }) => kind === 'conv' || kind === 'classify'),
  outputs: ['class'],
});

const predictInstructions = (name: string): Instruction[] => [
  { do: 'load', source: 'image', micro: 0, into: 'image' },
  { do: 'run', segment: name, why: 'forward', micro: 0, reads: ['image', 'w'], writes: ['class'] },
  { do: 'store', output: 'land', from: 'class' },
  { do: 'free', buffers: ['image', 'class'] },
];

/** The same network, to predict one image. */
export const predictPlan: Plan = {
  ...plan,
  purpose: 'predict',
  model: withoutLoss,
  schedule: { ...plan.schedule, devices: 1, replicas: 1, microBatches: 1 },
  segments: [left, right].map(({ name, graph }) => segment(name, predictGraph(graph))),
  roles: [role(0, left, predictInstructions('left')), role(1, right, predictInstructions('right'))],
};

/** Four samples; two cells of the first have no label. */
export const feeds = {
  step: 0,
  inputs: new Map([
    ['image', Float64Array.from({ length: 20 }, (_, i) => ((i * 7) % 11) / 5 - 1)],
    ['land', Float64Array.of(255, 0, 1, 255, 1, 0, 0, 1, 1, 0, 1, 0, 0, 1, 1, 0, 1, 0, 1, 0)],
  ]),
};
