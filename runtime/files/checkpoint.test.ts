import { spawnSync } from 'node:child_process';
import * as system from 'node:fs';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { codesOf, emptyDirectory, good, messagesOf } from '../tests/test-data.ts';
import { bestScore } from '../validation.ts';
import {
  bestFile,
  type Checkpoint,
  newestCheckpoint,
  prepareDirectory,
  readCheckpoint,
  saveBest,
  saveCheckpoint,
  stateName,
} from './checkpoint.ts';
import { encodeTensors, f32, readTensors } from './safetensors.ts';
import type { FileSystem } from './write-safely.ts';

const weights = (count: number, seed: number) =>
  Float32Array.from({ length: count }, (_, i) => Math.sin(seed + i));

/** About 50 KB. */
const checkpointAt = (step: number): Checkpoint => ({
  step,
  position: step * 4,
  seed: 7,
  model: 'abc',
  tensors: new Map([
    [stateName('weight', 'unet.encode[0].conv[1].weight'), f32(weights(6000, step), [60, 100])],
    [stateName('average', 'unet.encode[0].conv[1].weight'), f32(weights(6000, -step), [60, 100])],
  ]),
  notes: new Map([['iou', '0.97']]),
});

const stepOf = (directory: string): number | undefined =>
  good(newestCheckpoint(directory, 'abc'))?.checkpoint.step;

test('what is saved is found again, the newest first; others load the weights by name', () => {
  const directory = emptyDirectory();
  for (const step of [5, 100, 20]) good(saveCheckpoint(directory, checkpointAt(step)));
  const found = good(newestCheckpoint(directory, 'abc'));
  assert.equal(found?.checkpoint, checkpointAt(100));
  const tensors = good(readTensors(found?.file ?? '')).tensors;
  assert.equal(
    [...tensors.keys()],
    ['unet.encode[0].conv[1].weight', 'average/unet.encode[0].conv[1].weight'],
  );
});

test('an empty or missing directory has none', () => {
  assert.is(stepOf(emptyDirectory()), undefined);
  assert.is(stepOf('/no/such/place'), undefined);
});

test('old ones are deleted, the best one stays', () => {
  const directory = join(emptyDirectory(), 'made', 'on', 'demand');
  good(saveBest(directory, checkpointAt(1)));
  for (let step = 2; step < 8; step++) good(saveCheckpoint(directory, checkpointAt(step), { keep: 2 }));
  assert.equal(readdirSync(directory).sort(), [
    'best.safetensors',
    'step-000006.safetensors',
    'step-000007.safetensors',
  ]);
  assert.is(good(readCheckpoint(bestFile(directory))).step, 1);
});

test('torn at any 4 KiB boundary, by cutting or by zeros, the one before is found and the torn one named', () => {
  const directory = emptyDirectory();
  good(saveCheckpoint(directory, checkpointAt(1)));
  const torn = good(saveCheckpoint(directory, checkpointAt(2)));
  const bytes = readFileSync(torn);
  for (let length = 0; length < bytes.length; length += 4096) {
    for (const rest of [Buffer.alloc(0), Buffer.alloc(bytes.length - length)]) {
      writeFileSync(torn, Buffer.concat([bytes.subarray(0, length), rest]));
      const found = newestCheckpoint(directory, 'abc');
      assert.is(good(found)?.checkpoint.step, 1, `${length} of ${bytes.length} bytes`);
      assert.equal(found.ok ? found.warnings.map(({ code }) => code) : [], ['checkpoint-torn']);
      assert.ok(found.ok && found.warnings[0]?.message.includes('step-000002.safetensors'));
    }
  }
  writeFileSync(torn, bytes);
  assert.is(stepOf(directory), 2);
});

test('any single changed byte shows', () => {
  const directory = emptyDirectory();
  const path = good(saveCheckpoint(directory, checkpointAt(3)));
  const bytes = readFileSync(path);
  fc.assert(
    fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (place, change) => {
      const damaged = Buffer.from(bytes);
      damaged[place] = (damaged[place] ?? 0) ^ change;
      writeFileSync(path, damaged);
      const read = readCheckpoint(path);
      // A changed space after the header, or another spelling of the same JSON, changes nothing.
      if (read.ok) assert.equal(read.value, checkpointAt(3));
    }),
    { numRuns: 200 },
  );
  truncateSync(path, bytes.length - 1);
  assert.equal(codesOf(readCheckpoint(path)), ['weights-invalid']);
});

test('nothing, garbage, weights of other programs and a folder of that name are skipped and named', () => {
  const directory = emptyDirectory();
  good(saveCheckpoint(directory, checkpointAt(1)));
  const { tensors } = checkpointAt(2);
  const contents: readonly [Uint8Array, RegExp][] = [
    [new Uint8Array(), /it has only 0 bytes/],
    [Buffer.from('not at all what it should be'), /does not begin as such a file does/],
    [new Uint8Array(50_000), /JSON/],
    [
      Buffer.concat([...encodeTensors({ tensors, metadata: new Map() })]),
      /no checksum, so it is no checkpoint/,
    ],
  ];
  for (const [bytes, said] of contents) {
    writeFileSync(join(directory, 'step-000002.safetensors'), bytes);
    const found = newestCheckpoint(directory, 'abc');
    assert.is(good(found)?.checkpoint.step, 1);
    assert.match(found.ok ? (found.warnings[0]?.message ?? '') : '', said);
  }
  rmSync(join(directory, 'step-000002.safetensors'));
  mkdirSync(join(directory, 'step-000002.safetensors'));
  assert.is(stepOf(directory), 1);
});

