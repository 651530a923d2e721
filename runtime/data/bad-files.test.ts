/** Images and labels as they come in practice: each is read rightly or refused, with its file and a reason. */
import { cpSync, mkdirSync, readFileSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { range } from '../../ir/box.ts';
import type { Diagnostic } from '../../ir/diagnostics/diagnostic.ts';
import { table } from '../../ir/diagnostics/table.ts';
import { npyFile } from '../tests/npy-file.ts';
import { codesOf, emptyDirectory, good, messagesOf, present } from '../tests/test-data.ts';
import { tiffOf } from '../tests/tiff-file.ts';
import { checkData } from './check-data.ts';
import { openData } from './open-data.ts';
import { readRectangle } from './raster.ts';
import { readLabels } from './read-window.ts';
import { plainWindow } from './sample-window.ts';

const [height, width] = [40, 32];

type Maker = (path: string) => Promise<unknown> | unknown;

const numbers = (channels: number): Uint8Array =>
  Uint8Array.from({ length: height * width * channels }, (_, i) => (i * 37) % 251);

const picture = (channels: 1 | 2 | 3 | 4, space = channels < 3 ? 'b-w' : 'srgb') =>
  sharp(numbers(channels), { raw: { height, width, channels } }).toColourspace(space);

const rgb: Maker = (path) => picture(3).toFile(path);

const bits = Uint8Array.from({ length: height * width }, (_, i) => i % 2);
const classes: Maker = (path) =>
  sharp(bits, { raw: { height, width, channels: 1 } })
    .toColourspace('b-w')
    .toFile(path);

const cut =
  (make: Maker): Maker =>
  async (path) => {
    await make(path);
    truncateSync(path, Math.floor(readFileSync(path).length / 2));
  };

const bytes =
  (content: string | Uint8Array): Maker =>
  (path) =>
    writeFileSync(path, content);

const deepClasses = (values: readonly number[]): Maker => {
  const deep = Uint16Array.from({ length: height * width }, (_, i) => values[i % values.length] ?? 0);
  return (path) =>
    sharp(deep, { raw: { height, width, channels: 1 } })
      .toColourspace('grey16')
      .toFile(path);
};

/** One chunk of the fixture cut off. */
const cutZarr: Maker = (path) => {
  const array = fileURLToPath(new URL('cases/zarr/v3-shards.zarr', import.meta.url));
  cpSync(array, path, { recursive: true });
  truncateSync(join(path, 'c/0/0'), 21);
};

const tiles = (tags: Readonly<Record<number, readonly number[]>>): Maker =>
  bytes(tiffOf([new Uint8Array(256)], { 256: [width], 257: [height], 258: [8], 262: [1], ...tags }));

const needs = { channels: 3, classes: 2, extents: [16, 16], batch: 1 };

type Case = {
  readonly image?: readonly [file: string, make: Maker];
  readonly label?: readonly [file: string, make: Maker];
  readonly code: Diagnostic['code'];
  readonly says: RegExp;
};

const cases: Readonly<Record<string, Case>> = {
  'PNG cut off': { image: ['a.png', cut(rgb)], code: 'image-unreadable', says: /a\.png`: .*png/ },
  'JPEG cut off': { image: ['a.jpg', cut(rgb)], code: 'image-unreadable', says: /a\.jpg`: .*premature end/i },
  'WebP cut off': { image: ['a.webp', cut(rgb)], code: 'image-unreadable', says: /a\.webp/ },
  'striped TIFF cut off': {
    image: ['a.tif', cut((path) => picture(3).tiff({ compression: 'lzw' }).toFile(path))],
    code: 'image-unreadable',
    says: /a\.tif`: it ends after/,
  },
  'tiled TIFF cut off': {
    image: ['a.tif', cut((path) => picture(3).tiff({ compression: 'deflate', tile: true }).toFile(path))],
    code: 'image-unreadable',
    says: /a\.tif`: it ends after/,
  },
  'nothing in the file': { image: ['a.png', bytes('')], code: 'image-unreadable', says: /a\.png/ },
  'a text': { image: ['a.jpg', bytes('no picture')], code: 'image-unreadable', says: /unsupported image/ },
  'a folder': { image: ['a.png', (path) => mkdirSync(path)], code: 'image-unreadable', says: /not a file/ },
  'a link to nowhere': {
    image: ['a.png', (path) => symlinkSync('/no/such/file', path)],
    code: 'image-unreadable',
    says: /no such file/,
  },
  'TIFF with tiles of 2^31 pixels a side': {
    image: ['a.tif', tiles({ 322: [2 ** 31], 323: [2 ** 31] })],
    code: 'image-unreadable',
    says: /tile size out of range/,
  },
  'TIFF with tiles of 65536 pixels a side': {
    image: ['a.tif', tiles({ 322: [2 ** 16], 323: [2 ** 16], 259: [8] })],
    code: 'image-unreadable',
    says: /tile size out of range/,
  },
  'TIFF that claims more tiles than it has': {
    image: ['a.tif', tiles({ 256: [2 ** 31], 257: [2 ** 31] })],
    code: 'image-unreadable',
    says: /it has 1 of \d+ blocks/,
  },
  'TIFF with 2^31 channels': {
    image: ['a.tif', tiles({ 277: [2 ** 31] })],
    code: 'image-unreadable',
    says: /a\.tif/,
  },
  'NPY cut off': {
    image: ['a.npy', cut(bytes(npyFile('|u1', [height, width, 3], numbers(3))))],
    code: 'image-unreadable',
    says: /it has \d+ of \d+ bytes/,
  },
  'NPY whose header claims more': {
    image: ['a.npy', bytes(npyFile('|u1', [60_000, 60_000, 3], numbers(3)))],
    code: 'image-unreadable',
    says: /it has \d+ of 10800000128 bytes/,
  },
  'NPY of 64-bit floats': {
    image: ['a.npy', bytes(npyFile('<f8', [height, width], new Uint8Array(height * width * 8)))],
    code: 'image-format-unknown',
    says: /holds <f8 numbers/,
  },
  'CMYK JPEG': {
    image: ['a.jpg', (path) => picture(3).toColourspace('cmyk').jpeg().toFile(path)],
    code: 'image-colours-unknown',
    says: /a\.jpg` holds cmyk colours/,
  },
  'a picture that EXIF turns': {
    image: ['a.jpg', (path) => picture(3).withMetadata({ orientation: 6 }).toFile(path)],
    code: 'image-turned',
    says: /orientation 6/,
  },
  'gray for RGB': {
    image: ['a.png', (path) => picture(1).toFile(path)],
    code: 'image-channels-differ',
    says: /has 1 channels, and the input of the network takes 3/,
  },
  'gray with alpha': {
    image: ['a.png', (path) => picture(2).toFile(path)],
    code: 'image-channels-differ',
    says: /has 2 channels/,
  },
  'RGB with alpha': {
    image: ['a.png', (path) => picture(4).toFile(path)],
    code: 'image-channels-differ',
    says: /has 4 channels/,
  },
  'smaller than the window': {
    image: ['a.png', (path) => picture(3).resize(20, 12, { fit: 'fill' }).toFile(path)],
    label: [
      'a.png',
      (path) =>
        sharp(bits.slice(0, 240), { raw: { height: 12, width: 20, channels: 1 } })
          .toColourspace('b-w')
          .toFile(path),
    ],
    code: 'image-too-small',
    says: /area of 12 x 20, smaller than the window of 16 x 16/,
  },
  'a label of another size': {
    label: ['a.png', (path) => picture(1).resize(31, 40, { fit: 'fill' }).toFile(path)],
    code: 'label-size-differs',
    says: /is 31 x 40, and its image .* is 32 x 40/,
  },
  'a label in a palette': {
    label: ['a.png', (path) => picture(3).png({ palette: true }).toFile(path)],
    code: 'label-not-gray',
    says: /has 3 channels/,
  },
  'a label out of range': {
    label: ['a.png', (path) => picture(1).toFile(path)],
    code: 'label-value-unknown',
    says: /has the value 37 at x = 1, y = 0, which is none of the 2 classes/,
  },
  'a 16-bit label out of range': {
    label: ['a.png', deepClasses([0, 1, 1000])],
    code: 'label-value-unknown',
    says: /has the value 1000 at x = 2, y = 0/,
  },
  'a label of floats': {
    label: ['a.npy', bytes(npyFile('<f4', [height, width], new Float32Array(height * width)))],
    code: 'label-not-whole',
    says: /a\.npy` holds floats/,
  },
  'a label in Zarr with a chunk cut off': {
    label: ['a.zarr', cutZarr],
    code: 'image-unreadable',
    says: /labels\/a\.zarr`: chunk \d\/\d of .* cannot be decoded/,
  },
  'a label cut off': { label: ['a.png', cut(classes)], code: 'image-unreadable', says: /labels\/a\.png/ },
};

async function folderWith({ image, label }: Pick<Case, 'image' | 'label'>): Promise<string> {
  const folder = emptyDirectory();
  for (const [kind, file, make] of [
    ['images', ...(image ?? ['a.png', rgb])],
    ['labels', ...(label ?? ['a.png', classes])],
  ] as const) {
    const path = join(folder, kind, file);
    mkdirSync(dirname(path), { recursive: true });
    await make(path);
  }
  return folder;
}

for (const [name, { code, says, ...files }] of Object.entries(cases))
  test(name, async () => {
    const data = await openData(await folderWith(files));
    const checked = data.ok ? checkData(data.value, 'train', needs) : data;
    assert.ok(codesOf(checked).includes(code), `${codesOf(checked)}: ${messagesOf(checked)}`);
    assert.match(messagesOf(checked), says);
    // The exit code of the program: the input is wrong.
    assert.is(table[code].exit ?? 1, 1);
  });

test('what may look odd and is fine: 16-bit labels that are mapped, an alpha channel that is asked for', async () => {
  const folder = await folderWith({
    image: ['a.png', (path) => picture(4).toFile(path)],
    label: ['a.png', deepClasses([0, 1000, 65535])],
  });
  const pairs = [{ image: 'images/a.png', label: 'labels/a.png' }];
  writeFileSync(join(folder, 'data.json'), JSON.stringify({ pairs, labels: { 0: 0, 1000: 1, 65535: null } }));
  const data = good(await openData(folder));
  assert.ok(checkData(data, 'train', { ...needs, channels: 4 }).ok);
  const box = [range(0, 1), range(0, 4)];
  assert.equal([...(await readLabels(data, plainWindow(0, box), [1, 4], box))], [0, 1, 255, 0]);
  const { image } = present(data.pairs[0]);
  const pixels = await readRectangle(image, range(0, height), range(0, width));
  assert.equal([...pixels], [...numbers(4)]);
});

test('images of unequal size, each as large as the window or larger, are one data set', async () => {
  const folder = await folderWith({});
  const small = { raw: { height: 16, width: 16, channels: 1 } } as const;
  await picture(3).resize(16, 16, { fit: 'fill' }).toFile(join(folder, 'images/b.png'));
  await sharp(bits.slice(0, 256), small).toColourspace('b-w').toFile(join(folder, 'labels/b.png'));
  const data = good(await openData(folder));
  assert.ok(checkData(data, 'train', needs).ok);
  assert.equal(
    data.pairs.map(({ image }) => [image.height, image.width]),
    [
      [40, 32],
      [16, 16],
    ],
  );
});

test.run();
