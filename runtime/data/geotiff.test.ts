/** Another reader of TIFF, `geotiff`, sees the same pixels as ours does, and the places of our masks. */
import { join } from 'node:path';
import { fromFile } from 'geotiff';
import sharp, { type TiffOptions } from 'sharp';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { range } from '../../ir/box.ts';
import { createTiff, type RawTag } from '../files/tiff-writer.ts';
import { emptyDirectory, good, smooth } from '../tests/test-data.ts';
import { decode } from './decode.ts';
import { readRectangle } from './raster.ts';

const folder = emptyDirectory();
const [height, width] = [150, 170];

/** Of the rectangle, by the other reader. */
async function theirs(
  path: string,
  left: number,
  top: number,
  right: number,
  bottom: number,
): Promise<number[]> {
  const tiff = await fromFile(path);
  const image = await tiff.getImage();
  const pixels = await image.readRasters({ window: [left, top, right, bottom], interleave: true });
  tiff.close();
  return Array.from({ length: pixels.length }, (_, i) => Number(pixels[i]));
}

for (const [name, deep, options] of [
  ['plain', false, { compression: 'none' }],
  ['lzw', false, { compression: 'lzw', predictor: 'horizontal' }],
  ['deflate', true, { compression: 'deflate', predictor: 'horizontal' }],
  ['big', true, { compression: 'lzw', bigtiff: true }],
] as const satisfies readonly (readonly [string, boolean, TiffOptions])[])
  test(`tiles, ${name}`, async () => {
    const length = height * width * 3;
    const value = (i: number) => smooth(Math.floor(i / 3 / width), Math.floor(i / 3) % width, i % 3);
    const pixels = deep
      ? Uint16Array.from({ length }, (_, i) => value(i) * 257)
      : Uint8Array.from({ length }, (_, i) => value(i));
    const path = join(folder, `${name}.tif`);
    await sharp(pixels, { raw: { height, width, channels: 3 } })
      .toColourspace(deep ? 'rgb16' : 'srgb')
      .tiff({ ...options, tile: true, tileWidth: 64, tileHeight: 48 })
      .toFile(path);
    const raster = good(await decode(path, { cache: folder }));
    assert.is(raster.path, path);
    const ours = await readRectangle(raster, range(40, 150), range(60, 131));
    assert.equal([...ours], await theirs(path, 60, 40, 131, 150));
  });

test('a mask of ours lies where it says', async () => {
  const doubles = (tag: number, ...values: number[]): RawTag => {
    return { tag, type: 12, count: values.length, bytes: new Uint8Array(Float64Array.from(values).buffer) };
  };
  const keys = Uint16Array.of(1, 1, 0, 1, 3072, 0, 1, 32633);
  const path = join(folder, 'mask.tif');
  const writer = good(
    createTiff(path, {
      ...{ width, height, channels: 1 },
      tags: [
        doubles(33550, 10, 10, 0),
        doubles(33922, 0, 0, 0, 500_000, 5_300_000, 0),
        { tag: 34735, type: 3, count: keys.length, bytes: new Uint8Array(keys.buffer) },
      ],
    }),
  );
  const classes = Uint8Array.from({ length: width * height }, (_, i) => (i * i) % 7);
  good(await writer.push(classes));
  good(await writer.close());
  const tiff = await fromFile(path);
  const image = await tiff.getImage();
  assert.equal(image.getBoundingBox(), [500_000, 5_300_000 - 10 * height, 500_000 + 10 * width, 5_300_000]);
  assert.is(image.getGeoKeys()?.ProjectedCSTypeGeoKey, 32633);
  tiff.close();
  assert.equal(await theirs(path, 0, 0, width, height), [...classes]);
});

test.run();
