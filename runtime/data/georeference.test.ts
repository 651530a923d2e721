import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { range } from '../../ir/box.ts';
import { createTiff, type RawTag } from '../files/tiff-writer.ts';
import { emptyDirectory, good } from '../tests/test-data.ts';
import { stateOf } from './file-state.ts';
import { georeferenceOf } from './georeference.ts';
import { readRectangle } from './raster.ts';
import { readTiffIndex } from './tiff.ts';

const folder = emptyDirectory();

const doubles = (tag: number, ...values: number[]): RawTag => ({
  tag,
  type: 12,
  count: values.length,
  bytes: new Uint8Array(Float64Array.from(values).buffer),
});
const keys: RawTag = {
  tag: 34735,
  type: 3,
  count: 8,
  bytes: new Uint8Array(Uint16Array.of(1, 1, 0, 1, 1024, 0, 1, 2).buffer),
};
const name: RawTag = { tag: 34737, type: 2, count: 8, bytes: Uint8Array.from(Buffer.from('WGS 84|\0')) };
const tags = [doubles(33550, 0.5, 0.25, 0), doubles(33922, 3, 4, 0, 10, 50, 0), keys, name];

/** Rows in uneven pieces. */
async function write(
  path: string,
  layout: Parameters<typeof createTiff>[1],
  pixels: Uint8Array,
): Promise<void> {
  const writer = good(createTiff(path, layout));
  const stride = layout.width * layout.channels;
  for (let row = 0, step = 1; row < layout.height; row += step, step = (step * 3) % 101)
    good(await writer.push(pixels.subarray(row * stride, (row + step) * stride)));
  good(await writer.close());
}

for (const channels of [1, 3] as const)
  test(`a written TIFF of ${channels} channels is read by others and by us, with its tags`, async () => {
    const [width, height] = [501, 700];
    const pixels = Uint8Array.from({ length: width * height * channels }, (_, i) => (i * i) % 251);
    const path = join(folder, `written-${channels}.tif`);
    await write(path, { width, height, channels, tags }, pixels);
    const read = sharp(path);
    const plain = channels === 1 ? read.toColourspace('b-w') : read;
    assert.ok((await plain.raw().toBuffer()).equals(pixels));
    const index = readTiffIndex(path);
    assert.ok(index !== undefined && index.offsets.length === 6 && index.blockWidth === 256, 'tiles');
    const raster = {
      source: path,
      path,
      state: stateOf(path),
      form: 'tiff',
      offset: 0,
      width,
      height,
      channels,
      element: 'u8',
    } as const;
    assert.equal(await readRectangle(raster, range(0, height), range(0, width)), pixels);
    assert.equal(georeferenceOf(path), tags);
  });

test('the georeference of a part is moved by where it begins', async () => {
  const path = join(folder, 'written-1.tif');
  const [, ties] = georeferenceOf(path, 2, 1);
  assert.equal(ties, doubles(33922, 1, 3, 0, 10, 50, 0));
  const turned = join(folder, 'turned.tif');
  const matrix = [2, 1, 0, 100, -1, 3, 0, 200, 0, 0, 0, 0, 0, 0, 0, 1];
  await write(
    turned,
    { width: 2, height: 1, channels: 1, tags: [doubles(34264, ...matrix)] },
    Uint8Array.of(1, 2),
  );
  const moved = matrix.with(3, 100 + 2 * 5 + 7).with(7, 200 - 5 + 3 * 7);
  assert.equal(georeferenceOf(turned, 5, 7), [doubles(34264, ...moved)]);
});

test('a picture without a place has no georeference', async () => {
  const path = join(folder, 'plain.png');
  await sharp({ create: { width: 4, height: 4, channels: 3, background: 'red' } })
    .png()
    .toFile(path);
  assert.equal(georeferenceOf(path), []);
  writeFileSync(path, 'x');
  assert.equal(georeferenceOf(path), []);
  assert.is(readFileSync(path, 'utf8'), 'x');
});

test('a writer that is given up leaves nothing', async () => {
  const path = join(folder, 'given-up.tif');
  const writer = good(createTiff(path, { width: 2, height: 2, channels: 1 }));
  good(await writer.push(Uint8Array.of(1, 2)));
  writer.abandon();
  assert.throws(() => readFileSync(path), /ENOENT/);
  assert.throws(() => readFileSync(`${path}.tmp`), /ENOENT/);
});

test.run();
