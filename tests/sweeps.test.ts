/**
 * Sweeps: a dice loss over what one device works through one after another. The sums are there before anything goes
 * backward, nothing else of the sweep stays, and loss and gradients are those of the step without one.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { decide, modelOf } from '../compiler/compile.ts';
import { at } from '../ir/box.ts';
import { isFault } from '../ir/diagnostics/diagnostic.ts';
import type { Machine } from '../ir/machine.ts';
import type { Model } from '../ir/model.ts';
import type { Instruction, Role } from '../ir/plan.ts';
import { type Pins, plainDecisions } from '../ir/schedule.ts';
import { isInSweep } from '../ir/sweeps.ts';
import { product } from '../ir/type.ts';
import { usesOf } from '../ir/uses.ts';
import { verifyPlan } from '../ir/verify/plan.ts';
import { shard } from '../passes/lower/shard.ts';
import { valueIn } from './support/devices.ts';
import { drawFeeds, drawnWeights, planOf } from './support/exactness.ts';
import { errorsOf, inFloat64, onRealDevices } from './support/laws.ts';
import { roundMachine } from './support/machines.ts';
import { networkOf, type Recipe } from './support/networks.ts';

const recipe: Recipe = {
  sizes: [20, 24],
  levels: 1,
  width: 2,
  convs: 1,
  kernel: 3,
  dilation: 1,
  same: true,
  down: 'avg_pool',
  up: 'up_conv',
  skip: 'concat',
  activation: 'silu',
  norm: 'none',
  dropout: 'cell',
  beside: 'nothing',
  loss: 'dice_and_entropy',
  batch: 4,
};

function network(changes: Partial<Recipe> = {}): Model {
  const model = networkOf({ ...recipe, ...changes });
  if (model === undefined) throw new Error('the recipe makes no network');
  return model;
}

const streamed: Pins = { devices: 2, replicas: 1, microBatches: 2, tiles: [2, 2], stream: [1, 2] };

const isSweep = (one: Instruction): boolean => one.do === 'run' && one.why === 'sweep';
const runsOf = ({ instructions }: Role): number => instructions.filter(isSweep).length;

test('each tile of each micro-batch goes forward once ahead of all else', () => {
  const plan = planOf(network(), streamed);
  const sums = plan.model.ops.find(({ kind }) => kind === 'dice_sums')?.output;
  assert.equal(verifyPlan(plan), []);
  for (const role of plan.roles) {
    assert.is(runsOf(role), 4);
    const { instructions } = role;
    const last = instructions.findLastIndex(isSweep);
    assert.not.ok(instructions.slice(0, last).some((one) => one.do === 'run' && one.why !== 'sweep'));
    const reduced = instructions.findIndex((one, index) => index > last && one.do === 'all_reduce');
    assert.equal(instructions[reduced], {
      do: 'all_reduce',
      over: 'grid',
      micro: 0,
      buffers: [`${sums}#0`, `${sums}#1`],
    });
    const later = instructions.slice(reduced).flatMap((one) => usesOf(one).reads);
    const values = new Map(role.buffers.map(({ name, value }) => [name, value]));
    assert.not.ok(later.some((name) => isInSweep(values.get(name) ?? '') || name.includes('~sweep')));
  }
});

/** Dropout of a plan is that of the plain network, so a sweep that drew other masks would be found out. */
const cases: Readonly<Record<string, readonly [Partial<Recipe>, Pins]>> = {
  'one device': [{}, { devices: 1, tiles: [3, 2], stream: [3, 2] }],
  'two devices and micro-batches': [{}, streamed],
  'dropped values and strips': [
    { dropout: 'none' },
    {
      ...streamed,
      drop: network({ dropout: 'none' }).ops.flatMap(({ kind, output }) => (kind === 'silu' ? [output] : [])),
      strips: [{ from: 'up_conv[6]', to: 'silu[9]', count: 2 }],
    },
  ],
  'the whole batch, over replicas, tiles and micro-batches': [
    { loss: 'dice_of_batch' },
    { devices: 4, replicas: 2, microBatches: 2, tiles: [2, 2], stream: [2, 1] },
  ],
  'the whole batch, margins exchanged in the sweep as well': [
    { loss: 'dice_of_batch' },
    {
      devices: 2,
      replicas: 1,
      microBatches: 2,
      tiles: [1, 2],
      exchanges: network().ops.flatMap(({ kind, output }) =>
        kind === 'conv' ? [{ before: output, operand: 0, cells: 2 }] : [],
      ),
    },
  ],
  'the whole batch over micro-batches alone': [
    { loss: 'dice_of_batch', norm: 'instance' },
    { devices: 1, microBatches: 4, tiles: [1, 1] },
  ],
};

