import * as fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { at, type Box, extents, range, wholeBox } from '../../ir/box.ts';
import { dataDirectory, good, smooth } from '../tests/test-data.ts';
import type { Data } from './data.ts';
import { noAugment } from './data-file.ts';
import { openData } from './open-data.ts';
import { readImage, readLabels } from './read-window.ts';
import { type Draw, plainWindow, sampleWindow, type Window } from './sample-window.ts';
import { type Symmetry, symmetryOf } from './symmetry.ts';

const [height, width] = [90, 110];
const directory = await dataDirectory(
  {
    'a.png': { height, width },
    'm.png': { height, width, channels: 1, paint: (y, x) => (y * 7 + x * 3) % 11 },
    'b.png': { height: 40, width: 200 },
  },
  {
    pairs: [{ image: 'a.png', label: 'm.png' }, { image: 'b.png' }],
    splits: {
      train: [{ pair: 'a', columns: [3, 70] }, 'b'],
      square: [{ pair: 'a', rows: [0, 60], columns: [0, 60] }],
    },
  },
);
const data = good(await openData(directory));
const draw: Draw = { seed: 7, step: 0, sample: 0, batch: 2, extents: [16, 20] };

const boxIn = (sizes: readonly number[]): fc.Arbitrary<Box> =>
  fc
    .tuple(...sizes.map((size) => fc.tuple(fc.nat(size - 1), fc.nat(size - 1))))
    .map((ends) => ends.map(([a, b]) => range(Math.min(a, b), Math.max(a, b) + 1)));

test('any box of an image, by the definition', async () => {
  await fc.assert(
    fc.asyncProperty(boxIn([height, width]), async (box) => {
      const pixels = await readImage(data, plainWindow(0, wholeBox([height, width])), box);
      const [h = 0, w = 0] = extents(box);
      const expected = Float32Array.from({ length: 3 * h * w }, (_, i) => {
        const [channel, cell] = [Math.floor(i / (h * w)), i % (h * w)];
        return smooth(at(box, 0).from + Math.floor(cell / w), at(box, 1).from + (cell % w), channel);
      });
      assert.equal(pixels, expected);
    }),
    { numRuns: 40 },
  );
});

const changes = fc.record({ turns: fc.nat(3), rows: fc.boolean(), columns: fc.boolean() });
const square: Box = [range(5, 45), range(30, 70)];

const changedWindow = (symmetry: Symmetry): Window => ({
  ...plainWindow(0, square),
  symmetry,
  gain: 1.25,
  offset: -0.1,
});

test('a box of a changed window is that part of the whole changed window, image and labels', async () => {
  const boxes = fc.tuple(boxIn([40, 40]), boxIn([33, 31]));
  await fc.assert(
    fc.asyncProperty(changes, boxes, async ({ turns, rows, columns }, [box, labelBox]) => {
      const window = changedWindow(symmetryOf(turns, [rows, columns]));
      assert.equal(
        [...(await readImage(data, window, box))],
        cut(await readImage(data, window, wholeBox([40, 40])), 3, 40, box),
      );
      assert.equal(
        [...(await readLabels(data, window, [33, 31], labelBox))],
        cut(await readLabels(data, window, [33, 31], wholeBox([33, 31])), 1, 31, labelBox),
      );
    }),
    { numRuns: 60 },
  );
});

/** The box of `[channels, ?, width]`. */
function cut(whole: Float32Array | Uint8Array, channels: number, width: number, box: Box): number[] {
  const [rows, columns] = [at(box, 0), at(box, 1)];
  const plane = whole.length / channels;
  const cells: number[] = [];
  for (let channel = 0; channel < channels; channel++)
    for (let y = rows.from; y < rows.to; y++)
      for (let x = columns.from; x < columns.to; x++)
        cells.push(whole[channel * plane + y * width + x] ?? Number.NaN);
  return cells;
}

test('quarter turns and flips are what they are called', async () => {
  const show = async (turns: number, flips: readonly [boolean, boolean]) => {
    const window = changedWindow(symmetryOf(turns, flips));
    return [...(await readLabels(data, window, [40, 40], wholeBox([40, 40])))].map(String);
  };
  const plain = await show(0, [false, false]);
  const cell = (list: readonly string[], y: number, x: number) => list[y * 40 + x];
  const once = await show(1, [false, false]);
  const twice = await show(2, [false, false]);
  const up = await show(1, [true, false]);
  for (const [y, x] of [
    [0, 0],
    [3, 17],
    [39, 20],
  ] as const) {
    assert.is(cell(once, y, x), cell(plain, x, 39 - y), 'counter-clockwise');
    assert.is(cell(twice, y, x), cell(plain, 39 - y, 39 - x));
    assert.is(cell(up, y, x), cell(once, 39 - y, x), 'the turned picture upside down');
  }
  const all = [0, 1, 2, 3].flatMap((turns) => [false, true].map((flip) => show(turns, [flip, false])));
  assert.is(new Set((await Promise.all(all)).map((one) => one.join())).size, 8);
});