// Whoever went on from an older one would throw away what the newer program trained.
test('a checkpoint of a newer format is refused, not skipped', () => {
  const directory = emptyDirectory();
  good(saveCheckpoint(directory, checkpointAt(1)));
  const { tensors } = checkpointAt(2);
  const metadata = new Map([['format', 'unetc-checkpoint-2']]);
  const newer = Buffer.concat([...encodeTensors({ tensors, metadata })]);
  writeFileSync(join(directory, 'step-000002.safetensors'), newer);
  const found = newestCheckpoint(directory, 'abc');
  assert.equal(codesOf(found), ['checkpoint-version']);
  assert.match(
    messagesOf(found),
    /step-000002.*\(unetc-checkpoint-2, and this one writes unetc-checkpoint-1\)/,
  );
  rmSync(join(directory, 'step-000002.safetensors'));
  writeFileSync(bestFile(directory), newer);
  assert.equal(codesOf(bestScore(directory, 'abc')), ['checkpoint-version']);
});

// A torn one of step 9 counted as the newest, and the one just written, of step 8, was deleted as too old.
test('a torn newer one costs no good one its place', () => {
  const directory = emptyDirectory();
  for (const step of [6, 9]) good(saveCheckpoint(directory, checkpointAt(step)));
  truncateSync(join(directory, 'step-000009.safetensors'), 4096);
  for (const step of [7, 8]) {
    good(saveCheckpoint(directory, checkpointAt(step), { keep: 1 }));
    assert.is(stepOf(directory), step);
  }
  good(saveCheckpoint(directory, checkpointAt(9), { keep: 1 }));
  assert.equal(readdirSync(directory), ['step-000009.safetensors']);
});

test('what a run left in the middle of writing is cleared away by the next one, and nothing else', () => {
  const directory = emptyDirectory();
  good(saveCheckpoint(directory, checkpointAt(1)));
  for (const name of ['step-000002.safetensors.tmp', 'best.safetensors.tmp', 'notes.tmp'])
    writeFileSync(join(directory, name), 'half');
  good(prepareDirectory(directory));
  assert.equal(readdirSync(directory).sort(), ['notes.tmp', 'step-000001.safetensors']);
});

test('a checkpoint of another model is refused', () => {
  const directory = emptyDirectory();
  good(saveCheckpoint(directory, checkpointAt(1)));
  assert.equal(codesOf(newestCheckpoint(directory, 'other')), ['checkpoint-of-another-model']);
});

/** A disk that takes `room` bytes, in pieces of at most 1000. */
function fullDisk(room: number): FileSystem {
  let left = room;
  const writeSync = (descriptor: number, bytes: Uint8Array, offset: number, length: number): number => {
    if (left === 0)
      throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
    const count = Math.min(length, left, 1000);
    left -= count;
    return system.writeSync(descriptor, bytes, offset, count);
  };
  return { ...system, writeSync };
}

test('a full disk loses nothing: the one before stays, the same name too, and no rest is left', () => {
  const directory = emptyDirectory();
  const path = good(saveCheckpoint(directory, checkpointAt(1)));
  good(saveBest(directory, checkpointAt(1)));
  for (const room of [0, 1, 8, 4096, 30_000, 48_000]) {
    const files = fullDisk(room);
    assert.equal(codesOf(saveCheckpoint(directory, checkpointAt(2), { keep: 1, files })), ['write-failed']);
    const again = { ...checkpointAt(1), seed: 8 };
    assert.equal(codesOf(saveCheckpoint(directory, again, { files: fullDisk(room) })), ['write-failed']);
    assert.equal(codesOf(saveBest(directory, again, fullDisk(room))), ['write-failed']);
    assert.equal(good(readCheckpoint(path)), checkpointAt(1));
    assert.equal(good(readCheckpoint(bestFile(directory))), checkpointAt(1));
    assert.is(readdirSync(directory).length, 2);
  }
  good(saveCheckpoint(directory, checkpointAt(2), { files: fullDisk(1e6) }));
  assert.is(stepOf(directory), 2);
});

test('a process that ends in the middle of writing leaves the one before', () => {
  const directory = emptyDirectory();
  good(saveCheckpoint(directory, checkpointAt(1)));
  const module = fileURLToPath(new URL('./checkpoint.ts', import.meta.url));
  const program = `
    import { saveCheckpoint } from ${JSON.stringify(module)};
    const data = new Float32Array(100000);
    saveCheckpoint(${JSON.stringify(directory)}, { step: 2, position: 0, seed: 0, model: 'abc',
      tensors: new Map([['w', { dtype: 'F32', dims: [100000], data }]]) },
      { files: { ...fs, fsyncSync: () => process.kill(process.pid, 'SIGKILL') } });`;
  const script = join(directory, 'die.mts');
  writeFileSync(script, `import * as fs from 'node:fs';${program}`);
  const child = spawnSync(process.execPath, ['--import', 'tsx', script], {
    cwd: fileURLToPath(new URL('.', import.meta.url)),
  });
  assert.is(child.signal, 'SIGKILL', child.stderr.toString());
  assert.ok(existsSync(join(directory, 'step-000002.safetensors.tmp')), 'it was in the middle');
  assert.is(stepOf(directory), 1);
});

test.run();
