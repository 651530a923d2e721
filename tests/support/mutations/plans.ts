/** A sound plan of each kind, small enough to break it a thousand times. */

import { at } from '../../../ir/box.ts';
import { isSpatial, modelTypes } from '../../../ir/intervals.ts';
import { leanValues } from '../../../ir/lean.ts';
import type { Model } from '../../../ir/model.ts';
import type { Plan } from '../../../ir/plan.ts';
import type { Chunk, Exchange, Pins, Strips } from '../../../ir/schedule.ts';
import { planOf } from '../exactness.ts';
import { networkOf, type Recipe } from '../networks.ts';

const recipe: Recipe = {
  sizes: [18, 21],
  levels: 1,
  width: 2,
  convs: 1,
  kernel: 3,
  dilation: 1,
  same: true,
  down: 'max_pool',
  up: 'up_conv',
  skip: 'concat',
  activation: 'relu',
  norm: 'none',
  dropout: 'none',
  beside: 'nothing',
  loss: 'cross_entropy',
  batch: 4,
};

function network(changes: Partial<Recipe> = {}): Model {
  const model = networkOf({ ...recipe, ...changes });
  if (model?.training === undefined) throw new Error('the recipe makes no network');
  return { ...model, training: { ...model.training, clip: 1 } };
}

/** Before every op that reads cells around its own, and before what joins. */
const exchangesOf = (model: Model, cells: number): Exchange[] => {
  const types = modelTypes(model);
  const reads = ['conv', 'max_pool', 'up_conv', 'concat'];
  return model.ops.flatMap((op) =>
    op.inputs.flatMap((name, operand) =>
      reads.includes(op.kind) && isSpatial(types.get(name)) ? [{ before: op.output, operand, cells }] : [],
    ),
  );
};

/** Chunks that begin with the ops of the given kinds, each after the one before. */
function chunksFrom(model: Model, kinds: readonly string[], stages: readonly number[]): Chunk[] {
  let index = 0;
  return stages.map((stage, chunk) => {
    if (chunk === 0) return { from: '', stage };
    index = model.ops.findIndex(({ kind }, i) => i > index && kind === at(kinds, chunk - 1));
    return { from: at(model.ops, index).output, stage };
  });
}

/** Parts from the first op of a kind after the part before, to the next, or last, of another. */
function stripsBetween(
  model: Model,
  ...parts: readonly (readonly [from: string, to: string, count: number])[]
) {
  let index = -1;
  const next = (wanted: string): string => {
    index = model.ops.findIndex(({ kind }, i) => i > index && kind === wanted);
    return at(model.ops, index).output;
  };
  return parts.map(([from, to, count]): Strips => ({ from: next(from), to: next(to), count }));
}

const plan = (model: Model, pins: Pins): Plan => planOf(model, pins);

const one = { replicas: 1, microBatches: 1 } as const;

