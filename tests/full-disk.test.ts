/**
 * Disks that take no more, whatever is written: exit 3, the file and the reason are named, and what was there
 * before is as it was. A limit on the size of files stands for the full disk, and `/dev/full`, which is one.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { newestCheckpoint } from '../runtime/files/checkpoint.ts';
import { dataDirectory, good } from '../runtime/tests/test-data.ts';
import { type Surroundings, succeeding, unetc } from './support/command-line.ts';

const folder = mkdtempSync(join(tmpdir(), 'unetc-test-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
const inFolder = (name: string): string => join(folder, name);

const size = { height: 40, width: 32 };
const data = await dataDirectory({
  'images/a.png': size,
  'labels/a.png': { ...size, channels: 1, paint: (y, x) => (y + x) % 2 },
});
const image = join(data, 'images/a.png');
const bundle = inFolder('small.plan');
const compile = `compile examples/coastline.unet --set poolings=1 --devices 1 --threads 1`;
await succeeding(`${compile} --set side=16 -o ${bundle}`);
const run = `run ${bundle} --data ${data} --json --checkpoint-every 2`;
const kept = inFolder('kept');
await succeeding(`${run} --steps 4 --checkpoint ${kept}`);
const weights = `--weights ${join(kept, 'step-000004.safetensors')}`;

/** All files of a folder with their bytes. */
const contentsOf = (path: string): Map<string, string> =>
  new Map(
    readdirSync(path, { recursive: true, withFileTypes: true }).flatMap((entry) => {
      const file = join(entry.parentPath, entry.name);
      return entry.isFile() ? [[file, readFileSync(file, 'base64')] as const] : [];
    }),
  );

/** Runs what cannot succeed, and sees that nothing in the folder has changed. */
async function refused(words: string, surroundings: Surroundings, file: string): Promise<string> {
  const before = contentsOf(folder);
  const { status, stderr } = await unetc(words, surroundings);
  assert.is(status, 3, `${words}: ${stderr}`);
  assert.ok(stderr.includes(`error[write-failed]: cannot write \`${file}\`: `), stderr);
  assert.match(stderr, /the disk is full|the file is larger than is allowed here/);
  assert.equal(contentsOf(folder), before, words);
  return stderr;
}

/** Smaller than a checkpoint or an export of this network, larger than all that a run writes besides. */
const small = { largestFile: 24 };

test('a checkpoint: the ones before stay, the last good one is named, and the run can go on', async () => {
  const file = (step: number) => join(kept, `step-00000${step}.safetensors`);
  const said = await refused(`${run} --steps 8 --checkpoint ${kept} --resume`, small, file(6));
  assert.ok(said.includes(`the last good checkpoint is \`${file(4)}\``), said);
  assert.is(good(newestCheckpoint(kept, manifest().model))?.file, file(4));
  await succeeding(`${run} --steps 8 --checkpoint ${kept} --resume`);
  assert.is(good(newestCheckpoint(kept, manifest().model))?.file, file(8));
});

const manifest = (): { model: string } => JSON.parse(readFileSync(join(bundle, 'manifest.json'), 'utf8'));

test('an export, and the table of names', async () => {
  const [onnx, names] = [inFolder('net.onnx'), inFolder('names.json')];
  const last = `--weights ${join(kept, 'step-000008.safetensors')}`;
  await succeeding(`export ${bundle} ${last} -o ${onnx} --names ${names}`);
  await refused(`export ${bundle} ${last} -o ${onnx}`, small, onnx);
  await refused(`export ${bundle} --names ${names}`, { largestFile: 1 }, names);
});

test('a bundle that is compiled anew', async () => {
  await refused(`${compile} --set side=32 -o ${bundle}`, { largestFile: 4 }, bundle);
});

test('masks and pictures', async () => {
  const last = weights.replace('000004', '000008');
  const evaluate = `evaluate ${bundle} ${last} --data ${data} --split train`;
  for (const [words, name] of [
    [`predict ${bundle} ${image} ${last} -o`, 'mask.png'],
    [`predict ${bundle} ${image} ${last} -o`, 'mask.tif'],
    [`${evaluate} --overlay`, 'overlay.png'],
  ] as const) {
    symlinkSync('/dev/full', inFolder(name));
    await refused(`${words} ${inFolder(name)}`, {}, inFolder(name));
  }
});

test('the loss curve, when the weights are safe', async () => {
  const before = readdirSync(kept);
  const { status, stderr } = await unetc(`${run} --steps 12 --resume --checkpoint ${kept} --curve /dev/full`);
  assert.is(status, 3);
  assert.match(stderr, /cannot write `\/dev\/full`: the disk is full/);
  assert.ok(
    readdirSync(kept).includes('step-000012.safetensors') && !before.includes('step-000012.safetensors'),
  );
});

test('the lines of --json: the run ends in order, with a checkpoint', async () => {
  const directory = inFolder('unheard');
  const words = `${run} --steps 2000 --checkpoint ${directory}`;
  const { status, stderr } = await unetc(words, { stdout: '/dev/full' });
  assert.is(status, 3);
  assert.match(stderr, /cannot write `standard output`: the disk is full/);
  const step = good(newestCheckpoint(directory, manifest().model))?.checkpoint.step ?? 0;
  assert.ok(step > 0 && step < 2000, `${step}`);
  const short = await unetc('check examples/coastline.unet --json', { stdout: '/dev/full' });
  assert.is(short.status, 3, short.stderr);
});

test.run();
