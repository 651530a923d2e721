/** Decisions from the command line: how pins, a schedule file and options go together. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { readPins } from './inputs.ts';

const folder = mkdtempSync(join(tmpdir(), 'unetc-test-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
const schedule = join(folder, 'mine.schedule');
writeFileSync(schedule, 'schedule mine\n  devices 2\n  rows 0 128\n  columns 0 40 128\n');

const pinsOf = (options: Parameters<typeof readPins>[0]) => {
  const pins = readPins(options);
  return pins.ok ? pins.value : pins.diagnostics.map(({ message }) => message);
};

test('pins come together: the cuts of all axes are one decision', () => {
  assert.equal(pinsOf({ pin: ['rows=0,40,128', 'columns=0,128', 'replicas=2'] }), {
    replicas: 2,
    cuts: [
      [0, 40, 128],
      [0, 128],
    ],
  });
});

test('what is pinned comes before the schedule file; a pinned grid opens its cuts', () => {
  assert.equal(pinsOf({ schedule, pin: ['tiles=2x1'], devices: '4', memory: '1KiB' }), {
    devices: 4,
    tiles: [2, 1],
    memory: 1024,
  });
  assert.equal(pinsOf({ schedule, pin: ['micro_batches=2'] }), {
    devices: 2,
    microBatches: 2,
    cuts: [
      [0, 128],
      [0, 40, 128],
    ],
  });
});

test('a pin that is no decision is named', () => {
  assert.match(
    String(pinsOf({ pin: ['replicas=2', 'tiles=two'] })),
    /`--pin tiles=two`: expected something like tiles=2x3 .*found `two`/,
  );
  assert.match(String(pinsOf({ pin: ['tile=2x2'] })), /KEY one of .*tiles/);
});

test.run();