/** By what their schedules decide. */
export const soundPlans: Readonly<Record<string, () => Plan>> = {
  'tiles, replicas and micro-batches': () =>
    plan(network(), { devices: 8, replicas: 2, microBatches: 2, tiles: [2, 2], buckets: 3 }),
  'exchanged margins': () => {
    const model = network();
    return plan(model, {
      ...one,
      devices: 6,
      microBatches: 2,
      tiles: [2, 3],
      exchanges: exchangesOf(model, 2),
    });
  },
  'margins exchanged in part': () => {
    const model = network({ same: false });
    return plan(model, { ...one, devices: 4, tiles: [2, 2], exchanges: exchangesOf(model, 1).slice(2) });
  },
  'a norm over tiles': () =>
    plan(network({ norm: 'instance' }), { ...one, devices: 4, microBatches: 2, tiles: [2, 2] }),
  'a norm over tiles and replicas': () =>
    plan(network({ norm: 'batch' }), { devices: 4, replicas: 2, microBatches: 1, tiles: [1, 2] }),
  'a coarsened grid': () => {
    const model = network();
    const exchanges = exchangesOf(model, 3);
    return plan(model, { ...one, devices: 4, tiles: [2, 2], exchanges, coarsen: { grid: [1, 2], level: 1 } });
  },
  'streamed tiles': () =>
    plan(network(), { ...one, devices: 2, microBatches: 2, tiles: [2, 4], stream: [2, 2] }),
  'straight stages, GPipe': () => {
    const model = network();
    const chunks = chunksFrom(model, ['max_pool', 'up_conv'], [0, 1, 2]);
    return plan(model, { ...one, devices: 3, microBatches: 4, tiles: [1, 1], order: 'gpipe', chunks });
  },
  'straight stages, 1F1B, tiles and exchanges': () => {
    const model = network();
    const chunks = chunksFrom(model, ['max_pool', 'up_conv'], [0, 1, 2]);
    const exchanges = exchangesOf(model, 2);
    return plan(model, {
      ...one,
      devices: 6,
      microBatches: 2,
      tiles: [1, 2],
      order: '1f1b',
      chunks,
      exchanges,
    });
  },
  'folded stages of two replicas': () => {
    const model = network();
    const chunks = chunksFrom(model, ['max_pool', 'concat'], [0, 1, 0]);
    return plan(model, { devices: 4, replicas: 2, microBatches: 2, tiles: [1, 1], order: '1f1b', chunks });
  },
  'dropped values': () => {
    const model = network({ dropout: 'cell' });
    const drop = model.ops
      .filter(({ kind }) => ['conv', 'relu', 'mask'].includes(kind))
      .map(({ output }) => output);
    return plan(model, { ...one, devices: 2, microBatches: 2, tiles: [1, 2], drop });
  },
  'strips, tiles and micro-batches': () => {
    const model = network();
    const strips = stripsBetween(model, ['conv', 'max_pool', 2], ['up_conv', 'cross_entropy', 3]);
    return plan(model, { ...one, devices: 2, microBatches: 2, tiles: [1, 2], strips });
  },
  'strips of streamed tiles': () => {
    const model = network();
    const strips = stripsBetween(model, ['conv', 'concat', 2], ['relu', 'conv', 2]);
    return plan(model, { ...one, devices: 1, tiles: [1, 2], stream: [1, 2], strips });
  },
  'strips of columns, of parts beside one another': () => {
    const model = network();
    const strips = stripsBetween(model, ['up_conv', 'conv', 2], ['relu', 'cross_entropy', 3]);
    const columns = strips.map((part): Strips => ({ ...part, of: 'columns' }));
    return plan(model, { ...one, devices: 2, microBatches: 2, tiles: [2, 1], strips: columns });
  },
  'strips in stages, of what was dropped': () => {
    const model = network({ norm: 'instance', skip: 'add' });
    const chunks = chunksFrom(model, ['up_conv'], [0, 1]);
    const strips = stripsBetween(model, ['normalize', 'max_pool', 2], ['up_conv', 'conv', 3]);
    const drop = model.ops.filter(({ kind }) => kind === 'relu').map(({ output }) => output);
    return plan(model, {
      ...one,
      devices: 2,
      microBatches: 2,
      tiles: [1, 1],
      order: '1f1b',
      chunks,
      strips,
      drop,
    });
  },
  'bytes in place of maps': () => {
    const model = network();
    return plan(model, { ...one, devices: 2, microBatches: 2, tiles: [1, 2], lean: leanValues(model) });
  },
  'bytes in place of maps, in stages and strips, of what was dropped': () => {
    const model = network({ same: false, down: 'max_pool_3_2', activation: 'leaky_relu' });
    const chunks = chunksFrom(model, ['up_conv'], [0, 1]);
    const strips = stripsBetween(model, ['conv', 'max_pool', 2]);
    const drop = model.ops.filter(({ kind }) => kind === 'leaky_relu').map(({ output }) => output);
    return plan(model, {
      ...one,
      devices: 2,
      microBatches: 2,
      tiles: [1, 1],
      order: '1f1b',
      chunks,
      strips,
      drop,
      lean: leanValues(model),
    });
  },
  'dice over streamed tiles': () =>
    plan(network({ loss: 'dice_and_entropy', dropout: 'cell' }), {
      ...one,
      devices: 2,
      microBatches: 2,
      tiles: [2, 2],
      stream: [2, 1],
    }),
  'dice of the batch over micro-batches, replicas and tiles': () => {
    const model = network({ loss: 'dice_of_batch', norm: 'instance' });
    const exchanges = exchangesOf(model, 2);
    return plan(model, { devices: 4, replicas: 2, microBatches: 2, tiles: [1, 2], exchanges });
  },
  'dice and another loss': () =>
    plan(network({ loss: 'dice_and_entropy' }), { ...one, devices: 4, microBatches: 2, tiles: [2, 2] }),
};