for (const [name, [changes, pins]] of Object.entries(cases))
  test(`${name}: loss and gradients are those of the plain network`, () => {
    const model = network(changes);
    const plan = planOf(model, pins);
    assert.equal(verifyPlan(plan), []);
    assert.ok(plan.roles.every((role) => runsOf(role) > 0));
    const one = { seed: 1, plan, feeds: drawFeeds(model, 1), weights: drawnWeights(model) };
    const { loss, gradient } = errorsOf(inFloat64(one));
    assert.ok(loss <= 1e-12 && gradient <= 1e-12, `off by ${loss} and ${gradient}`);
  });

test('device processes give the loss and the gradients of the step that is not streamed', async () => {
  const model = network();
  const [feeds, weights] = [drawFeeds(model, 1), drawnWeights(model)];
  const whole = planOf(model, { devices: 1, replicas: 1, microBatches: 1, tiles: [1, 1] });
  const one = await onRealDevices({ seed: 1, plan: planOf(model, streamed), feeds, weights });
  const other = await onRealDevices({ seed: 1, plan: whole, feeds, weights });
  const { loss, gradient } = errorsOf({ found: one.found, truth: { ...one.truth, ...other.found } });
  assert.ok(loss <= 1e-5 && gradient <= 1e-4, `off by ${loss} and ${gradient}`);
});

test('micro-batches in flight between stages have no sweep over them', () => {
  const model = network({ loss: 'dice_of_batch' });
  const schedule = {
    ...plainDecisions(2),
    name: model.name,
    devices: 2,
    microBatches: 2,
    order: 'gpipe' as const,
    cuts: [
      [0, 20],
      [0, 24],
    ],
    chunks: [
      { from: '', stage: 0 },
      { from: at(model.ops, 4).output, stage: 1 },
    ],
  };
  const refused = shard.run({ stage: 'scheduled', model, schedule });
  assert.ok(isFault(refused) && refused.code === 'samples-apart');
});

test('without pins a dice network that does not fit is streamed, and the second forward is in its price', () => {
  const source = `model small
let side = 256
input  image : f32[1, side, side]
target land  : class[side, side] of 2
block double_conv(x, c) = x |> conv(c, 3) |> relu |> conv(c, 3) |> relu
let logits = image
  |> unet(1) {
       encode(l, x)       = x |> double_conv(8 * 2^l)
       down(l, x)         = x |> max_pool(2)
       decode(l, skip, x) = concat(skip, x |> up_conv(8 * 2^l, 2)) |> double_conv(8 * 2^l)
     }
  |> conv(2, 1)
loss  dice(logits, land)
train sgd(0.1), batch = 1, steps = 10, seed = 1
`;
  const model = valueIn(modelOf({ source, file: 'dice.unet', sets: {}, purpose: 'train' }));
  const memory = 4 * 2 ** 20;
  const machine: Machine = {
    ...roundMachine,
    nodes: 1,
    devicesPerNode: 1,
    device: { ...roundMachine.device, memory, reserve: 0 },
  };
  const { schedule, decision, lowered } = valueIn(decide(model, { devices: 1 }, machine));
  assert.ok(product(schedule.stream) > 1);
  const last = lowered?.at(-1);
  assert.ok(last?.stage === 'plan' && at(last.plan.roles, 0).peakBytes <= memory);
  const { parts } = at(decision === undefined ? [] : [decision.chosen], 0);
  assert.ok(parts.sweep > 0.2 * parts.compute && parts.sweep < parts.compute + parts.margins);
});

test.run();
