/**
 * A network small enough to write its plan and its segments by hand, so that the runtime is tested without
 * the compiler: `land = classify(conv1x1(image))`, two classes, cross entropy, plain gradient descent.
 */

import { at, type Box, range, wholeBox } from '../../ir/box.ts';
import type { Op } from '../../ir/graph.ts';
import type { Model } from '../../ir/model.ts';
import type { OpAttributes, OpKind } from '../../ir/ops/attributes.ts';
import { makeOp } from '../../ir/ops/table.ts';
import type { Buffer, Instruction, Plan, Role, Segment } from '../../ir/plan.ts';
import { plainDecisions } from '../../ir/schedule.ts';
import { array, bytesOf, dimsOf, map, type ValueType } from '../../ir/type.ts';

export type TinyOptions = {
  /** Height and width of the image. */
  readonly extents: readonly [number, number];
  /** Rows where tiles begin, the height last. */
  readonly cuts: readonly number[];
  readonly replicas: number;
  readonly microBatches: number;
  readonly batch: number;
  readonly rate: number;
};

export const tinyOptions: TinyOptions = {
  extents: [4, 6],
  cuts: [0, 4],
  replicas: 1,
  microBatches: 1,
  batch: 4,
  rate: 0.5,
};

const weight = array([2, 1, 1, 1]);
const scalar = array([]);

function op<K extends OpKind>(
  kind: K,
  output: string,
  inputs: readonly string[],
  attrs: OpAttributes[K],
  types: readonly ValueType[],
): Op {
  const made = makeOp(kind, output, inputs, attrs, types);
  if ('code' in made) throw new Error(made.code);
  return made;
}

const window = { kernel: [1, 1], stride: [1, 1] };
const conv = {
  ...window,
  dilation: [1, 1],
  pad: [
    [0, 0],
    [0, 0],
  ] as const,
  groups: 1,
};

/** The forward ops on maps of the given box. */
function forward(box: Box, withLoss: boolean): Op[] {
  const logits = op('conv', 'logits', ['image', 'w'], conv, [map(1, box), weight]);
  const found = op('classify', 'found', ['logits'], {}, [logits.type]);
  const target = map(1, box, 'u8');
  const inputs = ['logits', 'land', 'labelled'];
  const loss = () => op('cross_entropy', 'loss', inputs, { weights: [] }, [logits.type, target, scalar]);
  return [logits, found, ...(withLoss ? [loss()] : [])];
}

function modelOf({ extents, batch, rate }: TinyOptions, training: boolean): Model {
  const box = wholeBox(extents);
  return {
    name: 'tiny',
    rank: 2,
    inputs: [
      { name: 'image', type: map(1, box), source: { from: 'image' } },
      ...(training
        ? [
            { name: 'land', type: map(1, box, 'u8'), source: { from: 'target', classes: 2 } } as const,
            {
              name: 'labelled',
              type: scalar,
              source: { from: 'count', target: 'land', weights: [], channels: 1 },
            } as const,
          ]
        : []),
    ],
    parameters: [{ name: 'w', dims: weight.dims, init: { kind: 'he_uniform', fanIn: 1 } }],
    ops: forward(box, training),
    ...(training ? { loss: 'loss' } : {}),
    outputs: [{ name: 'land', value: 'found' }],
    ...(training
      ? {
          training: {
            optimizer: { kind: 'sgd', momentum: 0, nesterov: false, decay: 0 },
            rate: { curve: 'constant', peak: rate, warmUp: 0 },
            batch,
            steps: 20,
            seed: 7,
          } as const,
        }
      : {}),
  };
}

type BufferSpec = readonly [name: string, value: string, type: ValueType, persistent?: true];

