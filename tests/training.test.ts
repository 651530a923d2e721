/** Training with all that goes on beside the steps: validation, first weights, on small images. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { georeferenceOf } from '../runtime/data/georeference.ts';
import { readCheckpoint } from '../runtime/files/checkpoint.ts';
import { encodeTensors, type Tensor } from '../runtime/files/safetensors.ts';
import { createTiff } from '../runtime/files/tiff-writer.ts';
import { npyFile } from '../runtime/tests/npy-file.ts';
import { dataDirectory, good } from '../runtime/tests/test-data.ts';
import { succeeding, unetc } from './support/command-line.ts';

const folder = mkdtempSync(join(tmpdir(), 'unetc-test-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

/** Two images of different sizes; class 1 where the first channel is bright. */
const bright = (y: number, x: number, channel: number): number => (channel === 0 ? (y * 9 + x * 5) % 256 : 0);
const land = (y: number, x: number): number => Number(bright(y, x, 0) > 127);
const data = await dataDirectory(
  {
    'a.png': { height: 40, width: 56, paint: bright },
    'b.png': { height: 24, width: 32, paint: bright },
    'a-land.png': { height: 40, width: 56, channels: 1, paint: land },
    'b-land.png': { height: 24, width: 32, channels: 1, paint: land },
  },
  {
    pairs: [
      { image: 'a.png', label: 'a-land.png' },
      { image: 'b.png', label: 'b-land.png' },
    ],
    splits: { train: ['a', 'b'], held: [{ pair: 'a', rows: [0, 24] }, 'b'] },
  },
);

const bundle = join(folder, 'coastline.plan');
await succeeding(
  `compile examples/coastline.unet --set side=16 --set poolings=1 --devices 1 --threads 1 -o ${bundle}`,
);
const run = `run ${bundle} --data ${data} --json`;

test('run --validation scores the split as evaluate does, and keeps the best weights', async () => {
  const checkpoints = join(folder, 'validated');
  const curve = join(folder, 'curve.png');
  const stdout = await succeeding(
    `${run} --steps 5 --checkpoint ${checkpoints} --validation held --validate-every 2 --curve ${curve}`,
  );
  const lines = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  const scores = lines.filter(({ validation }) => validation === 'held');
  assert.equal(
    scores.map(({ step }) => step),
    [2, 4, 5],
  );
  const best = scores.filter(({ best }) => best).at(-1);
  const file = join(checkpoints, 'best.safetensors');
  assert.is(good(readCheckpoint(file)).step, best.step);
  const evaluated = JSON.parse(
    await succeeding(`evaluate ${bundle} --data ${data} --split held --weights ${file} --json`),
  );
  assert.is(evaluated.pixels, 24 * 56 + 24 * 32);
  for (const key of ['accuracy', 'iou', 'pixels']) assert.equal(best[key], evaluated[key], key);
  assert.ok(existsSync(curve) && readFileSync(curve).length > 1000);
});

test('a split that is not there, and a rhythm of nothing, are refused before the first step', async () => {
  for (const [words, status, said] of [
    ['--validation nowhere', 1, /split-unknown.*nowhere/],
    ['--validate-every 5', 2, /`--validate-every 5`: expected a `--validation SPLIT` beside it/],
  ] as const) {
    const ended = await unetc(`${run} --checkpoint ${join(folder, 'refused')} ${words}`);
    assert.is(ended.status, status, ended.stderr);
    assert.match(ended.stderr, said);
  }
  assert.not.ok(existsSync(join(folder, 'refused')));
});

/** Trained weights as another program would keep them: other names, another order, a counter among them. */
function foreign(
  file: string,
  change: (name: string, tensor: Tensor) => [string, Tensor] | undefined,
): string {
  const { tensors } = good(readCheckpoint(join(folder, 'validated', 'best.safetensors')));
  const weights = [...tensors].filter(([name]) => !name.startsWith('adam')).toReversed();
  const renamed = weights.flatMap(([name, tensor]) => {
    const changed = change(`net.${name.replaceAll(/[[\].]+/g, '_')}`, tensor);
    return changed === undefined ? [] : [changed];
  });
  const counter: Tensor = { dtype: 'I64', dims: [], data: BigInt64Array.of(7n) };
  const all = new Map([...renamed, ['num_batches_tracked', counter] as const]);
  writeFileSync(file, Buffer.concat([...encodeTensors({ tensors: all, metadata: new Map() })]));
  return file;
}

const trainedOn = (name: string): Buffer => readFileSync(join(folder, name, 'step-000001.safetensors'));

