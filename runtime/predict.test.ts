import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { at, type Box, range } from '../ir/box.ts';
import type { Result } from '../ir/diagnostics/diagnostic.ts';
import { success } from '../ir/diagnostics/diagnostic.ts';
import { type Bundle, openBundle } from './bundle.ts';
import type { Data } from './data/data.ts';
import { noAugment } from './data/data-file.ts';
import { decode } from './data/decode.ts';
import type { Raster } from './data/raster.ts';
import { evaluate } from './evaluate.ts';
import { predict } from './predict.ts';
import type { Progress } from './progress.ts';
import { tinyPrediction } from './tests/tiny-plan.ts';
import { writeTinyBundle } from './tests/tiny-segments.ts';
import { valueIn } from './tests/with-devices.ts';

/** Class 1 where a pixel is not black: logits are 0 and the pixel. */
const weights = new Map([['w', Float32Array.of(0, 1)]]);

type Scene = { readonly folder: string; readonly image: Raster; readonly label: Raster };

const height = 9;
const width = 6;
const pixels = Uint8Array.from({ length: height * width }, (_, i) => ((i * 5) % 7 < 3 ? 0 : 200));
const truth = pixels.map((v) => Number(v > 0));
/** The first two rows are not labelled, and one pixel is labelled wrongly. */
const labels = truth.map((v, i) => (i < 2 * width ? 255 : i === 20 ? 1 - v : v));

async function withScene(body: (scene: Scene) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'unetc-test-'));
  const write = async (name: string, data: Uint8Array): Promise<Raster> => {
    const path = join(folder, name);
    await sharp(data, { raw: { width, height, channels: 1 } })
      .toColourspace('b-w')
      .png()
      .toFile(path);
    return valueIn(await decode(path, { cache: folder }));
  };
  try {
    await body({ folder, image: await write('image.png', pixels), label: await write('label.png', labels) });
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** A bundle for images of the given extents, in rows of tiles. */
async function bundleFor(
  folder: string,
  extents: readonly number[],
  cuts: readonly number[],
  devices: number,
) {
  const place = join(folder, `bundle-${extents.join('x')}`);
  await writeTinyBundle(tinyPrediction({ extents: [at(extents, 0), at(extents, 1)], cuts, devices }), place);
  return openBundle(place);
}

const grayOf = async (path: string): Promise<Uint8Array> =>
  new Uint8Array(await sharp(path).toColourspace('b-w').raw().toBuffer());

for (const [cuts, devices] of [
  [[0, 9], 1],
  [[0, 2, 3, 7, 9], 2],
] as const)
  test(`${cuts.length - 1} tiles on ${devices} devices give the mask of the whole image`, () =>
    withScene(async ({ folder, image }) => {
      const bundle = valueIn(await bundleFor(folder, [height, width], cuts, devices));
      const mask = join(folder, 'mask.png');
      const seen: Progress[] = [];
      const done = await predict(bundle, { weights, image, mask, onProgress: (p) => seen.push(p) });
      assert.equal(done, success(true));
      assert.equal(await grayOf(mask), truth);
      assert.equal(
        seen.map((p) => `${p.done}/${p.total}`),
        cuts.slice(1).map((_, i) => `${i + 1}/${cuts.length - 1}`),
      );
    }));

test('classes are written in the colours that are asked for', () =>
  withScene(async ({ folder, image }) => {
    const bundle = valueIn(await bundleFor(folder, [height, width], [0, 4, 9], 1));
    const mask = join(folder, 'mask.png');
    const palette = [
      [10, 20, 30],
      [40, 50, 60],
    ];
    valueIn(await predict(bundle, { weights, image, mask, palette }));
    const colours = new Uint8Array(await sharp(mask).raw().toBuffer());
    assert.equal(colours, Uint8Array.from([...truth].flatMap((v) => at(palette, v))));
  }));

test('a stopped prediction leaves no file', () =>
  withScene(async ({ folder, image }) => {
    const bundle = valueIn(await bundleFor(folder, [height, width], [0, 4, 9], 1));
    const options = { weights, image, mask: join(folder, 'mask.png'), stop: AbortSignal.abort() };
    assert.equal(await predict(bundle, options), success(false));
    assert.not((await readdir(folder)).some((name) => name.startsWith('mask')));
  }));

test('an image of another size is refused', () =>
  withScene(async ({ folder, image }) => {
    const bundle = valueIn(await bundleFor(folder, [8, width], [0, 8], 1));
    const done = await predict(bundle, { weights, image, mask: join(folder, 'mask.png') });
    assert.not(done.ok);
    assert.equal(done.ok || done.diagnostics.map(({ code }) => code), ['image-size-differs']);
  }));

test('a split is scored on all its areas, of any sizes, without the pixels that are not labelled', () =>
  withScene(async ({ folder, image, label }) => {
    const boxes: Box[] = [
      [range(0, 3), range(0, 6)],
      [range(3, 6), range(0, 6)],
      [range(6, 9), range(2, 6)],
    ];
    const data: Data = {
      pairs: [{ name: 'scene', image, label: { raster: label, values: new Map() } }],
      splits: new Map([['test', boxes.map((box) => ({ pair: 0, box }))]]),
      augment: noAugment,
    };
    const asked: string[] = [];
    const result = await evaluate({
      data,
      split: 'test',
      weights,
      bundleFor: (extents): Promise<Result<Bundle>> => {
        asked.push(extents.join('x'));
        return bundleFor(folder, extents, [0, 1, 3], 2);
      },
    });
    const { pixels: counted, accuracy, confusion } = valueIn(result);
    assert.equal(asked, ['3x6', '3x4']);
    assert.is(counted, 6 + 18 + 12);
    assert.is(accuracy, (counted - 1) / counted);
    assert.is(confusion.classes, 2);
  }));

test.run();
