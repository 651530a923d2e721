/** From times to a description: a machine whose kernels keep to the cost model is found again. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { allReduceSeconds } from '../../ir/collectives.ts';
import { type Device, type Machine, machineAtWork, messageSeconds } from '../../ir/machine.ts';
import { printMachine, readMachine } from '../../ir/text/machine.ts';
import { fitShares, secondsWith, type Timed } from './fit.ts';
import { calibrationSteps, timedKernels, timedUpdate, updateSegments } from './kernels.ts';
import { inPlans, linkFrom, type Measured, machineFrom, slownessInPlans, slownessOf } from './machine.ts';

const peaks = { flops: 1e11, bytes: 1e10 };

test('shares that the kernels were made with are found, whichever limit binds', () => {
  const truth = {
    arithmetic: [
      { size: 1e5, share: 0.2 },
      { size: 1e9, share: 0.8 },
    ],
    intensity: [
      { size: 1, share: 0.4 },
      { size: 256, share: 1 },
    ],
    traffic: [{ size: 1, share: 0.5 }],
  };
  const timed = Array.from({ length: 60 }, (_, i): Timed => {
    const flops = 10 ** (5 + (i % 12) / 3);
    const alike = { kernel: 'conv', kind: 'conv', times: 1, seconds: 0 } as const;
    const intensity = 4 ** (i % 5);
    const one = { ...alike, flops, intensity, bytes: flops / intensity };
    return { ...one, seconds: secondsWith(truth, one, peaks) };
  });
  const found = fitShares(timed, peaks, { arithmetic: true, intensity: true });
  const errors = timed.map((one) => Math.abs(secondsWith(found, one, peaks) / one.seconds - 1));
  assert.ok(Math.max(...errors) < 0.35, `${Math.max(...errors)}`);
  assert.ok(errors.reduce((sum, error) => sum + error, 0) / errors.length < 0.08);
});

test('a class of kernels that only move bytes has no arithmetic', () => {
  const timed = [1e4, 1e6, 1e8].map((bytes): Timed => {
    return {
      kernel: 'move',
      kind: 'concat',
      flops: 0,
      intensity: 0,
      bytes,
      times: 1,
      seconds: bytes / (peaks.bytes * 0.25),
    };
  });
  const { arithmetic, traffic } = fitShares(timed, peaks, { arithmetic: false, intensity: false });
  assert.is(arithmetic, undefined);
  for (const { share } of traffic) assert.ok(Math.abs(share / 0.25 - 1) < 0.02, `${share}`);
});

test('steps that take longer than their kernels slow a machine down, but not its messages', () => {
  const machine = machineFrom(measured);
  const secondsOn = ({ device, inSocket }: Machine) => 1e12 / device.peak + messageSeconds(inSocket, 2 ** 22);
  const wanted = secondsOn(inPlans(machine, { all: 1.25, alone: 1.25, meeting: 1 }));
  const times = slownessOf(machine, (held) => [wanted / secondsOn(held)]);
  assert.ok(Math.abs(times / 1.25 - 1) < 0.01, `${times}`);
  assert.equal(inPlans(machine, { all: times, alone: times, meeting: 1 }).inSocket, machine.inSocket);
});

test('a device that is alone is faster than devices that are all at work, and never slower', () => {
  const machine = machineFrom(measured);
  const told = inPlans(machine, { all: 1.5, alone: 1.2, meeting: 1 });
  const back = readMachine(printMachine(told), 'here.machine');
  assert.equal(back.ok ? back.value : back.diagnostics, told);
  for (const { device, inSocket } of [machineAtWork(told, 1), machineAtWork(told, 2)])
    assert.ok(device.contention === undefined && inSocket === told.inSocket);
  const near = (found: number, wanted: number) => assert.ok(Math.abs(found / wanted - 1) < 0.01, `${found}`);
  const { peak, launch } = machine.device;
  near(machineAtWork(told, 1).device.peak, peak / 1.2);
  near(machineAtWork(told, 2).device.peak, peak / 1.5);
  near(machineAtWork(told, 64).device.launch, launch * 1.5);
  const noise = inPlans(machine, { all: 1.2, alone: 1.25, meeting: 1 }).device;
  assert.is(noise.contention, undefined);
  near(noise.peak, peak / Math.sqrt(1.2 * 1.25));
});

test('plans in which devices meet often tell what a meeting takes, and the others what kernels take', () => {
  const machine = machineFrom(measured);
  const secondsOn =
    (meetings: number) =>
    ({ device, inSocket }: Machine) =>
      1e12 / device.peak + meetings * messageSeconds(inSocket, 2 ** 10);
  const step = secondsOn(0)(machine);
  const often = Math.round(step / 4 / machine.inSocket.latency);
  const wanted = { all: 1.3, alone: 1.1, meeting: 3 };
  const missesOf = (meetings: number, on: Machine) => {
    const taken = secondsOn(meetings)(machineAtWork(inPlans(machine, wanted), on.devicesPerNode));
    return (held: Machine) => [taken / secondsOn(meetings)(held)];
  };
  const found = slownessInPlans(machine, {
    all: missesOf(2, machine),
    alone: missesOf(0, { ...machine, devicesPerNode: 1 }),
    meeting: missesOf(often, machine),
  });
  const near = (times: number, from: number) => assert.ok(Math.abs(times / from - 1) < 0.03, `${times}`);
  near(found.all, wanted.all);
  near(found.alone, wanted.alone);
  near(found.meeting, wanted.meeting);
});

test('messages: latency of the small, the rate of the large', () => {
  const seconds = (bytes: number) => 2e-5 + bytes / 3e9;
  const trades = [10, 12, 16, 20, 24].map((power) => ({ bytes: 2 ** power, seconds: seconds(2 ** power) }));
  const link = linkFrom(trades);
  for (const { bytes, seconds: taken } of trades)
    assert.ok(Math.abs(messageSeconds(link, bytes) / taken - 1) < 0.1, `${bytes}`);
});

/** Seconds of each op as if nothing bound it but its place. */
const [step] = calibrationSteps(16);
const ops = step?.segment.graph.ops ?? [];
const kernels =
  step === undefined
    ? []
    : timedKernels(
        step.segment,
        ops.map((_, index) => 1e-4 * (1 + index)),
      );
