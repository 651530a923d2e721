import { readdirSync, readFileSync, statSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { range } from '../../ir/box.ts';
import {
  codesOf,
  dataDirectory,
  emptyDirectory,
  good,
  messagesOf,
  type Paint,
  present,
  smooth,
  writePicture,
} from '../tests/test-data.ts';
import { checkData } from './check-data.ts';
import { openData, openImage } from './open-data.ts';
import { readRectangle } from './raster.ts';

const halves: Paint = (_, x) => (x < 10 ? 0 : 255);
const scene = { height: 20, width: 30 };
const mask = { height: 20, width: 30, channels: 1, paint: halves } as const;

test('folders: pairs by base name, everything is `train`', async () => {
  const directory = await dataDirectory({
    'images/a.png': scene,
    'labels/a.png': mask,
    'images/b.tif': scene,
    'labels/b.png': mask,
  });
  const data = good(await openData(directory));
  assert.equal(
    data.pairs.map(({ name }) => name),
    ['a', 'b'],
  );
  assert.equal(data.splits.get('train')?.length, 2);
  assert.equal(
    [...(data.pairs[0]?.label?.values ?? [])],
    [
      [0, { x: 0, y: 0 }],
      [255, { x: 10, y: 0 }],
    ],
  );
  assert.equal(
    [...(await readRectangle(present(data.pairs[1]).image, range(3, 4), range(5, 7)))],
    [0, 1, 2, 3, 4, 5].map((i) => smooth(3, 5 + Math.floor(i / 3), i % 3)),
  );
});

test('data.json: splits are boxes of a scene, labels are mapped', async () => {
  const directory = await dataDirectory(
    { 'scene.png': scene, 'land.png': mask },
    {
      pairs: [{ image: 'scene.png', label: 'land.png' }],
      labels: { 0: 0, 255: 1 },
      splits: { train: [{ pair: 'scene', columns: [0, 12] }], test: [{ pair: 'scene', columns: [12, 30] }] },
    },
  );
  const data = good(await openData(directory));
  assert.equal(data.splits.get('test'), [{ pair: 0, box: [range(0, 20), range(12, 30)] }]);
  assert.ok(checkData(data, 'train', { channels: 3, classes: 2, extents: [12, 12], batch: 4 }).ok);
});

test('a decoded image is used again until its source changes; its place and size are announced', async () => {
  const directory = await dataDirectory({ 'images/a.png': scene });
  const announced: (readonly [string, number])[] = [];
  const open = () =>
    openData(directory, { onDecode: ({ path, bytes }) => announced.push([path, bytes]) }).then(good);
  await open();
  await open();
  assert.is(announced.length, 1);
  const [path, bytes] = present(announced[0]);
  const tile = 32 * 32 * 3;
  assert.ok(bytes >= tile && bytes < tile + 2048);
  assert.ok(Math.abs(statSync(path).size - bytes) < 1024);
  await writePicture(join(directory, 'images/a.png'), { ...scene, paint: () => 9 });
  utimesSync(join(directory, 'images/a.png'), 1, 1);
  const { image } = present((await open()).pairs[0]);
  assert.equal([...(await readRectangle(image, range(0, 1), range(0, 1)))], [9, 9, 9]);
  const kept = readdirSync(join(directory, '.unetc-cache')).filter((name) => name.endsWith('.tif'));
  assert.is(kept.length, 1, 'the outdated one is gone');
});

test('a decoded file that was cut off is made again', async () => {
  const directory = await dataDirectory({ 'images/a.png': scene });
  const first = good(await openData(directory));
  truncateSync(first.pairs[0]?.image.path ?? '', 500);
  const again = good(await openData(directory));
  const pixels = await readRectangle(present(again.pairs[0]).image, range(0, 20), range(0, 30));
  assert.is(pixels.length, 1800);
  assert.is(pixels[0], smooth(0, 0, 0));
});

test('several openers at once agree', async () => {
  const directory = await dataDirectory({ 'images/a.png': { height: 300, width: 400 } });
  const opened = await Promise.all(Array.from({ length: 6 }, () => openData(directory)));
  const read = opened.map(async (result) => {
    const { image } = present(good(result).pairs[0]);
    return Buffer.from(await readRectangle(image, range(0, 300), range(0, 400)));
  });
  const whole = await Promise.all(read);
  assert.ok(whole.every((pixels) => pixels.equals(present(whole[0]))));
  assert.not.ok(readdirSync(join(directory, '.unetc-cache')).some((name) => name.includes('.tmp')));
});

test('16 bits stay 16 bits, gray stays one channel', async () => {
  const directory = await dataDirectory({ 'images/gray.png': { ...scene, channels: 1 } });
  const numbers = Uint16Array.from({ length: 4 * 5 * 3 }, (_, i) => i * 1000);
  await sharp(numbers, { raw: { height: 4, width: 5, channels: 3 } })
    .toColourspace('rgb16')
    .toFile(join(directory, 'images/deep.png'));
  const [deep, gray] = good(await openData(directory)).pairs.map(({ image }) => image);
  assert.is(gray?.channels, 1);
  assert.is(deep?.element, 'u16');
  assert.equal([...(await readRectangle(present(deep), range(3, 4), range(4, 5)))], [57000, 58000, 59000]);
});

test('whatever is wrong with files is named, all at once', async () => {
  const directory = await dataDirectory({
    'images/lonely.png': scene,
    'labels/astray.png': mask,
    'images/b.png': scene,
    'labels/b.png': mask,
  });
  assert.equal(codesOf(await openData(directory)), ['pair-incomplete', 'pair-incomplete']);
  const sizes = await dataDirectory({
    'images/a.png': scene,
    'labels/a.png': { ...mask, width: 31 },
    'images/c.png': scene,
    'labels/c.png': scene,
  });
  const result = await openData(sizes);
  assert.equal(codesOf(result), ['label-size-differs', 'label-not-gray']);
  assert.match(messagesOf(result), /labels\/a\.png` is 31 x 20, and its image .*images\/a\.png` is 30 x 20/);
});

test('truncated, empty and missing files', async () => {
  const directory = await dataDirectory({
    'images/cut.jpg': { height: 200, width: 300 },
    'images/cut2.png': { height: 200, width: 300 },
    'images/empty.png': scene,
  });
  for (const name of ['cut.jpg', 'cut2.png']) {
    const path = join(directory, 'images', name);
    truncateSync(path, Math.floor(statSync(path).size / 2));
  }
  writeFileSync(join(directory, 'images/empty.png'), '');
  const broken = await openData(directory);
  assert.equal(codesOf(broken), ['image-unreadable', 'image-unreadable', 'image-unreadable']);
  const none = await dataDirectory({}, { pairs: [{ image: 'nowhere.png' }] });
  assert.match(messagesOf(await openData(none)), /nowhere\.png.*no such file/);
  assert.equal(codesOf(await openData(emptyDirectory())), ['data-missing']);
  assert.equal(codesOf(await openData('/no/such/place')), ['data-missing']);
});

test('an absurdly large image is refused by its header', async () => {
  const directory = await dataDirectory({ 'images/a.png': scene });
  const path = join(directory, 'images/a.png');
  const png = readFileSync(path);
  png.writeUInt32BE(900_000, 16);
  png.writeUInt32BE(900_000, 20);
  // The header's check sum, so that the file is believed.
  png.writeUInt32BE(crc(png.subarray(12, 29)), 29);
  writeFileSync(path, png);
  assert.equal(codesOf(await openData(directory)), ['image-too-large']);
  const small = await dataDirectory({ 'images/a.png': scene });
  assert.equal(codesOf(await openData(small, { mostPixels: 599 })), ['image-too-large']);
});

function crc(bytes: Uint8Array): number {
  let value = 0xffffffff;
  for (const byte of bytes) {
    value ^= byte;
    for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  }
  return (value ^ 0xffffffff) >>> 0;
}

test('one image alone', async () => {
  const directory = await dataDirectory({ 'deep/a.b.png': scene });
  const data = good(await openImage(join(directory, 'deep/a.b.png'), { cache: directory }));
  assert.is(data.pairs[0]?.name, 'a.b');
  assert.equal(data.splits.get('all'), [{ pair: 0, box: [range(0, 20), range(0, 30)] }]);
  assert.equal(codesOf(await openImage(join(directory, 'none.png'))), ['image-unreadable']);
});

test('a picture that EXIF turns is refused', async () => {
  const directory = await dataDirectory({ 'images/a.jpg': scene });
  const turned = await sharp(join(directory, 'images/a.jpg')).withMetadata({ orientation: 6 }).toBuffer();
  writeFileSync(join(directory, 'images/a.jpg'), turned);
  assert.equal(codesOf(await openData(directory)), ['image-turned']);
});

test('what does not fit the network is named with file and pixel', async () => {
  const directory = await dataDirectory({
    'images/a.png': scene,
    'labels/a.png': { ...mask, paint: (y, x) => (y === 7 && x >= 11 ? 9 : y === 8 ? 255 : 0) },
    'images/b.png': { ...scene, channels: 4 },
    'labels/b.png': { ...mask, paint: () => 1 },
  });
  const data = good(await openData(directory));
  const labels = checkData(data, 'train', { channels: 3, classes: 2 });
  assert.equal(codesOf(labels), ['label-value-unknown', 'image-channels-differ']);
  assert.match(
    messagesOf(labels),
    /labels\/a\.png` has the value 9 at x = 11, y = 7, which is none of the 2/,
  );
  const needs = { channels: 3, extents: [16, 32], batch: 3 };
  assert.equal(codesOf(checkData(data, 'train', needs)), [
    'image-channels-differ',
    'image-too-small',
    'image-too-small',
  ]);
  const unknown = checkData(data, 'validation', { channels: 3 });
  assert.equal(codesOf(unknown), ['split-unknown']);
  assert.match(unknown.ok ? '' : (unknown.diagnostics[0]?.hint ?? ''), /train/);
});

test('a mapping has to know each value that occurs; a missing label is named', async () => {
  const directory = await dataDirectory(
    { 'a.png': scene, 'm.png': mask, 'b.png': scene },
    { pairs: [{ image: 'a.png', label: 'm.png' }, { image: 'b.png' }], labels: { 0: 3 } },
  );
  const result = checkData(good(await openData(directory)), 'train', { channels: 3, classes: 2 });
  assert.equal(codesOf(result), ['label-value-unknown', 'label-value-unknown', 'pair-incomplete']);
  assert.match(messagesOf(result), /value 0 at x = 0, y = 0, which is mapped to 3/);
  assert.match(messagesOf(result), /value 255 at x = 10, y = 0, which is not among `labels`/);
});

test('labels of one class are no training, and a mask of 0 and 255 that is not mapped is one', async () => {
  const directory = await dataDirectory({ 'images/a.png': scene, 'labels/a.png': mask });
  const data = good(await openData(directory));
  const needs = { channels: 3, classes: 2, extents: [12, 12] };
  const training = checkData(data, 'train', { ...needs, batch: 1 });
  assert.equal(codesOf(training), ['labels-all-alike']);
  assert.match(messagesOf(training), /values 0, 255, which give no two classes: 0/);
  assert.ok(checkData(data, 'train', needs).ok, 'scoring may do without');
});

test('fewer images than a batch give no step', async () => {
  const directory = await dataDirectory({ 'images/a.png': scene, 'images/b.png': scene });
  const data = good(await openData(directory));
  const needs = { channels: 3, extents: [20, 30] };
  assert.equal(codesOf(checkData(data, 'train', { ...needs, batch: 3 })), ['too-few-windows']);
  assert.ok(checkData(data, 'train', { ...needs, batch: 2 }).ok);
});

test.run();