test('image and label stay together under every change: the label is the middle of the image', async () => {
  await fc.assert(
    fc.asyncProperty(changes, async ({ turns, rows, columns }) => {
      const window = { ...plainWindow(0, square), symmetry: symmetryOf(turns, [rows, columns]) };
      const image = await readImage(data, window, wholeBox([40, 40]));
      const labels = await readLabels(data, window, [37, 36], wholeBox([37, 36]));
      for (let y = 0; y < 37; y += 9)
        for (let x = 0; x < 36; x += 7) {
          const pixel = (y + 1) * 40 + x + 2;
          const candidates = [...labelsOf(image[pixel] ?? 0)];
          assert.ok(candidates.includes(labels[y * 36 + x] ?? 0));
        }
    }),
    { numRuns: 20 },
  );
});

/** Labels of all cells of the square that have this value in channel 0. */
function labelsOf(value: number): Set<number> {
  const found = new Set<number>();
  for (let y = 5; y < 45; y++)
    for (let x = 30; x < 70; x++) if (smooth(y, x, 0) === value) found.add((y * 7 + x * 3) % 11);
  return found;
}

test('windows lie in their split, and depend on nothing but seed, step and sample', () => {
  fc.assert(
    fc.property(fc.nat(), fc.nat(1e6), fc.nat(63), (seed, step, sample) => {
      const window = sampleWindow(data, 'train', { ...draw, seed, step, sample });
      assert.equal(extents(window.box), [16, 20]);
      const [rows, columns] = [at(window.box, 0), at(window.box, 1)];
      const [high, from, to] = window.pair === 0 ? [height, 3, 70] : [40, 0, 200];
      assert.ok(rows.from >= 0 && rows.to <= high && columns.from >= from && columns.to <= to);
      assert.equal(window, sampleWindow(data, 'train', { ...draw, seed, step, sample }));
    }),
  );
});

test('every place is about equally likely', () => {
  const counts = new Map<string, number>();
  const small: Data = {
    ...data,
    splits: new Map([
      [
        's',
        [
          { pair: 0, box: [range(2, 4), range(0, 5)] },
          { pair: 1, box: [range(0, 3), range(9, 12)] },
        ],
      ],
    ]),
  };
  const draws = 8000;
  for (let step = 0; step < draws; step++) {
    const { pair, box } = sampleWindow(small, 's', { ...draw, step, extents: [2, 3] });
    const key = JSON.stringify([pair, box]);
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  // 1 x 3 places in the first area, 2 x 1 in the second; 8 standard deviations around 1/5.
  assert.is(counts.size, 5);
  for (const count of counts.values()) assert.ok(Math.abs(count - draws / 5) < 8 * Math.sqrt(draws * 0.16));
});

test('images of the size of the input are each visited once an epoch, in an order that changes', () => {
  const areas = Array.from({ length: 7 }, (_, i) => ({ pair: 0, box: [range(0, 16), range(i, i + 20)] }));
  const images: Data = { ...data, splits: new Map([['s', areas]]) };
  const epoch = (number: number) =>
    [0, 1, 2].flatMap((step) =>
      [0, 1].map((sample) => {
        const { box } = sampleWindow(images, 's', { ...draw, step: number * 3 + step, sample });
        return at(box, 1).from;
      }),
    );
  assert.is(new Set(epoch(0)).size, 6, 'the seventh does not fill a batch');
  assert.is(new Set(epoch(1)).size, 6);
  assert.not.equal(epoch(0), epoch(1));
});

test('the grid of a scene: windows side by side', () => {
  const grid: Data = {
    ...data,
    windows: 'grid',
    splits: new Map([['s', [{ pair: 0, box: wholeBox([50, 61]) }]]]),
  };
  const seen = new Set<string>();
  for (let step = 0; step < 3; step++)
    for (let sample = 0; sample < 3; sample++) {
      const { box } = sampleWindow(grid, 's', { ...draw, step, sample, batch: 3 });
      seen.add(box.map(({ from }) => from).join());
    }
  assert.equal([...seen].sort(), ['0,0', '0,20', '0,40', '16,0', '16,20', '16,40', '32,0', '32,20', '32,40']);
});

test('changes are drawn only where declared, and keep pixels in range', async () => {
  const changed: Data = {
    ...data,
    augment: { flips: true, quarterTurns: true, brightness: 0.3, contrast: 0.5 },
  };
  const drawn = Array.from({ length: 200 }, (_, step) =>
    sampleWindow(changed, 'square', { ...draw, step, extents: [20, 20] }),
  );
  assert.is(new Set(drawn.map(({ symmetry }) => JSON.stringify(symmetry))).size, 8);
  assert.ok(drawn.every(({ gain, offset }) => Math.abs(gain - 1) <= 0.5 && Math.abs(offset) <= 0.3));
  const read = drawn.slice(0, 50).map((window) => readImage(changed, window, wholeBox([20, 20])));
  const pixels = (await Promise.all(read)).flatMap((one) => [...one]);
  assert.is(Math.min(...pixels), 0);
  assert.is(Math.max(...pixels), 255);
  const plain = sampleWindow({ ...data, augment: noAugment }, 'square', { ...draw, extents: [20, 20] });
  assert.equal(plain, { ...plainWindow(0, plain.box) });
});

test.run();
