/** What devices compute together: the law of plans on tiny ones, bit-equality, probes, predictions. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { at } from '../../ir/box.ts';
import type { Plan } from '../../ir/plan.ts';
import { tinyOptions, tinyPrediction, tinyTraining } from '../tests/tiny-plan.ts';
import { cells, image, ranksOf, stepOn, tinyFeed, valueIn, withDevices } from '../tests/with-devices.ts';
import type { StateValues } from './protocol.ts';

type Trained = { readonly losses: readonly number[]; readonly weights: readonly (readonly number[])[] };

/** A few steps; the loss of each, and the weights of each device at the end. */
const trained = (plan: Plan, steps = 3, states: readonly StateValues[] = []): Promise<Trained> =>
  withDevices(
    plan,
    async (devices) => {
      const losses: number[] = [];
      for (let step = 0; step < steps; step++) {
        const done = (await stepOn(plan, devices, step)).map(valueIn);
        for (const { loss } of done) assert.is(loss, at(done, 0).loss);
        losses.push(at(done, 0).loss ?? Number.NaN);
      }
      const states = await Promise.all(ranksOf(devices).map((rank) => devices.states(rank)));
      return { losses, weights: states.map((one) => [...at(valueIn(one), 0).values]) };
    },
    { states },
  );

const close = (a: readonly number[], b: readonly number[]) =>
  a.forEach((value, i) => {
    assert.ok(Math.abs(value - at(b, i)) < 1e-5, `${a} is not ${b}`);
  });

test('tiles, replicas and micro-batches train like one device, and all devices hold the same weights', async () => {
  const plain = await trained(tinyTraining());
  assert.ok(at(plain.losses, 2) < at(plain.losses, 0));
  for (const changes of [{ cuts: [0, 1, 4] }, { replicas: 2 }, { microBatches: 2 }]) {
    const other = await trained(tinyTraining(changes));
    close(other.losses, plain.losses);
    for (const weights of other.weights) assert.equal(weights, at(other.weights, 0));
    close(at(other.weights, 0), at(plain.weights, 0));
  }
});

test('the same plan gives the same bits again', async () => {
  const plan = tinyTraining({ cuts: [0, 2, 4] });
  assert.equal(await trained(plan), await trained(plan));
});

test('given weights are where training starts', async () => {
  const given = { parameter: 'w', slot: 'weight', values: Float32Array.of(0.25, -1) } as const;
  const { weights } = await trained(tinyTraining({ cuts: [0, 2, 4] }), 0, [given]);
  assert.equal(weights, [
    [0.25, -1],
    [0.25, -1],
  ]);
});

/** One label in ten is missing. */
const labels = Uint8Array.from(image, (v, i) => (i % 10 === 3 ? 255 : Number(v > 0)));

test('confusion counts each owned cell once, unlabelled ones not at all', () => {
  const plan = tinyTraining({ cuts: [0, 1, 4] });
  return withDevices(
    plan,
    async (devices) => {
      const done = (await stepOn(plan, devices, 0)).map(valueIn);
      const total = done.flatMap(({ confusion }) => [...(confusion.land ?? [])]).reduce((a, b) => a + b);
      assert.is(total, labels.filter((label) => label < 2).length);
    },
    { feed: tinyFeed(labels) },
  );
});

test('a probe gives the reduced gradients before the update', () =>
  withDevices(tinyTraining({ replicas: 2 }), async (devices) => {
    const probe = { before: 'clip', buffers: ['dw'] } as const;
    const done = await Promise.all([0, 1].map((rank) => devices.work(rank, { step: 0, tile: 0, probe })));
    const [first, second] = done.map((one) => valueIn(one).probed.dw);
    assert.equal(first, second);
    assert.ok(first?.some((v) => v !== 0));
  }));

test('a prediction puts every tile where it belongs, whichever role a device had before', () =>
  withDevices(
    tinyPrediction({ cuts: [0, 1, 3, 4] }),
    async (devices) => {
      const mask = new Uint8Array(cells);
      for (const tile of [2, 0, 1]) {
        const { stored } = valueIn(await devices.work(0, { step: 0, tile }));
        const { box, data, output } = at(stored, 0);
        assert.is(output, 'land');
        mask.set(data, at(box, 0).from * tinyOptions.extents[1]);
      }
      assert.equal(
        [...mask],
        [...image.subarray(0, cells)].map((v) => Number(v > 0)),
      );
    },
    { states: [{ parameter: 'w', slot: 'weight', values: Float32Array.of(-1, 1) }] },
  ));

test.run();
