/** `unetc calibrate` on the smallest networks: the file that it writes describes this machine. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { kernelClasses } from '../../ir/machine.ts';
import { program, root } from '../../tests/support/command-line.ts';
import { readMachine } from '../inputs-machine.ts';

const folder = mkdtempSync(join(tmpdir(), 'unetc-calibrate-'));
const unetc = (...args: string[]) =>
  spawnSync(process.execPath, [...program, 'calibrate', ...args], {
    encoding: 'utf8',
    cwd: root,
    env: { ...process.env, TMPDIR: folder },
  });

test('measures kernels, memory and messages, and leaves nothing behind', () => {
  const file = join(folder, 'here.machine');
  const { status, stdout, stderr } = unetc(
    '-o',
    file,
    '--largest',
    '16',
    '--each',
    '5',
    '--devices',
    '2',
    '--memory',
    '1GiB',
  );
  assert.is(status, 0, stderr);
  assert.is(stdout.trim(), file);
  assert.match(stderr, /kernels in \d+ s/);
  const read = readMachine(file);
  assert.ok(read.ok, read.ok ? '' : JSON.stringify(read.diagnostics));
  if (!read.ok) return;
  const { device, devicesPerNode, inSocket, launcher } = read.value;
  assert.is(devicesPerNode, 2);
  assert.is(launcher, 'local');
  assert.is(device.memory, 2 ** 30);
  assert.ok(device.reserve > 2 ** 20 && device.launch < 1e-3 && (device.dispatch ?? 0) > 0);
  assert.ok(device.peak > 1e7 && device.bandwidth > 1e8 && inSocket.bandwidth > 1e6 && inSocket.latency > 0);
  assert.ok(kernelClasses.filter((kernel) => device.traffic[kernel] !== undefined).length >= 2);
  assert.equal(
    readdirSync(folder).filter((name) => name.startsWith('unetc-')),
    [],
  );
});

test('a wrong number is wrong usage', () => {
  assert.is(unetc('--devices', 'two').status, 2);
  assert.is(unetc('--largest', '8').status, 2);
});

test.after(() => rmSync(folder, { recursive: true }));

test.run();
