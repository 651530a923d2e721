/** Machines by name and by file. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { linkBetween, machineDevices, messageSeconds } from '../ir/machine.ts';
import { printMachine, readMachine as readMachineText } from '../ir/text/machine.ts';
import { builtinMachines, readMachine } from './inputs-machine.ts';

const machineNamed = (name: string) => {
  const read = readMachine(name);
  assert.ok(read.ok, read.ok ? '' : JSON.stringify(read.diagnostics));
  if (!read.ok) throw new Error(name);
  return read.value;
};

test('all machines that come with the program are read, and bear the names of their files', () => {
  const names = builtinMachines();
  for (const name of ['summit', 'summit-flat', 'perlmutter', 'dgx-h100', 'p40'])
    assert.ok(names.includes(name), name);
  for (const name of names) {
    const machine = machineNamed(name);
    assert.is(machine.name, name);
    const back = readMachineText(printMachine(machine), name);
    assert.equal(back.ok && back.value, machine);
  }
});

/** `16 GiB per node`, without a word behind it that says how it is known. */
const bareFigure = /\d [kMGTP]?i?(?:B|B\/s|FLOP\/s|us|ms|s)(?: per node)?(?= *[;}\n])/;

test('each of their figures says how it is known', () => {
  assert.match('memory 16 GiB; x', bareFigure);
  for (const name of builtinMachines()) assert.not.match(printMachine(machineNamed(name)), bareFigure, name);
});

test('Summit: links by sockets and nodes, and a published message', () => {
  const summit = machineNamed('summit');
  assert.is(machineDevices(summit), 27_648);
  assert.is(linkBetween(summit, 0, 2)?.name, 'nvlink');
  assert.is(linkBetween(summit, 2, 3)?.name, 'xbus');
  assert.is(linkBetween(summit, 5, 6)?.name, 'fat_tree');
  assert.is(linkBetween(summit, 6, 6), undefined);
  // The tutorial of OLCF gives 43.602 us for 1 MiB, 378.465 us for 16 MiB, 22.900 us for 64 KiB.
  const within = (bytes: number, published: number) =>
    assert.ok(Math.abs(messageSeconds(summit.inSocket, bytes) / published - 1) < 0.02, `${bytes}`);
  within(2 ** 20, 43.602e-6);
  within(2 ** 24, 378.465e-6);
  within(2 ** 16, 22.9e-6);
});

test('summit-flat is summit without waves', () => {
  const { wave, ...device } = machineNamed('summit').device;
  assert.equal(wave, { processors: 80, pixels: 128, channels: 64 });
  assert.equal(machineNamed('summit-flat').device, device);
});

test('a name that is near one of them is suggested', () => {
  const read = readMachine('sumit');
  assert.is(read.ok || read.diagnostics[0]?.hint, 'did you mean `summit`?');
  const other = readMachine('xyzzy');
  assert.match(other.ok ? '' : (other.diagnostics[0]?.hint ?? ''), /summit, summit-flat/);
});

test('a file; one that is not there; one with faults', () => {
  const folder = mkdtempSync(join(tmpdir(), 'unetc-machine-'));
  const file = join(folder, 'mine.machine');
  writeFileSync(file, printMachine({ ...machineNamed('p40'), name: 'mine' }));
  assert.is(machineNamed(file).name, 'mine');
  writeFileSync(file, 'machine mine\n  nodes two\n');
  const faulty = readMachine(file);
  assert.ok(!faulty.ok && faulty.diagnostics.length > 3);
  rmSync(folder, { recursive: true });
  const missing = readMachine(file);
  assert.is(missing.ok || missing.diagnostics[0]?.code, 'file-missing');
});

test.run();
