import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { kernelSeconds, waveShare } from './kernels.ts';
import { type Device, shareAt } from './machine.ts';

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

test('a curve is linear in the logarithm of the size, and flat beyond its ends', () => {
  const curve = [
    { size: 1e3, share: 0.2 },
    { size: 1e5, share: 0.6 },
  ];
  const shares = [1, 1e3, 1e4, 1e5, 1e9].map((size) => shareAt(curve, size).toFixed(6));
  assert.equal(shares, ['0.200000', '0.200000', '0.400000', '0.600000', '0.600000']);
});

test.run();
