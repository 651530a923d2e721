/** What devices send each other: folded against straight stages of one network, and what margins and sums take. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { planTables } from '../cli/plan-tables.ts';
import { at } from '../ir/box.ts';
import type { Model } from '../ir/model.ts';
import type { Chunk } from '../ir/schedule.ts';
import { trafficOf } from '../ir/traffic.ts';
import { planOf } from './support/exactness.ts';
import { networkOf, type Recipe } from './support/networks.ts';

const recipe: Recipe = {
  sizes: [16, 16],
  levels: 2,
  width: 4,
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
  if (model === undefined) throw new Error('the recipe makes no network');
  return model;
}

/** The name of the n-th op of a kind. */
const nth = ({ ops }: Model, kind: string, n: number): string =>
  at(
    ops.filter((op) => op.kind === kind),
    n,
  ).output;

function staged(model: Model, chunks: readonly Chunk[]) {
  const devices = 1 + Math.max(...chunks.map(({ stage }) => stage));
  return planOf(model, { devices, replicas: 1, microBatches: 2, tiles: [1, 1], order: 'gpipe', chunks });
}

const model = network();
const pool = nth(model, 'max_pool', 0);
const deeperPool = nth(model, 'max_pool', 1);
const deeperConcat = nth(model, 'concat', 0);
const concat = nth(model, 'concat', 1);

const straight = staged(model, [
  { from: '', stage: 0 },
  { from: pool, stage: 1 },
  { from: concat, stage: 2 },
]);
const folded = staged(model, [
  { from: '', stage: 0 },
  { from: pool, stage: 1 },
  { from: concat, stage: 0 },
]);
const foldedTwice = staged(model, [
  { from: '', stage: 0 },
  { from: pool, stage: 1 },
  { from: deeperPool, stage: 2 },
  { from: deeperConcat, stage: 1 },
  { from: concat, stage: 0 },
]);

/** Bytes of the map of one micro-batch that an op gives. */
const mapBytes = (name: string): number => {
  const type = model.ops.find(({ output }) => output === name)?.type;
  if (type?.kind !== 'map') throw new Error(`no map ${name}`);
  return type.box.reduce((cells, { from, to }) => cells * (to - from), 4 * 2 * type.channels);
};

test('folded: the skips stay where they are, forward and backward', () => {
  for (const plan of [folded, foldedTwice]) {
    const { send, skip } = trafficOf(plan);
    assert.equal(skip, { messages: 0, bytes: 0 });
    // Each cut between two chunks: one map forward and its cotangent backward, of each of two micro-batches.
    const cuts = plan.schedule.chunks.length - 1;
    assert.is(send.messages, 2 * 2 * cuts);
  }
});

test('straight: the skip goes to the stage that joins it, and its cotangent back', () => {
  const { send, skip } = trafficOf(straight);
  const wide = mapBytes(nth(model, 'relu', 0));
  assert.equal(skip, { messages: 2, bytes: 2 * wide });
  assert.is(send.messages, 2 * 2 * 3);
  assert.is(send.bytes - trafficOf(folded).send.bytes, 2 * 2 * wide);
});

test('both are said in words', () => {
  assert.match(planTables(folded), /8 messages between stages \(.*\), 0 B of skips among them/);
  assert.match(planTables(straight), /12 messages between stages \(.*\), 16(\.0)? KiB of skips among them/);
});

test('margins: what a tile fetches, once for each neighbour', () => {
  const exchanges = [{ before: nth(model, 'conv', 0), operand: 0, cells: 1 }];
  const plan = planOf(model, { devices: 2, replicas: 1, tiles: [1, 2], exchanges });
  // A column of 16 cells, of each of 4 samples and 2 channels, each way. No parameter is before it: no way back.
  assert.equal(trafficOf(plan).exchange, { messages: 2, bytes: 2 * 16 * 4 * 2 * 4 });
});

test('sums: each device gives each other a part of what it has, and the sum of its own part', () => {
  const plan = planOf(model, { devices: 2, replicas: 2 });
  const parameters = model.parameters.reduce((sum, { dims }) => sum + dims.reduce((a, b) => a * b, 1), 0);
  const { all_reduce, gather, exchange, send } = trafficOf(plan);
  // The denominator, and the gradients with the loss.
  assert.is(all_reduce.messages, 2 * 2 + 2 * 2);
  assert.is(all_reduce.bytes, 2 * 2 * 2 + 2 * 2 * 2 * (parameters + 1));
  assert.equal(
    [gather, exchange, send].map(({ messages }) => messages),
    [0, 0, 0],
  );
});

test('statistics: three numbers a channel to each other tile, and the shares of them back', () => {
  const normed = network({ norm: 'instance' });
  const plan = planOf(normed, { devices: 2, replicas: 1, tiles: [1, 2] });
  const channels = normed.ops.flatMap((op) => (op.kind === 'moments' ? [op.attrs.groups] : []));
  const numbers = 3 * channels.reduce((sum, count) => sum + count, 0);
  const { gather } = trafficOf(plan);
  assert.is(gather.messages, 2 * 2 * channels.length);
  assert.is(gather.bytes, 2 * 2 * 4 * 4 * numbers);
});

test.run();
