/**
 * Data and bundles as they should not be: each a diagnostic and its exit code, found before a device starts
 * where it can be. The kinds of bad files are in `runtime/data/bad-files.test.ts`; here is what a user sees.
 */
import { spawnSync } from 'node:child_process';
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { dataDirectory, type Picture } from '../runtime/tests/test-data.ts';
import { program, root, succeeding, unetc } from './support/command-line.ts';

const folder = mkdtempSync(join(tmpdir(), 'unetc-test-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

const bundle = join(folder, 'coastline.plan');
await succeeding(
  `compile examples/coastline.unet --set side=16 --set poolings=1 --devices 1 --threads 1 -o ${bundle}`,
);

const image: Picture = { height: 40, width: 32 };
const label: Picture = { ...image, channels: 1, paint: (y, x) => (y + x) % 2 };

type Case = {
  readonly name: string;
  readonly pictures: Readonly<Record<string, Picture>>;
  /** What becomes of the folder before the run. */
  readonly spoil?: (directory: string) => void;
  readonly says: RegExp;
};

const halve = (file: string) => (directory: string) => {
  const path = join(directory, file);
  truncateSync(path, Math.floor(readFileSync(path).length / 2));
};

const cases: readonly Case[] = [
  {
    name: 'a truncated PNG',
    pictures: { 'images/a.png': image, 'labels/a.png': label },
    spoil: halve('images/a.png'),
    says: /error\[image-unreadable\].*images\/a\.png/,
  },
  {
    name: 'a truncated TIFF',
    pictures: { 'images/a.tif': image, 'labels/a.png': label },
    spoil: halve('images/a.tif'),
    says: /error\[image-unreadable\].*images\/a\.tif/,
  },
  {
    name: 'a label out of range',
    pictures: {
      'images/a.png': image,
      'labels/a.png': { ...label, paint: (y, x) => (y === 7 && x === 5 ? 2 : (y + x) % 2) },
    },
    says: /error\[label-value-unknown\].*labels\/a\.png` has the value 2 at x = 5, y = 7/,
  },
  {
    name: 'an image without a label',
    pictures: { 'images/a.png': image, 'labels/a.png': label, 'images/b.png': image },
    says: /error\[pair-incomplete\].*images\/b\.png/,
  },
  {
    name: 'an image of other channels',
    pictures: { 'images/a.png': { ...image, channels: 4 }, 'labels/a.png': label },
    says: /error\[image-channels-differ\].*images\/a\.png` has 4 channels.*takes 3/,
  },
];

for (const { name, pictures, spoil, says } of cases)
  test(`${name} ends a run before it begins`, async () => {
    const directory = await dataDirectory(pictures);
    spoil?.(directory);
    const ended = await unetc(`run ${bundle} --data ${directory} --checkpoint ${join(folder, 'never')}`);
    assert.is(ended.status, 1, ended.stderr);
    assert.match(ended.stderr, says);
    assert.is(ended.stdout, '');
  });

/** A copy of the bundle, of which one file is changed. */
function spoiltBundle(name: string, spoil: (file: string) => void): string {
  const copy = join(folder, 'spoilt.plan');
  rmSync(copy, { recursive: true, force: true });
  cpSync(bundle, copy, { recursive: true });
  spoil(join(copy, name));
  return copy;
}

test('a bundle that was cut off, or whose hashes are wrong: exit 1', async () => {
  const directory = await dataDirectory({ 'images/a.png': image, 'labels/a.png': label });
  const shorter = (file: string) => truncateSync(file, readFileSync(file).length - 10);
  for (const [file, spoil, says] of [
    ['plan.json', shorter, /error\[bundle-changed\].*plan\.json/],
    ['manifest.json', shorter, /error\[bundle-damaged\].*manifest\.json/],
    ['model.unet', (path: string) => appendFileSync(path, '\n'), /error\[bundle-changed\].*model\.unet/],
  ] as const) {
    const ended = await unetc(`run ${spoiltBundle(file, spoil)} --data ${directory} --steps 1`);
    assert.is(ended.status, 1, ended.stderr);
    assert.match(ended.stderr, says);
  }
});

test('no room to decode an image: exit 3, with the file and its size announced', async () => {
  const directory = await dataDirectory({ 'images/a.png': { height: 200, width: 300 } });
  const ended = await unetc(`run ${bundle} --data ${directory} --steps 1`, { largestFile: 100 });
  assert.is(ended.status, 3, ended.stderr);
  assert.match(ended.stderr, /Decoding .*a\.png once into .*\.unetc-cache\/a\.png-.*\.tif \(\d+ KiB\)/);
  assert.match(ended.stderr, /error\[write-failed\].*\.unetc-cache/);
  assert.equal(readdirSync(join(directory, '.unetc-cache')), ['.gitignore']);
});

/** A Zarr array of two chunks without compression, of which the second is cut off. */
function cutArray(): string {
  const array = mkdtempSync(join(folder, 'array-'));
  const [height, width] = [32, 16];
  const description = {
    ...{ zarr_format: 2, shape: [height, width, 3], chunks: [16, width, 3], dtype: '|u1' },
    ...{ compressor: null, filters: null, fill_value: 0, order: 'C' },
  };
  writeFileSync(join(array, '.zarray'), JSON.stringify(description));
  writeFileSync(join(array, '0.0.0'), new Uint8Array(16 * width * 3));
  writeFileSync(join(array, '1.0.0'), new Uint8Array(100));
  return array;
}

test('output that cannot be written: exit 3, and what was there stays', async () => {
  const directory = await dataDirectory({ 'images/a.png': image, 'labels/a.png': label });
  const checkpoints = join(folder, 'file-not-folder');
  writeFileSync(checkpoints, 'mine');
  const run = await unetc(`run ${bundle} --data ${directory} --steps 1 --json --checkpoint ${checkpoints}`);
  assert.is(run.status, 3, run.stderr);
  assert.match(run.stderr, /error\[write-failed\].*file-not-folder/);
  assert.is(run.stdout, '', 'no step was made in vain');
  assert.is(readFileSync(checkpoints, 'utf8'), 'mine');
});

/** Weights that were trained for a step. */
const weights = join(folder, 'weights');
{
  const directory = await dataDirectory({ 'images/a.png': image, 'labels/a.png': label });
  await succeeding(`run ${bundle} --data ${directory} --steps 1 --checkpoint ${weights}`);
}

/** The first chunks of a PNG file of 8-bit RGB; the pixels are missing. */
function pngHeader(width: number, height: number, interlaced: boolean): Buffer {
  const chunk = (type: string, data: Buffer): Buffer => {
    const body = Buffer.concat([Buffer.from(type), data]);
    const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
    length.writeUInt32BE(data.length);
    sum.writeUInt32BE(crc32(body));
    return Buffer.concat([length, body, sum]);
  };
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 2, 0, 0, interlaced ? 1 : 0], 8);
  const signature = Buffer.from('\x89PNG\r\n\x1a\n', 'latin1');
  return Buffer.concat([signature, chunk('IHDR', header), chunk('IDAT', Buffer.of(0x78, 0x9c))]);
}