/** Buffers one after another, each at its own place. */
function place(specs: readonly BufferSpec[], samples: number, last: number): Buffer[] {
  let offset = 0;
  return specs.map(([name, value, type, persistent]) => {
    const bytes = bytesOf(type, samples);
    const buffer: Buffer = {
      name,
      value,
      element: type.element,
      dims: dimsOf(type, samples),
      ...(type.kind === 'map' ? { box: type.box } : {}),
      bytes,
      birth: persistent ? -1 : 0,
      death: last,
      offset,
    };
    offset += Math.ceil(bytes / 64) * 64;
    return buffer;
  });
}

const arenaOf = (buffers: readonly Buffer[]): number =>
  Math.max(...buffers.map(({ offset, bytes }) => offset + Math.ceil(bytes / 64) * 64));

/** One role a row of tiles: heights may differ. */
const tileBoxes = ({ extents, cuts }: TinyOptions): Box[] =>
  cuts.slice(1).map((cut, i) => [range(0, cut - at(cuts, i)), range(0, extents[1])]);

function common(options: TinyOptions, training: boolean): Omit<Plan, 'samples' | 'segments' | 'roles'> {
  const { extents, cuts, replicas, microBatches } = options;
  const tiles = cuts.length - 1;
  return {
    name: 'tiny',
    purpose: training ? 'train' : 'predict',
    executor: 'processes',
    model: modelOf(options, training),
    schedule: {
      ...plainDecisions(2),
      name: 'tiny',
      devices: replicas * tiles,
      replicas,
      microBatches,
      cuts: [cuts, [0, extents[1]]],
    },
    axes: [
      {
        cuts,
        tiles: Array.from({ length: tiles }, (_, i) => i),
        classes: Array.from({ length: tiles }, (_, i) => i),
      },
      { cuts: [0, extents[1]], tiles: [0], classes: [0] },
    ],
    states: [{ buffer: 'w', parameter: 'w', slot: 'weight' }],
  };
}

/** A training plan: rows of tiles x replicas x micro-batches. */
export function tinyTraining(changes: Partial<TinyOptions> = {}): Plan {
  const options = { ...tinyOptions, ...changes };
  const samples = options.batch / (options.replicas * options.microBatches);
  const boxes = tileBoxes(options);
  const update: Segment = {
    name: 'update',
    samples,
    workspace: 0,
    graph: {
      inputs: [
        { name: 'hyper', type: array([3]) },
        { name: 'w', type: weight },
        { name: 'dw', type: weight },
      ],
      ops: [op('sgd_step', 'w~next', ['w', 'dw', 'hyper'], { decay: 0 }, [weight, weight, array([3])])],
      outputs: ['w~next'],
    },
  };
  return {
    ...common(options, true),
    samples,
    segments: boxes.flatMap((box, i) => [stepSegment(i, box, samples), ...(i === 0 ? [update] : [])]),
    roles: boxes.map((box, i) => trainingRole(i, box, samples, options)),
  };
}

function stepSegment(index: number, box: Box, samples: number): Segment {
  return {
    name: `step_${index}`,
    samples,
    workspace: 0,
    graph: {
      inputs: [
        { name: 'image', type: map(1, box) },
        { name: 'w', type: weight },
        { name: 'land', type: map(1, box, 'u8') },
        { name: 'labelled', type: scalar },
      ],
      ops: forward(box, true),
      outputs: ['found', 'loss', 'dw'],
    },
  };
}

