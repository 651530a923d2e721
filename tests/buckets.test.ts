/** Gradients summed over the devices in buckets: when, which, and always with the same bits. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { simulate } from '../backends/simulator/simulate.ts';
import { compileModel } from '../compiler/front/lower-model.ts';
import { at } from '../ir/box.ts';
import type { Model, Training } from '../ir/model.ts';
import type { Instruction, Plan } from '../ir/plan.ts';
import { readMachine } from '../ir/text/machine.ts';
import { product } from '../ir/type.ts';
import { usesOf } from '../ir/uses.ts';
import { onDevices, stepOn, valueIn } from './support/devices.ts';
import { drawFeeds, drawnWeights, planOf } from './support/exactness.ts';
import { networkOf, type Recipe } from './support/networks.ts';

const recipe: Recipe = {
  sizes: [16, 16],
  levels: 2,
  width: 4,
  convs: 2,
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

const model = networkOf(recipe);
if (model === undefined) throw new Error('the recipe makes no network');

function trainingOf({ name, training }: Model): Training {
  if (training === undefined) throw new Error(`${name} does not train`);
  return training;
}

type Reduction = Extract<Instruction, { do: 'all_reduce' }>;

const gradientOf = /~grad$/;

/** Work of a role without frees. */
const workOf = (plan: Plan, role = 0): Instruction[] =>
  at(plan.roles, role).instructions.filter((one) => one.do !== 'free');

const isOfGradients = (one: Instruction): one is Reduction =>
  one.do === 'all_reduce' && one.buffers.some((name) => gradientOf.test(name));

const bytesOf = (names: readonly string[]): number =>
  names.reduce((sum, name) => {
    const parameter = model.parameters.find((one) => one.name === name.replace(gradientOf, ''));
    return sum + 4 * product(parameter?.dims ?? [0]);
  }, 0);

/** The first op of the model that reads the parameter of a gradient: the backward pass comes to it last. */
const firstReader = (gradient: string): number =>
  model.ops.findIndex(({ inputs }) => inputs.includes(gradient.replace(gradientOf, '')));

for (const [name, pins] of Object.entries({
  replicas: { devices: 2, replicas: 2, microBatches: 2 },
  'tiles that exchange margins': {
    devices: 2,
    replicas: 1,
    tiles: [1, 2],
    exchanges: model.ops
      .filter(({ kind }) => kind === 'conv')
      .map(({ output }) => ({ before: output, operand: 0, cells: 1 })),
  },
}))
  test(`${name}: four buckets, in the order in which the backward pass finishes them`, () => {
    const work = workOf(planOf(model, { ...pins, buckets: 4 }));
    const reductions = work.filter(isOfGradients);
    assert.is(reductions.length, 4);
    const order = reductions.map(({ buffers }) =>
      buffers.filter((one) => gradientOf.test(one)).map(firstReader),
    );
    order.slice(1).forEach((next, i) => {
      assert.ok(Math.max(...next) < Math.min(...at(order, i)), `bucket ${i + 1} is finished before ${i}`);
    });
    assert.is(
      bytesOf(reductions.flatMap(({ buffers }) => buffers)),
      bytesOf(model.parameters.map((p) => p.name)),
    );
    // Nothing is computed between the last part of a sum and its reduction.
    for (const reduction of reductions) {
      const place = work.indexOf(reduction);
      const last = work.findLastIndex(
        (one, index) =>
          index < place && usesOf(one).writes.some((buffer) => reduction.buffers.includes(buffer)),
      );
      const between = work.slice(last + 1, place).filter((one) => ['run', 'accumulate'].includes(one.do));
      assert.equal(between, []);
    }
  });

test('buckets have about the same bytes, but for the last, which nothing hides', () => {
  const work = workOf(planOf(model, { devices: 2, replicas: 2, buckets: 3 }));
  const sizes = work.filter(isOfGradients).map(({ buffers }) => bytesOf(buffers));
  const largest = Math.max(...model.parameters.map(({ name }) => bytesOf([name])));
  const share = sizes.reduce((sum, bytes) => sum + bytes, 0) / (2 + 1 / 8);
  assert.ok(
    sizes.every((bytes) => bytes <= share + largest),
    `${sizes}`,
  );
  assert.ok(at(sizes, 2) <= share / 8, `${sizes}`);
});

