import { join } from 'node:path';
import * as fc from 'fast-check';
import sharp from 'sharp';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { codesOf, emptyDirectory, good } from '../tests/test-data.ts';
import { linearScale, logarithmicScale, numberText, placeOn } from './axis.ts';
import { drawCurve, writeCurve } from './curve.ts';
import { glyphOf } from './glyphs.ts';
import { createMask, grayLevels } from './mask.ts';
import { writeOverlay } from './overlay.ts';
import { smoothed } from './panel.ts';
import { drawing, drawText, rasterize } from './svg.ts';

const directory = emptyDirectory();

const read = async (path: string) => sharp(path).removeAlpha().raw().toBuffer({ resolveWithObject: true });

test('round ticks around any values', () => {
  fc.assert(
    fc.property(
      fc.double({ min: -1e6, max: 1e6, noNaN: true }),
      fc.double({ min: 1e-3, max: 1e6, noNaN: true }),
      (low, span) => {
        const scale = linearScale(low, low + span, 6);
        assert.ok(scale.from <= low + 1e-6 && scale.to >= low + span - 1e-6);
        assert.ok(scale.ticks.length >= 3 && scale.ticks.length <= 10);
        assert.is(placeOn(scale, scale.from), 0);
        assert.is(placeOn(scale, scale.to), 1);
      },
    ),
  );
  assert.equal(linearScale(0, 0.68, 6).ticks, [0, 0.2, 0.4, 0.6, 0.8]);
  assert.equal(logarithmicScale(0.048, 0.7).ticks, [0.05, 0.1, 0.2, 0.5]);
});

test('numbers as people write them', () => {
  assert.equal([0, 0.05, 1200, 1234567.5, 2e-7].map(numberText), [
    '0',
    '0.05',
    '1 200',
    '1 234 567.5',
    '2e-7',
  ]);
});

test('smoothing keeps what is straight and stays between the extremes', () => {
  const samples = Array.from({ length: 40 }, (_, step) => ({ step, value: step % 2 === 0 ? 1 : 4 }));
  const smooth = smoothed(samples, 5).map(({ value }) => value);
  assert.ok(smooth.every((value) => value > 1.5 && value < 2.6));
  assert.equal(smoothed([{ step: 1, value: 0 }], 3), [{ step: 1, value: 0 }]);
});

test('text needs no font: every printable character but a few has strokes of its own', async () => {
  assert.not.match(drawCurve({ title: 'x', losses: [] }), /<text|font/);
  const printable = Array.from({ length: 94 }, (_, i) => String.fromCharCode(33 + i));
  const box = glyphOf('\u0000').path;
  assert.equal(
    printable.filter((character) => glyphOf(character).path === box),
    [...['$', '&', '@', '\\', '^', '`', '{', '}', '~']],
  );
  const svg = drawing(60, 30, drawText('I', { x: 30, y: 25, size: 20, colour: 'black' }));
  const pixels = await rasterize(svg);
  assert.is(pixels.length, 60 * 30 * 3);
  const dark = (x: number, y: number) => (pixels[(y * 60 + x) * 3] ?? 255) < 128;
  assert.ok(dark(30, 18) && dark(30, 12) && !dark(30, 28) && !dark(34, 18));
});

test('the curve of a run of any length, with losses that are not finite too', async () => {
  for (const losses of [
    [],
    [{ step: 1, value: 0.5 }],
    [
      { step: 1, value: Number.NaN },
      { step: 2, value: 3 },
    ],
    Array.from({ length: 3000 }, (_, step) => ({ step, value: Math.exp(-step / 500) })),
  ]) {
    const path = join(directory, 'curve.png');
    const scores = [{ name: 'accuracy: land', samples: losses.slice(0, 2) }];
    good(await writeCurve(path, { title: 'loss', losses }));
    const plain = (await read(path)).info;
    good(await writeCurve(path, { title: 'loss', losses, scores }));
    assert.ok((await read(path)).info.height > plain.height, 'the scores below');
    assert.not.match(drawCurve({ title: 'loss', losses }), /NaN|Infinity|undefined/);
    assert.is((await read(path)).info.width, 1440);
  }
  assert.equal(codesOf(await writeCurve('/no/such/place.png', { title: '', losses: [] })), ['write-failed']);
});

/** Columns: right 0, right 1, missed, invented, not labelled. */
const scene = {
  width: 5,
  names: ['water', 'land'],
  title: 'a test',
  scene: ({ from, to }: { from: number; to: number }) => new Float32Array(3 * (to - from) * 5).fill(100),
  predicted: ({ from, to }: { from: number; to: number }) =>
    Uint8Array.from({ length: (to - from) * 5 }, (_, i) => [0, 1, 0, 1, 0][i % 5] ?? 0),
  labelled: ({ from, to }: { from: number; to: number }) =>
    Uint8Array.from({ length: (to - from) * 5 }, (_, i) => [0, 1, 1, 0, 255][i % 5] ?? 0),
} as const;

test('errors stand out in an overlay, the scene shows through', async () => {
  const path = join(directory, 'overlay.png');
  good(await writeOverlay(path, { ...scene, height: 300 }));
  const { data, info } = await read(path);
  assert.ok(info.height > 300, 'with a legend');
  const row = Array.from({ length: 5 }, (_, x) => [
    ...data.subarray((299 * 5 + x) * 3, (299 * 5 + x) * 3 + 3),
  ]);
  assert.equal(row[0], [100, 100, 100]);
  assert.equal(row[1], [152, 136, 72]);
  assert.equal(row[2], [239, 38, 60]);
  assert.equal(row[3], [0, 229, 255]);
  assert.equal(row[4], [100, 100, 100]);
});

test('a large scene is reduced by a whole factor, means of squares', async () => {
  const path = join(directory, 'small.png');
  const tall = {
    ...scene,
    height: 1001,
    scene: scene.scene,
    predicted: scene.predicted,
    labelled: scene.predicted,
  };
  good(await writeOverlay(path, tall, { mostSide: 100 }));
  const { data, info } = await read(path);
  assert.is(info.width, 1);
  assert.equal(
    [...data.subarray(0, 3)],
    [Math.round((3 * 100 + 2 * 152) / 5), Math.round((300 + 272) / 5), 89],
  );
});

test('masks: as the labels are stored, or evenly spread', async () => {
  assert.equal([...grayLevels(2)], [0, 255]);
  assert.equal([...grayLevels(3)], [0, 128, 255]);
  assert.equal(
    [
      ...grayLevels(
        2,
        new Map([
          [7, 1],
          [9, 0],
          [10, 0],
        ]),
      ),
    ],
    [9, 7],
  );
  assert.equal([...grayLevels(3, new Map([[7, 1]]))], [0, 128, 255]);
  const path = join(directory, 'mask.png');
  const mask = good(createMask(path, { width: 2, height: 2, levels: grayLevels(2) }));
  good(await mask.push(Uint8Array.of(0, 1)));
  good(await mask.push(Uint8Array.of(1, 1)));
  good(await mask.close());
  assert.equal([...(await sharp(path).toColourspace('b-w').raw().toBuffer())], [0, 255, 255, 255]);
});

test.run();