test('weights under the names of another program, by the table that export --names writes', async () => {
  const ours = join(folder, 'validated', 'best.safetensors');
  const table = join(folder, 'names.json');
  await succeeding(`export ${bundle} --names ${table}`);
  await succeeding(
    `${run} --steps 1 --checkpoint ${join(folder, 'ours')} --init ${ours} --init-names ${table}`,
  );
  const entries: Record<string, { dims: number[]; from: string }> = JSON.parse(readFileSync(table, 'utf8'));
  assert.ok(
    Object.values(entries).some(({ dims }) => dims.join() === '2,16,1,1'),
    'the last convolution',
  );
  for (const [name, entry] of Object.entries(entries)) {
    assert.is(entry.from, name, 'every weight has its own name at first');
    entry.from = `net.${name.replaceAll(/[[\].]+/g, '_')}`;
  }
  writeFileSync(table, JSON.stringify(entries));
  const theirs = foreign(join(folder, 'theirs.safetensors'), (name, tensor) => [name, tensor]);
  const init = `--init ${theirs} --init-names ${table}`;
  const { status, stderr } = await unetc(`${run} --steps 1 --checkpoint ${join(folder, 'mapped')} ${init}`);
  assert.is(status, 0, stderr);
  assert.match(stderr, /warning\[weights-unused\].*`num_batches_tracked` \[\]$/m);
  await succeeding(`${run} --steps 1 --checkpoint ${join(folder, 'drawn')}`);
  assert.ok(trainedOn('mapped').equals(trainedOn('ours')), 'the same training');
  assert.not.ok(trainedOn('mapped').equals(trainedOn('drawn')), 'and not that of drawn weights');

  const [first = '', second = ''] = Object.values(entries).map(({ from }) => from);
  const broken = foreign(join(folder, 'broken.safetensors'), (name, tensor) =>
    name === first
      ? undefined
      : name === second
        ? [name, { ...tensor, dims: [1, ...tensor.dims] }]
        : [name, tensor],
  );
  const refused = await unetc(
    `${run} --checkpoint ${join(folder, 'no')} --init ${broken} --init-names ${table}`,
  );
  assert.is(refused.status, 1);
  assert.ok(
    refused.stderr.includes(`\`${first}\` (for \`${Object.keys(entries)[0]}\`) is missing`),
    refused.stderr,
  );
  assert.match(refused.stderr, /weights-differ.* is \[1, 16\], not \[16\]/);
  assert.match(refused.stderr, /weights-unused.*num_batches_tracked/);
});

test('predict writes a TIFF of classes, the same as the PNG, that keeps the georeference of a GeoTIFF', async () => {
  const scene = join(folder, 'scene.tif');
  const [width, height] = [40, 36];
  const tags = [{ tag: 33550, type: 12, count: 3, bytes: new Uint8Array(Float64Array.of(2, 2, 0).buffer) }];
  const writer = good(createTiff(scene, { width, height, channels: 3, tags }));
  const pixels = Uint8Array.from({ length: width * height * 3 }, (_, i) =>
    bright(Math.floor(i / 3 / width), Math.floor(i / 3) % width, i % 3),
  );
  good(await writer.push(pixels));
  good(await writer.close());
  const masks: Buffer[] = [];
  for (const name of ['mask.tif', 'mask.png']) {
    await succeeding(
      `predict ${bundle} ${scene} --weights ${join(folder, 'validated')} -o ${join(folder, name)}`,
    );
    masks.push(await sharp(join(folder, name)).toColourspace('b-w').raw().toBuffer());
  }
  const [classes, levels] = masks;
  assert.equal(
    classes?.map((one) => one * 255),
    levels,
  );
  assert.equal(georeferenceOf(join(folder, 'mask.tif')), tags);
});

test('a network is trained on numbers: floats of an NPY file, whole numbers of 16 bits', async () => {
  const model = join(folder, 'depth.unet');
  writeFileSync(
    model,
    `model depth
input image : f32[3, 16, 16] scaled by 1/255
target depth : f32[1, 16, 16]
loss mse(image |> conv(1, 1), depth)
train adam(constant(0.05)), batch = 4, steps = 60`,
  );
  const plan = join(folder, 'depth.plan');
  await succeeding(`compile ${model} --devices 1 --threads 1 -o ${plan}`);
  const depth = (i: number) => 1 + bright(Math.floor(i / 32), i % 32, 0) / 255;
  const length = 32 * 32;
  const numbers = Float32Array.from({ length }, (_, i) => depth(i));
  const directory = await dataDirectory({ 'images/a.png': { height: 32, width: 32, paint: bright } });
  mkdirSync(join(directory, 'labels'));
  for (const [file, contents] of [
    ['a.npy', npyFile('<f4', [32, 32], numbers)],
    ['a.npy', npyFile('<u2', [32, 32], Uint16Array.from(numbers))],
  ] as const) {
    writeFileSync(join(directory, 'labels', file), contents);
    const checkpoints = mkdtempSync(join(folder, 'depth-'));
    const lines = await succeeding(`run ${plan} --data ${directory} --json --checkpoint ${checkpoints}`);
    const losses = lines.split('\n').flatMap((line) => (line === '' ? [] : (JSON.parse(line).loss ?? [])));
    assert.is(losses.length, 60);
    const share = losses.at(-1) / losses[0];
    assert.ok(share < 0.05, `loss ${losses[0]} -> ${losses.at(-1)}`);
  }
  const mask = await unetc(
    `predict ${plan} ${directory}/images/a.png --weights ${join(folder, 'validated')} -o ${folder}/m.png`,
  );
  assert.is(mask.status, 1);
  assert.match(mask.stderr, /error\[classes-missing\]/);
});

test.run();