test('more buckets than parameters: one for each op that has some', () => {
  const work = workOf(planOf(model, { devices: 2, replicas: 2, buckets: 1000 }));
  const trained = model.ops.filter(({ inputs }) =>
    inputs.some((name) => model.parameters.some((p) => p.name === name)),
  );
  assert.is(work.filter(isOfGradients).length, trained.length);
});

test('one device sums over nobody, in however many buckets', () => {
  const work = workOf(planOf(model, { devices: 1, buckets: 4 }));
  assert.not.ok(work.some((one) => one.do === 'all_reduce'));
});

const root = join(import.meta.dirname, '..');
const read = (file: string) => readFileSync(join(root, file), 'utf8');
const machine = valueIn(readMachine(read('machines/summit.machine'), 'summit.machine'));
const torchgpipe = read('examples/torchgpipe.unet');
const network = valueIn(compileModel(torchgpipe, 'torchgpipe.unet', { purpose: 'train', sets: {} }));
const large = { ...network, training: { ...trainingOf(network), batch: 48 } };
const replicated = { devices: 6, replicas: 6, tiles: [1, 1], microBatches: 1 };

// Predicted: 346 ms a step with one bucket, 49 of them waiting for the sum; 303 and 6 with eight.
test('where an executor communicates while it computes, buckets hide the sums behind the backward pass', () => {
  const waiting = (buckets: number): number =>
    simulate(planOf(large, { ...replicated, buckets }), machine).exposedAllReduce;
  const [one, eight] = [waiting(1), waiting(8)];
  assert.ok(eight < one / 4, `${one} s with one bucket, ${eight} s with eight`);
});

test('the early update begins before the last sum is there', () => {
  const { roles } = simulate(planOf(large, { ...replicated, buckets: 8 }), machine);
  for (const { events } of roles) {
    const early = events.find(({ activity }) => activity === 'update');
    const sum = events.findLast(({ activity }) => activity === 'all_reduce');
    assert.ok(early !== undefined && sum !== undefined && early.from < sum.to);
  }
});

type Update = Extract<Instruction, { do: 'run' }>;

const updatesOf = (plan: Plan): Update[] =>
  workOf(plan).filter((one): one is Update => one.do === 'run' && one.why === 'update');

/** The gradients that an instruction reads, in the order of their names. */
const gradientsIn = (names: readonly string[]): string[] =>
  names.filter((name) => gradientOf.test(name)).toSorted();

test('the update from the early sums goes ahead of that from the last two', () => {
  const plan = planOf(model, { devices: 2, replicas: 2, buckets: 4 });
  const sums = workOf(plan)
    .filter(isOfGradients)
    .map(({ buffers }) => buffers);
  assert.equal(
    updatesOf(plan).map(({ reads }) => gradientsIn(reads)),
    [sums.slice(0, 2), sums.slice(2)].map((some) => gradientsIn(some.flat())),
  );
});

test('what is clipped by the norm of all gradients is updated at once, and so are two buckets', () => {
  const clipped = { ...model, training: { ...trainingOf(model), clip: 1 } };
  const pins = { devices: 2, replicas: 2 };
  assert.is(updatesOf(planOf(clipped, { ...pins, buckets: 4 })).length, 1);
  assert.is(updatesOf(planOf(model, { ...pins, buckets: 2 })).length, 1);
});

test('two runs of four devices end with the same bits', async () => {
  const plan = planOf(model, { devices: 4, replicas: 2, tiles: [1, 2], microBatches: 2, buckets: 3 });
  const run = () =>
    onDevices(plan, drawFeeds(model, 3), drawnWeights(model), async (devices) => {
      for (let step = 0; step < 4; step++) await stepOn(plan, devices, step);
      return stepOn(plan, devices, 4);
    });
  const [first, second] = [await run(), await run()];
  assert.is(first.loss, second.loss);
  assert.is(first.states.size, model.parameters.length);
  for (const [name, values] of first.states) assert.equal(second.states.get(name), values, name);
});

test.run();
