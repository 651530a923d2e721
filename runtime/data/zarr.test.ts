/** Arrays that zarr-python 3.1 wrote (`scripts/zarr-fixtures.py`), and the same when they are damaged. */
import { cpSync, readFileSync, rmSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { range } from '../../ir/box.ts';
import { codesOf, emptyDirectory, good, messagesOf, smooth } from '../tests/test-data.ts';
import { decode } from './decode.ts';
import { openData } from './open-data.ts';
import { type Raster, readRectangle } from './raster.ts';

const arrays = fileURLToPath(new URL('cases/zarr', import.meta.url));
const [height, width] = [13, 11];
const cache = emptyDirectory();
const open = (path: string) => decode(path, { cache });

const inRange = fc.tuple(fc.nat(height), fc.nat(height), fc.nat(width), fc.nat(width));

for (const [name, channels, element, stored] of [
  ['v2-blosc', 3, 'u8', (value: number) => value],
  ['v2-fortran', 3, 'u8', (value: number) => value],
  ['v3-zstd', 1, 'f32', (value: number) => value / 8],
  ['v3-blosc-big', 3, 'u16', (value: number) => value * 257],
  ['v3-channels-first', 3, 'u8', (value: number) => value],
  ['v3-shards', 1, 'u8', (value: number) => Number(value > 127)],
  ['v3-transposed', 3, 'u8', (value: number) => value],
] as const)
  test(`${name}: any rectangle`, async () => {
    const raster = good(await open(join(arrays, `${name}.zarr`)));
    assert.equal([raster.height, raster.width, raster.channels], [height, width, channels]);
    assert.is(raster.element, element);
    await fc.assert(
      fc.asyncProperty(inRange, async ([a, b, c, d]) => {
        const [rows, columns] = [
          range(Math.min(a, b), Math.max(a, b)),
          range(Math.min(c, d), Math.max(c, d)),
        ];
        const pixels = await readRectangle(raster, rows, columns);
        const cells = (rows.to - rows.from) * (columns.to - columns.from);
        const across = columns.to - columns.from;
        const expected = Array.from({ length: cells * channels }, (_, i) => {
          const cell = Math.floor(i / channels);
          return stored(
            smooth(rows.from + Math.floor(cell / across), columns.from + (cell % across), i % channels),
          );
        });
        assert.equal([...pixels], expected);
      }),
      { numRuns: 30, examples: [[[0, height, 0, width]]] },
    );
  });

/** A copy of one of the arrays, changed. */
function spoilt(name: string, spoil: (folder: string) => void): string {
  const folder = join(emptyDirectory(), `${name}.zarr`);
  cpSync(join(arrays, `${name}.zarr`), folder, { recursive: true });
  spoil(folder);
  return folder;
}

const whole = (raster: Raster) => readRectangle(raster, range(0, height), range(0, width));

for (const [name, chunk, says] of [
  ['v2-blosc', '1.1.0', /chunk 1\/1\/0 of .*cannot be decoded/],
  ['v2-fortran', '1.1.0', /chunk 1\/1\/0 of .*has 21 of 40 bytes/],
  ['v3-zstd', 'c/1/1', /chunk 1\/1 of .*cannot be decoded/],
  ['v3-channels-first', 'c/0/1/1', /chunk 0\/1\/1 of .*cannot be decoded/],
  ['v3-shards', 'c/0/0', /chunk \d\/\d of .*cannot be decoded/],
] as const)
  test(`${name}: a chunk that was cut off is an error, not pixels`, async () => {
    const folder = spoilt(name, (array) => truncateSync(join(array, chunk), 21));
    const raster = good(await open(folder));
    await whole(raster).then(
      () => assert.unreachable(),
      (error) => assert.match(String(error), says),
    );
  });

test('a chunk that is not there holds the fill value, as the format has it', async () => {
  const folder = spoilt('v2-blosc', (array) => rmSync(join(array, '0.0.0')));
  const pixels = await whole(good(await open(folder)));
  assert.is(pixels[0], 0);
  assert.is(pixels[width * 5 * 3], smooth(5, 0, 0));
});

test('a chunk, or the description, that is written to after the array was opened is not read', async () => {
  for (const file of ['0.0.0', '.zarray']) {
    const folder = spoilt('v2-blosc', () => undefined);
    const raster = good(await open(folder));
    const later = Date.now() / 1000 + 5;
    utimesSync(join(folder, file), later, later);
    await whole(raster).then(
      () => assert.unreachable(),
      (error) => assert.match(String(error), /was changed while in use/),
    );
  }
});

const described = (folder: string, change: (text: string) => string): void => {
  const file = join(folder, 'zarr.json');
  writeFileSync(file, change(readFileSync(file, 'utf8')));
};

test('descriptions that are no image', async () => {
  for (const [name, change, code, says] of [
    ['v3-zstd', (text: string) => text.slice(0, 100), 'image-unreadable', /JSON/i],
    [
      'v3-zstd',
      (text: string) => text.replace('float32', 'float64'),
      'image-format-unknown',
      /holds float64 numbers/,
    ],
    [
      'v3-transposed',
      (text: string) => text.replace(/"shape": \[[^\]]*\]/, '"shape": [1, 13, 11, 3]'),
      'image-unreadable',
      /its shape is \(1, 13, 11, 3\)/,
    ],
    [
      'v3-zstd',
      (text: string) => text.replace(/"chunk_shape": \[[^\]]*\]/, '"chunk_shape": [60000, 60000]'),
      'image-unreadable',
      /chunks of 60000 x 60000 are too large/,
    ],
  ] as const) {
    const opened = await open(spoilt(name, (folder) => described(folder, change)));
    assert.equal(codesOf(opened), [code], says.source);
    assert.match(messagesOf(opened), says);
  }
  assert.match(messagesOf(await open(join(arrays, 'group.zarr'))), /a group of arrays.*scene\.zarr\/0/);
  assert.ok((await open(join(arrays, 'group.zarr', '0'))).ok);
});

test('images and labels; what labels hold is looked at again when a chunk was written to', async () => {
  const folder = emptyDirectory();
  cpSync(join(arrays, 'v2-blosc.zarr'), join(folder, 'images/a.zarr'), { recursive: true });
  cpSync(join(arrays, 'v3-shards.zarr'), join(folder, 'labels/a.zarr'), { recursive: true });
  const values = async () => [...(good(await openData(folder)).pairs[0]?.label?.values.keys() ?? [])];
  assert.equal(await values(), [0, 1]);
  // All shards gone: the fill value is all there is.
  rmSync(join(folder, 'labels/a.zarr/c'), { recursive: true });
  assert.equal(await values(), [0]);
});

test.run();
