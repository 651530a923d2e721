import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { wholeBox } from './box.ts';
import { allReduceSeconds } from './collectives.ts';
import { isFault } from './diagnostics/diagnostic.ts';
import { kernelSeconds, opSeconds, waveShare } from './kernels.ts';
import { type Device, type Machine, shareAt } from './machine.ts';
import { flopsOf, makeOp } from './ops/table.ts';
import { array, map } from './type.ts';

const device: Device = {
  name: 'd',
  memory: 1e9,
  reserve: 0,
  peak: 1e12,
  bandwidth: 1e11,
  launch: 1e-5,
  arithmetic: { conv: [{ size: 1, share: 0.5 }] },
  traffic: {},
  wave: { processors: 80, pixels: 128, channels: 64 },
};

test('a full wave of blocks uses every processor, one block more takes a second wave', () => {
  assert.is(waveShare(device, 128 * 80, 64), 1);
  assert.ok(Math.abs(waveShare(device, 128 * 81, 64) - 81 / 160) < 1e-12);
});

test('a result of two channels uses 2 of 64 lanes of its blocks', () => {
  assert.ok(Math.abs(waveShare(device, 128 * 80, 2) - 2 / 64) < 1e-12);
});

test('a kernel takes the longer of arithmetic and traffic, and its launch', () => {
  const kernel = { kernel: 'conv', pixels: 0, channels: 0 } as const;
  const heavy = { ...kernel, flops: { fixed: 0, perCell: 1e6 }, bytes: { fixed: 0, perCell: 4 } };
  assert.is(kernelSeconds(device, heavy, 1000), 1e9 / 5e11 + 1e-5);
  const wide = { ...kernel, flops: { fixed: 0, perCell: 1 }, bytes: { fixed: 1e6, perCell: 4000 } };
  assert.is(kernelSeconds(device, wide, 1000), 5e6 / 1e11 + 1e-5);
});

test('intensity is a factor of the arithmetic: that of the maps, weights do not count', () => {
  const intense: Device = {
    ...device,
    intensity: {
      conv: [
        { size: 10, share: 0.2 },
        { size: 1000, share: 1 },
      ],
    },
  };
  const kernel = { kernel: 'conv', pixels: 0, channels: 0 } as const;
  const few = { ...kernel, flops: { fixed: 0, perCell: 40 }, bytes: { fixed: 1e3, perCell: 4 } };
  assert.is(kernelSeconds(intense, few, 1e6), 4e7 / (1e12 * 0.5 * 0.2) + 1e-5);
  const many = { ...few, flops: { fixed: 0, perCell: 4e3 } };
  assert.is(kernelSeconds(intense, many, 1e6), 4e9 / (1e12 * 0.5) + 1e-5);
});

test('a kind of which anything is given takes nothing from its class', () => {
  const told: Device = { ...device, traffic: { up_conv: [{ size: 1, share: 0.25 }] } };
  const kernel = { kernel: 'conv', pixels: 0, channels: 0 } as const;
  const work = { ...kernel, flops: { fixed: 0, perCell: 1e4 }, bytes: { fixed: 0, perCell: 100 } };
  assert.is(kernelSeconds(told, { ...work, kind: 'up_conv' }, 1000), 1e7 / 1e12 + 1e-5);
  assert.is(kernelSeconds(told, { ...work, kind: 'conv' }, 1000), 1e7 / (1e12 * 0.5) + 1e-5);
  const wide = { ...work, kind: 'up_conv' as const, bytes: { fixed: 0, perCell: 1e4 } };
  assert.is(kernelSeconds(told, wide, 1000), 1e7 / (1e11 * 0.25) + 1e-5);
});

test('what a machine of one node says of sums holds in place of its links', () => {
  const members = { count: 2, spacing: 1, first: 0 };
  const one: Machine = {
    name: 'one',
    nodes: 1,
    devicesPerNode: 2,
    device,
    sockets: [[0, 1]],
    inSocket: { name: 'l', bandwidth: 1e9, latency: 1e-3, shared: false },
    betweenSockets: { name: 'l', bandwidth: 1e9, latency: 1e-3, shared: false },
    network: { name: 'none', bandwidth: 1e11, latency: 0, shared: false },
    allReduce: { bandwidth: 1e11, latency: 0 },
    host: { memory: 1e10, link: 1e10 },
    storage: 1e9,
    launcher: 'local',
  };
  assert.is(allReduceSeconds(one, members, 1e6), 1e-3 + 2e-3);
  const told = { ...one, allReduce: { bandwidth: 1e8, latency: 5e-3 } };
  assert.is(allReduceSeconds(told, members, 1e6), 1e-2 + 5e-3);
});

test('a curve is linear in the logarithm of the size, and flat beyond its ends', () => {
  const curve = [
    { size: 1e3, share: 0.2 },
    { size: 1e5, share: 0.6 },
  ];
  const shares = [1, 1e3, 1e4, 1e5, 1e9].map((size) => shareAt(curve, size).toFixed(6));
  assert.equal(shares, ['0.200000', '0.200000', '0.400000', '0.600000', '0.600000']);
});

test('the cotangent of an operand takes its FLOPs at least, on the rim of a map more', () => {
  const { wave: _, ...waveless } = device;
  const peak = { ...waveless, launch: 0, bandwidth: 1e15, arithmetic: {} };
  const seconds = (extent: number, given: number, step: number, pad: number) => {
    const attrs = {
      kernel: [3],
      pad: [[pad, pad]],
      stride: [step],
      dilation: [1],
      groups: 1,
      extent: [extent],
    } as const;
    const inputs = [map(4, wholeBox([given]), 'f32'), array([4, 4, 3])];
    const op = makeOp('conv_data', 'dx', ['dy', 'w'], attrs, inputs);
    if (isFault(op)) throw new Error(op.code);
    return (opSeconds(peak, op, inputs, 1) * peak.peak) / flopsOf(op, inputs);
  };
  assert.is(seconds(16, 16, 1, 1), 1);
  // Without padding two pixels more are worked out than results are given.
  assert.ok(Math.abs(seconds(16, 14, 1, 0) - 16 / 14) < 1e-12);
  // Strides that leave cells over, and padding beyond what the kernel needs, make it no faster.
  assert.is(seconds(3, 2, 2, 1), 1);
  assert.is(seconds(16, 18, 1, 2), 1);
});

test.run();