function trainingRole(index: number, box: Box, samples: number, { microBatches }: TinyOptions): Role {
  const micros = Array.from({ length: microBatches }, (_, micro) => micro);
  const instructions: Instruction[] = [
    ...micros.flatMap((micro): Instruction[] => [
      { do: 'load', source: 'land', micro, into: `land#${micro}` },
      { do: 'count', source: 'labelled', from: `land#${micro}`, into: 'labelled', first: micro === 0 },
    ]),
    { do: 'all_reduce', over: 'stage', micro: 0, buffers: ['labelled'] },
    ...micros.flatMap((micro): Instruction[] => [
      { do: 'load', source: 'image', micro, into: 'image' },
      {
        do: 'run',
        segment: `step_${index}`,
        why: 'step',
        micro,
        reads: ['image', 'w', `land#${micro}`, 'labelled'],
        writes: ['found', 'loss~own', 'dw~own'],
      },
      { do: 'metric', target: 'land', predicted: 'found', labels: `land#${micro}` },
      { do: 'accumulate', from: 'loss~own', into: 'loss', first: micro === 0 },
      { do: 'accumulate', from: 'dw~own', into: 'dw', first: micro === 0 },
    ]),
    { do: 'all_reduce', over: 'stage', micro: 0, buffers: ['dw', 'loss'] },
    { do: 'clip', buffers: ['dw'], norm: 100 },
    { do: 'rate', into: 'hyper' },
    { do: 'run', segment: 'update', why: 'update', micro: 0, reads: ['hyper', 'w', 'dw'], writes: ['w'] },
    { do: 'report', from: 'loss' },
    { do: 'free', buffers: ['dw', 'loss', 'hyper'] },
  ];
  const specs: BufferSpec[] = [
    ['w', 'w', weight, true],
    ...micros.map((micro): BufferSpec => [`land#${micro}`, 'land', map(1, box, 'u8')]),
    ['image', 'image', map(1, box)],
    ['found', 'found', map(1, box, 'u8')],
    ['labelled', 'labelled', scalar],
    ['hyper', 'hyper', array([3])],
    ...['loss', 'loss~own'].map((name): BufferSpec => [name, 'loss', scalar]),
    ...['dw', 'dw~own'].map((name): BufferSpec => [name, 'dw', weight]),
  ];
  const buffers = place(specs, samples, instructions.length);
  const arenaBytes = arenaOf(buffers);
  return {
    name: `row${index}`,
    stage: 0,
    classes: [index, 0],
    buffers,
    instructions,
    arenaBytes,
    peakBytes: arenaBytes,
  };
}

/** A forward-only plan: the tiles are worked through by `devices` devices. */
export function tinyPrediction(changes: Partial<TinyOptions> & { readonly devices?: number } = {}): Plan {
  const options = { ...tinyOptions, ...changes };
  const boxes = tileBoxes(options);
  const plan = common(options, false);
  return {
    ...plan,
    schedule: { ...plan.schedule, devices: changes.devices ?? 1 },
    samples: 1,
    segments: boxes.map((box, i) => ({
      name: `forward_${i}`,
      samples: 1,
      workspace: 0,
      graph: {
        inputs: [
          { name: 'image', type: map(1, box) },
          { name: 'w', type: weight },
        ],
        ops: forward(box, false),
        outputs: ['found'],
      },
    })),
    roles: boxes.map((box, i) => predictionRole(i, box)),
  };
}

function predictionRole(index: number, box: Box): Role {
  const instructions: Instruction[] = [
    { do: 'load', source: 'image', micro: 0, into: 'image' },
    {
      do: 'run',
      segment: `forward_${index}`,
      why: 'forward',
      micro: 0,
      reads: ['image', 'w'],
      writes: ['found'],
    },
    { do: 'store', output: 'land', from: 'found' },
    { do: 'free', buffers: ['image', 'found'] },
  ];
  const specs: BufferSpec[] = [
    // The weights lie elsewhere in each role.
    ...(index % 2 === 0 ? [['image', 'image', map(1, box)] as const] : []),
    ['w', 'w', weight, true],
    ...(index % 2 === 0 ? [] : [['image', 'image', map(1, box)] as const]),
    ['found', 'found', map(1, box, 'u8')],
  ];
  const buffers = place(specs, 1, instructions.length);
  const arenaBytes = arenaOf(buffers);
  return {
    name: `row${index}`,
    stage: 0,
    classes: [index, 0],
    buffers,
    instructions,
    arenaBytes,
    peakBytes: arenaBytes,
  };
}
