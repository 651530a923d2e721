import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import * as fc from 'fast-check';
import sharp from 'sharp';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { codesOf, emptyDirectory, good } from '../tests/test-data.ts';
import { createPng } from './png.ts';

const directory = emptyDirectory();
const path = join(directory, 'x.png');

async function writeRows(pixels: Uint8Array, width: number, height: number, channels: 1 | 3, rows: number) {
  const writer = good(createPng(path, { width, height, channels }));
  const stride = width * channels;
  for (let row = 0; row < height; row += rows)
    good(await writer.push(pixels.subarray(row * stride, (row + rows) * stride)));
  return writer;
}

test('another decoder reads what was written, however many rows come at a time', async () => {
  const picture = fc.record({
    width: fc.integer({ min: 1, max: 40 }),
    height: fc.integer({ min: 1, max: 40 }),
    channels: fc.constantFrom(1, 3),
    rows: fc.integer({ min: 1, max: 50 }),
    seed: fc.nat(),
  });
  await fc.assert(
    fc.asyncProperty(picture, async ({ width, height, channels, rows, seed }) => {
      const count = channels === 1 ? 1 : 3;
      const pixels = Uint8Array.from(
        { length: width * height * count },
        (_, i) => ((i + seed) * 2654435761) >>> 13,
      );
      good(await (await writeRows(pixels, width, height, count, rows)).close());
      const image = sharp(path, { failOn: 'warning' });
      const { data, info } = await (count === 1 ? image.toColourspace('b-w') : image)
        .raw()
        .toBuffer({ resolveWithObject: true });
      assert.equal([info.width, info.height, info.channels], [width, height, count]);
      assert.ok(data.equals(pixels));
    }),
    { numRuns: 60 },
  );
});

test('a large one: memory does not grow with the picture', async () => {
  const [width, height, band] = [20_000, 10_000, 50];
  const rows = Uint8Array.from({ length: width * band }, (_, i) => i * i);
  const before = process.memoryUsage.rss();
  let most = 0;
  const writer = good(createPng(path, { width, height, channels: 1 }));
  for (let row = 0; row < height; row += band) {
    good(await writer.push(rows));
    most = Math.max(most, process.memoryUsage.rss() - before);
  }
  good(await writer.close());
  assert.ok(most < (width * height) / 2, `${most} bytes for a picture of ${width * height}`);
  const last = { left: width - 9, top: height - 1, width: 9, height: 1 };
  const pixels = await sharp(path).toColourspace('b-w').extract(last).raw().toBuffer();
  assert.equal([...pixels], [...rows.slice(-9)]);
});

test('the file appears only when it is complete', async () => {
  const name = join(directory, 'late.png');
  const writer = good(createPng(name, { width: 2, height: 2, channels: 1 }));
  good(await writer.push(Uint8Array.of(1, 2)));
  assert.not.ok(existsSync(name));
  writer.abandon();
  assert.equal(
    readdirSync(directory).filter((file) => file.startsWith('late')),
    [],
  );
});

test('where it cannot be written is a diagnostic', async () => {
  assert.equal(codesOf(createPng('/no/such/place/x.png', { width: 1, height: 1, channels: 1 })), [
    'write-failed',
  ]);
});

test('rows that are missing or too many are our own bug', async () => {
  const writer = good(createPng(join(directory, 'bug.png'), { width: 2, height: 2, channels: 1 }));
  assert.throws(() => writer.push(Uint8Array.of(1, 2, 3)), /3 bytes for rows of 2/);
  assert.throws(() => writer.close(), /0 rows instead of 2/);
  writer.abandon();
});

test.run();