const updates = updateSegments(2 ** 20).flatMap(({ segment }) => timedUpdate(segment, 1e-3));

test('the ops of a step are its kernels, and their times add up to those of the ops', () => {
  const sum = kernels.reduce((total, { seconds, times }) => total + seconds * times, 0);
  assert.ok(Math.abs(sum / ((1e-4 * (ops.length * (ops.length + 1))) / 2) - 1) < 1e-9);
  assert.is(
    kernels.reduce((count, { times }) => count + times, 0),
    ops.length,
  );
  for (const kernel of ['conv', 'conv_data', 'conv_weight', 'pointwise', 'reduction', 'move'])
    assert.ok(
      kernels.some((one) => one.kernel === kernel),
      kernel,
    );
  assert.ok([...kernels, ...updates].every(({ bytes }) => bytes > 0));
  const device: Device = {
    ...{ name: 'd', memory: 1, reserve: 0, peak: 1e12, bandwidth: 1e12, launch: 1 },
    arithmetic: {},
    traffic: {},
  };
  assert.ok(step !== undefined && Math.abs(step.seconds(device) - ops.length) < 1e-3);
});

const moved = [12, 16, 20].map((power) => ({ bytes: 2 ** power, seconds: 2 ** power / 1e9 }));

const measured: Measured = {
  name: 'here',
  devices: 2,
  kernels: kernels.map((one) => ({ ...one, seconds: 1e-4 + one.flops / 1e10 + one.bytes / 1e9 })),
  updates,
  moved: {
    ...{ accumulate: moved, paste: moved, exchange: moved, count: moved, metric: moved, clip: moved },
    ...{ run: moved, clear: moved, check: moved },
  },
  smallest: { taken: 1e-3, ops: 100, seconds: ({ launch }) => 100 * launch + 4e-4 },
  dispatch: 3.21987e-5,
  copyRate: 1.23456e10,
  trades: [10, 14, 18, 22].map((power) => ({ bytes: 2 ** power, seconds: 1e-5 + 2 ** power / 2e9 })),
  sums: [10, 14, 18, 22].map((power) => ({ bytes: 2 ** power, seconds: 1e-3 + 2 ** power / 1e9 })),
  memory: 4e9,
  reserve: 2e8,
  hostMemory: 16e9,
  storage: 1e9,
};

test('sums: what a machine is told of them is what they took', () => {
  const seconds = (bytes: number) => 2e-3 + bytes / (bytes > 2 ** 20 ? 2e8 : 5e8);
  const sums = [10, 14, 18, 22, 26].map((power) => ({ bytes: 2 ** power, seconds: seconds(2 ** power) }));
  const machine = machineFrom({ ...measured, sums });
  for (const { bytes, seconds: taken } of sums) {
    const told = allReduceSeconds(machine, { count: 2, spacing: 1, first: 0 }, bytes);
    assert.ok(Math.abs(told / taken - 1) < 0.05, `${bytes}: ${told}, not ${taken}`);
  }
});

test('the description is read back as it is, with or without neighbours, and says what was measured', () => {
  for (const devices of [1, 2]) {
    const machine = machineFrom({ ...measured, devices });
    const back = readMachine(printMachine(machine), 'here.machine');
    assert.equal(back.ok ? back.value : back.diagnostics, machine);
    assert.is(machine.provenance?.['device.memory'], 'assumed');
    assert.is(machine.provenance?.['device.efficiency.conv.arithmetic'], 'measured');
    assert.is(machine.provenance?.['device.efficiency.conv.intensity'], 'measured');
    assert.is(machine.provenance?.['device.efficiency.accumulate.traffic'], 'measured');
    assert.is(machine.device.dispatch, 3.22e-5);
    assert.is(machine.device.launch, 6e-6);
  }
});

test.run();