const rssOf = async (words: string): Promise<{ status: number | null; stderr: string; peak: number }> => {
  const report = join(folder, 'peak.mjs');
  writeFileSync(report, "process.on('exit', () => console.error('peak', process.resourceUsage().maxRSS));");
  const args = ['--import', report, ...program, ...words.split(' ')];
  const { status, stderr } = spawnSync(process.execPath, args, { cwd: root, encoding: 'utf8' });
  return { status, stderr, peak: Number(/peak (\d+)/.exec(stderr)?.[1]) / 1024 };
};

for (const interlaced of [false, true])
  test(`a PNG that claims 60,000 x 60,000 pixels${interlaced ? ', interlaced' : ''}: refused in bounded memory`, async () => {
    const bomb = join(folder, 'bomb.png');
    writeFileSync(bomb, pngHeader(60_000, 60_000, interlaced));
    const mask = join(folder, 'mask.png');
    const { status, stderr, peak } = await rssOf(`predict ${bundle} ${bomb} --weights ${weights} -o ${mask}`);
    assert.is(status, 1, stderr);
    assert.match(
      stderr,
      interlaced ? /error\[image-interlaced\].*bomb\.png/ : /error\[image-unreadable\].*bomb\.png/,
    );
    assert.ok(peak < 600, `${peak} MiB`);
    assert.not.ok(existsSync(mask));
  });

test('a chunk that turns out to be cut off ends a prediction: exit 3, and no mask is there', async () => {
  const mask = join(folder, 'half.png');
  const ended = await unetc(`predict ${bundle} ${cutArray()} --weights ${weights} -o ${mask}`);
  assert.is(ended.status, 3, ended.stderr);
  assert.match(ended.stderr, /chunk 1\/0\/0 of .* has 100 of 768 bytes/);
  assert.not.ok(existsSync(mask));
});

test('a mask and a network that cannot be written: exit 3', async () => {
  const directory = await dataDirectory({ 'a.png': image });
  const nowhere = join(folder, 'no-such-folder', 'file.png');
  // Neither may root write into this file system, nor a file into a file.
  const inFile = join(directory, 'a.png', 'mask.tif');
  for (const words of [
    `predict ${bundle} ${join(directory, 'a.png')} --weights ${weights} -o ${nowhere}`,
    `predict ${bundle} ${join(directory, 'a.png')} --weights ${weights} -o ${inFile}`,
    `export ${bundle} --weights ${weights} -o /proc/unetc.onnx`,
    `export ${bundle} --names ${nowhere}`,
  ]) {
    const { status, stderr } = await unetc(words);
    assert.is(status, 3, stderr);
    assert.match(stderr, /error\[write-failed\].*(no-such-folder|a\.png\/mask\.tif|\/proc\/)/);
  }
});

test.run();
