/** The joint search: what it promises, on a small network and on small machines that are drawn. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { simulate } from '../backends/simulator/simulate.ts';
import { comparePlan } from '../compiler/compare.ts';
import { carryOut, decide } from '../compiler/compile.ts';
import { compileModel } from '../compiler/front/lower-model.ts';
import type { Decision } from '../ir/decision.ts';
import type { Machine } from '../ir/machine.ts';
import type { Pins, Schedule } from '../ir/schedule.ts';
import { stagesOf, tilesOf } from '../ir/schedule.ts';
import { valueIn } from './support/devices.ts';
import { roundMachine } from './support/machines.ts';

const modelOf = (name: string, sets: Record<string, string>) => {
  const file = `examples/${name}.unet`;
  const text = readFileSync(join(import.meta.dirname, '..', file), 'utf8');
  return valueIn(compileModel(text, file, { purpose: 'train', sets }));
};

const coastline = modelOf('coastline', { side: '64' });
const scene = modelOf('summit10k', { side: '512' });

function planned(
  model: typeof scene,
  machine: Machine,
  pins: Pins,
): { schedule: Schedule; decision: Decision } {
  const { schedule, decision } = valueIn(decide(model, pins, machine));
  if (decision === undefined) throw new Error('nothing was searched');
  return { schedule, decision };
}

const withDevice = (machine: Machine, change: Partial<Machine['device']>): Machine => ({
  ...machine,
  device: { ...machine.device, ...change },
});

const near = 1 + 1e-9;

test('the bounds hold, the parts add up, and the plan computes what the network does', () => {
  for (const devices of [1, 2, 3, 4, 8]) {
    const { schedule, decision } = planned(coastline, roundMachine, { devices });
    const { chosen, bound } = decision;
    assert.ok(schedule.devices <= devices);
    assert.ok(bound.any <= bound.class * near && bound.class <= chosen.seconds * near);
    const parts = Object.values(chosen.parts).reduce((sum, one) => sum + one, 0);
    assert.ok(Math.abs(parts / chosen.seconds - 1) < 1e-9);
    const plan = valueIn(carryOut(coastline, schedule));
    assert.ok(simulate(plan, roundMachine).stepSeconds >= bound.any);
  }
  const small = modelOf('coastline', { side: '16', poolings: '1' });
  const { schedule } = planned(small, roundMachine, { devices: 4, replicas: 1 });
  const { lossError, gradientError } = comparePlan(valueIn(carryOut(small, schedule)));
  assert.ok(lossError <= 1e-9 && gradientError <= 1e-9);
});

test('more devices, more memory, faster links: never a slower plan', () => {
  const seconds = (machine: Machine, devices: number) =>
    planned(scene, machine, { devices }).decision.chosen.seconds;
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 7 }),
      fc.integer({ min: 1, max: 8 }),
      fc.double({ min: 0.3, max: 4, noNaN: true }),
      fc.double({ min: 1, max: 4, noNaN: true }),
      (devices, more, gigabytes, faster) => {
        const machine = withDevice(roundMachine, { memory: gigabytes * 2 ** 30 });
        const found = decide(scene, { devices }, machine);
        if (!found.ok) return;
        const before = found.value.decision?.chosen.seconds ?? Number.NaN;
        assert.ok(seconds(machine, devices + more) <= before * near, 'devices');
        const roomy = withDevice(machine, { memory: 2 * machine.device.memory });
        assert.ok(seconds(roomy, devices) <= before * near, 'memory');
        const quick = (link: Machine['network']) => ({ ...link, bandwidth: link.bandwidth * faster });
        const linked = {
          ...machine,
          inSocket: quick(machine.inSocket),
          betweenSockets: quick(machine.betweenSockets),
          network: quick(machine.network),
        };
        assert.ok(seconds(linked, devices) <= before * near, 'bandwidth');
      },
    ),
    { numRuns: 6 },
  );
});

test('devices that are in each other’s way: fewer are used where more would be slower, and the bounds hold', () => {
  const among = (shares: Record<number, number>): Machine => {
    const contention = Object.entries(shares).map(([size, share]) => ({ size: Number(size), share }));
    return {
      ...withDevice(roundMachine, { contention }),
      nodes: 1,
      devicesPerNode: 8,
      sockets: [[...Array(8).keys()]],
    };
  };
  const free = planned(coastline, among({ 1: 1 }), { devices: 8 });
  assert.ok(free.schedule.devices > 1);
  // As much as one device however many there are; as two of them from three on.
  for (const [shares, most] of [
    [{ 1: 1, 2: 0.5, 4: 0.25, 8: 0.125 }, 1],
    [{ 1: 1, 2: 1, 3: 0.6, 4: 0.45, 8: 0.2 }, 2],
  ] as const) {
    const machine = among(shares);
    const { schedule, decision } = planned(coastline, machine, { devices: 8 });
    assert.ok(schedule.devices <= most, `${schedule.devices} devices`);
    for (const pins of [{}, { replicas: 4 }, { stages: 2, replicas: 1, tiles: [1, 1] }]) {
      const one = planned(coastline, machine, { devices: 8, ...pins });
      const { stepSeconds } = simulate(valueIn(carryOut(coastline, one.schedule, machine)), machine);
      assert.ok(one.decision.bound.any <= stepSeconds && stepSeconds > decision.bound.any);
      assert.ok(Math.abs(one.decision.chosen.seconds / stepSeconds - 1) < 0.2);
      assert.ok(one.decision.chosen.seconds >= decision.chosen.seconds * (1 - 1e-9));
    }
  }
});

test('pins that leave a pipeline only: no cut, number of stages or of micro-batches beats the bound', () => {
  const model = modelOf('torchgpipe', { side: '32', base: '4', num_convs: '1', images: '8' });
  const pinned = { devices: 4, replicas: 1, tiles: [1, 1] };
  const { bound } = planned(model, roundMachine, pinned).decision;
  assert.is(bound.pipeline, true);
  assert.ok(bound.any > planned(model, roundMachine, { devices: 4 }).decision.bound.any);
  for (const stages of [1, 2, 3, 4])
    for (const microBatches of [1, 2, 4, 8]) {
      const { schedule, decision } = planned(model, roundMachine, { ...pinned, stages, microBatches });
      const { stepSeconds } = simulate(valueIn(carryOut(model, schedule, roundMachine)), roundMachine);
      assert.ok(bound.any <= decision.bound.any * near && decision.bound.any <= stepSeconds);
    }
});

test('what is pinned is kept', () => {
  const pins = (given: Pins) => planned(coastline, roundMachine, { devices: 4, ...given }).schedule;
  assert.is(pins({ replicas: 2 }).replicas, 2);
  assert.equal(tilesOf(pins({ tiles: [1, 3] })), [1, 3]);
  assert.is(pins({ microBatches: 2 }).microBatches, 2);
  assert.is(stagesOf(pins({ stages: 2 })), 2);
  assert.equal(pins({ tiles: [2, 2], exchanges: [] }).exchanges, []);
  assert.equal(pins({ drop: [] }).drop, []);
  assert.is(pins({ stages: 2, order: 'gpipe' }).order, 'gpipe');
});

test('less memory than everything needs is made up for: by recompute, streaming or more micro-batches', () => {
  const ample = planned(scene, roundMachine, { devices: 1 });
  const plan = valueIn(carryOut(scene, ample.schedule, roundMachine));
  const peak = Math.max(...plan.roles.map(({ peakBytes }) => peakBytes));
  const tight = withDevice(roundMachine, { memory: 0.7 * peak });
  const { schedule, decision } = planned(scene, tight, { devices: 1 });
  const fitted = valueIn(carryOut(scene, schedule, roundMachine));
  assert.ok(Math.max(...fitted.roles.map(({ peakBytes }) => peakBytes)) <= tight.device.memory);
  assert.ok(decision.chosen.seconds >= ample.decision.chosen.seconds);
});

test('a network that fits under no schedule: how much is missing', () => {
  const small = modelOf('summit10k', { side: '128' });
  const found = decide(small, { devices: 2 }, withDevice(roundMachine, { memory: 2 ** 20 }));
  assert.ok(!found.ok);
  assert.is(found.ok || found.diagnostics[0]?.code, 'does-not-fit');
});

// The share of the update that sums are waited for was 0 of 0.
test('a network without parameters is planned for several devices', () => {
  const text = `model nothing
input  image : f32[2, 16, 16]
target cells : class[16, 16] of 2
loss cross_entropy(image |> relu, cells)
train sgd(1e-2), batch = 4, steps = 4
`;
  const bare = valueIn(compileModel(text, 'nothing.unet', { purpose: 'train', sets: {} }));
  const { chosen, runnersUp, bound } = planned(bare, roundMachine, { devices: 4 }).decision;
  for (const { seconds } of [chosen, ...runnersUp]) assert.ok(seconds > 0);
  assert.ok(bound.any <= bound.class * near && bound.class <= chosen.seconds * near);
});

test.run();
