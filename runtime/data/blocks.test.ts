import { mkdirSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { deflateSync } from 'node:zlib';
import fc from 'fast-check';
import sharp, { type TiffOptions } from 'sharp';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { range } from '../../ir/box.ts';
import { npyFile } from '../tests/npy-file.ts';
import { codesOf, emptyDirectory, good, messagesOf } from '../tests/test-data.ts';
import { tiffOf } from '../tests/tiff-file.ts';
import { decode } from './decode.ts';
import { type Raster, readRectangle } from './raster.ts';
import { readTiffIndex } from './tiff.ts';

const folder = emptyDirectory();
const cache = join(folder, 'cache');
mkdirSync(cache);

const height = 75;
const width = 53;

type Values = { readonly channels: number; readonly at: (i: number) => number };

/** All of an image, and rectangles that cross blocks and touch borders, hold the values. */
async function holds(raster: Raster, { channels, at }: Values): Promise<void> {
  assert.equal([raster.height, raster.width, raster.channels], [height, width, channels]);
  const edge = fc.tuple(fc.nat(height), fc.nat(height), fc.nat(width), fc.nat(width));
  await fc.assert(
    fc.asyncProperty(edge, async ([a, b, c, d]) => {
      const [rows, columns] = [range(Math.min(a, b), Math.max(a, b)), range(Math.min(c, d), Math.max(c, d))];
      const pixels = await readRectangle(raster, rows, columns);
      let i = 0;
      for (let y = rows.from; y < rows.to; y++)
        for (let x = columns.from; x < columns.to; x++)
          for (let k = 0; k < channels; k++, i++)
            if (pixels[i] !== at((y * width + x) * channels + k)) assert.unreachable(`(${y}, ${x}, ${k})`);
      assert.is(pixels.length, i);
    }),
    { numRuns: 40, examples: [[[0, height, 0, width]], [[15, 17, 31, 33]]] },
  );
}

/** Long runs and noise: what fills the tables of LZW, and what repeats. */
const noise = (i: number): number => (i % 700 < 300 ? 7 : (Math.imul(i, 2654435761) >>> 13) & 0xffff);

const tiled: TiffOptions = { tile: true, tileWidth: 32, tileHeight: 16 };

for (const [name, channels, deep, options] of [
  ['gray', 1, false, { ...tiled, compression: 'none' }],
  ['rgb', 3, false, { ...tiled, compression: 'lzw', predictor: 'horizontal' }],
  ['rgb-lzw', 3, false, { ...tiled, compression: 'lzw', predictor: 'none' }],
  ['rgba', 4, false, { ...tiled, compression: 'deflate', predictor: 'none' }],
  ['deep', 1, true, { ...tiled, compression: 'deflate', predictor: 'horizontal' }],
  ['deep-rgb', 3, true, { ...tiled, compression: 'lzw', predictor: 'horizontal' }],
  ['wide-tile', 3, true, { tile: true, tileWidth: 64, tileHeight: 32, compression: 'none' }],
  ['wide-lzw', 3, true, { tile: true, tileWidth: 64, tileHeight: 80, compression: 'lzw' }],
  ['strips', 3, false, { compression: 'none' }],
  ['big', 1, false, { ...tiled, compression: 'lzw', bigtiff: true }],
] as const)
  test(`TIFF by blocks: ${name}`, async () => {
    const value = (i: number) => noise(i) & (deep ? 0xffff : 0xff);
    const length = height * width * channels;
    const pixels = deep
      ? Uint16Array.from({ length }, (_, i) => value(i))
      : Uint8Array.from({ length }, (_, i) => value(i));
    const image = sharp(pixels, { raw: { height, width, channels } });
    const space = channels === 1 ? (deep ? 'grey16' : 'b-w') : deep ? 'rgb16' : 'srgb';
    const path = join(folder, `${name}.tif`);
    await image.toColourspace(space).tiff(options).toFile(path);
    const raster = good(await decode(path, { cache }));
    assert.equal([raster.form, raster.element], ['tiff', deep ? 'u16' : 'u8']);
    await holds(raster, { channels, at: value });
  });

test('what is read by blocks is not decoded', () => {
  assert.equal(readdirSync(cache), []);
});

const across = Math.ceil(width / 16);
const down = Math.ceil(height / 16);
const depth = 5;
const float = (i: number): number => Math.fround(Math.sin(i) * 10 ** (i % 7));

/** The floats of a tile, row-major; `channel` alone, or all of them interleaved. */
function tileOf(number: number, channel: number | undefined): Float32Array {
  const channels = channel === undefined ? depth : 1;
  return Float32Array.from({ length: 16 * 16 * channels }, (_, i) => {
    const pixel = Math.floor(i / channels);
    const y = Math.floor(number / across) * 16 + Math.floor(pixel / 16);
    const x = (number % across) * 16 + (pixel % 16);
    return float((y * width + x) * depth + (channel ?? i % channels));
  });
}

function bytesOf(values: Float32Array, little: boolean): Buffer {
  const bytes = Buffer.from(values.slice().buffer);
  return little ? bytes : bytes.swap32();
}

/** TIFF Technical Note 3: rows of bytes, the highest of all samples first, each less the one `step` before. */
function predicted(values: Float32Array, step: number): Buffer {
  const bytes = bytesOf(values, false);
  const row = 16 * step * 4;
  const out = Buffer.alloc(bytes.length);
  for (let start = 0; start < bytes.length; start += row) {
    for (let i = 0; i < row; i++)
      out[start + (i % 4) * (row / 4) + Math.floor(i / 4)] = bytes[start + i] ?? 0;
    for (let i = row - 1; i >= step; i--)
      out[start + i] = (out[start + i] ?? 0) - (out[start + i - step] ?? 0);
  }
  return out;
}

const numbers = Array.from({ length: across * down }, (_, i) => i);
const floats = {
  256: [width],
  257: [height],
  258: Array(depth).fill(32),
  262: [1],
  277: [depth],
  339: Array(depth).fill(3),
};

for (const little of [true, false]) {
  const order = little ? 'little-endian' : 'big-endian';
  test(`five channels of floats, ${order}`, async () => {
    const path = join(folder, `floats-${order}.tif`);
    writeFileSync(
      path,
      tiffOf(
        numbers.map((n) => bytesOf(tileOf(n, undefined), little)),
        floats,
        little,
      ),
    );
    await holds(good(await decode(path, { cache })), { channels: depth, at: float });
  });
  test(`five channels apart, ${order}`, async () => {
    const path = join(folder, `apart-${order}.tif`);
    const tiles = Array.from({ length: depth }, (_, channel) =>
      numbers.map((n) => bytesOf(tileOf(n, channel), little)),
    );
    writeFileSync(path, tiffOf(tiles.flat(), { ...floats, 284: [2] }, little));
    await holds(good(await decode(path, { cache })), { channels: depth, at: float });
  });
  test(`differences of floats, deflate, ${order}`, async () => {
    const path = join(folder, `predicted-${order}.tif`);
    const tiles = numbers.map((n) => deflateSync(predicted(tileOf(n, undefined), depth)));
    writeFileSync(path, tiffOf(tiles, { ...floats, 259: [8], 317: [3] }, little));
    await holds(good(await decode(path, { cache })), { channels: depth, at: float });
  });
}

for (const [type, element, make] of [
  ['|u1', 'u8', (length: number) => Uint8Array.from({ length }, (_, i) => noise(i))],
  ['<u2', 'u16', (length: number) => Uint16Array.from({ length }, (_, i) => noise(i))],
  ['<f4', 'f32', (length: number) => Float32Array.from({ length }, (_, i) => float(i))],
] as const)
  for (const channels of [1, 5])
    test(`NPY of ${type}, ${channels} channels`, async () => {
      const path = join(folder, `${element}-${channels}.npy`);
      const values = make(height * width * channels);
      const shape = channels === 1 ? [height, width] : [height, width, channels];
      writeFileSync(path, npyFile(type, shape, values));
      const raster = good(await decode(path, { cache }));
      assert.is(raster.element, element);
      await holds(raster, { channels, at: (i) => values[i] ?? 0 });
    });

test('NPY that is no image, or ends too early', async () => {
  for (const [name, file, code, said] of [
    ['double', npyFile('<f8', [2, 2], Buffer.alloc(32)), 'image-format-unknown', /<f8/],
    ['long', npyFile('|u1', [2, 2, 2, 2], Buffer.alloc(16)), 'image-unreadable', /its shape is/],
    ['short', npyFile('|u1', [20, 20], Buffer.alloc(399)), 'image-unreadable', /of 528 bytes/],
    ['text', Buffer.from('x = 1'), 'image-unreadable', /does not begin/],
  ] as const) {
    const path = join(folder, `${name}.npy`);
    writeFileSync(path, file);
    const result = await decode(path, { cache });
    assert.equal(codesOf(result), [code], name);
    assert.match(messagesOf(result), said);
  }
});

test('a tiled TIFF that was cut off anywhere is refused, or reads as before', async () => {
  const whole = readFileSync(join(folder, 'rgb.tif'));
  const path = join(folder, 'cut.tif');
  for (let length = 0; length < whole.length; length += 97) {
    writeFileSync(path, whole);
    truncateSync(path, length);
    assert.equal(codesOf(await decode(path, { cache })), ['image-unreadable'], `${length} bytes`);
  }
});

test('a damaged block is an error, not pixels', async () => {
  const bytes = readFileSync(join(folder, 'rgba.tif'));
  const path = join(folder, 'damaged.tif');
  writeFileSync(path, bytes);
  const { offsets } = readTiffIndex(path) ?? { offsets: [] };
  bytes.fill(0xff, offsets[3], (offsets[3] ?? 0) + 20);
  writeFileSync(path, bytes);
  const raster = good(await decode(path, { cache }));
  const read = readRectangle(raster, range(0, height), range(0, width));
  await read.then(
    () => assert.unreachable(),
    (error) => assert.match(error.message, /block 3 of .*damaged\.tif/),
  );
});

test.run();
