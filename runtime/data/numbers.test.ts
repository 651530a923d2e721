import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { range, shiftBox } from '../../ir/box.ts';
import { npyFile } from '../tests/npy-file.ts';
import { codesOf, emptyDirectory, good, messagesOf } from '../tests/test-data.ts';
import { checkData } from './check-data.ts';
import { noAugment } from './data-file.ts';
import { openData } from './open-data.ts';
import { readImage, readNumbers } from './read-window.ts';
import { sampleWindow, type Window } from './sample-window.ts';

const folder = emptyDirectory();
const [height, width, channels] = [21, 17, 2];
const values = Float32Array.from({ length: height * width * channels }, (_, i) => Math.sin(i) * 1000);
writeFileSync(join(folder, 'a.npy'), npyFile('<f4', [height, width, channels], values));
writeFileSync(join(folder, 'data.json'), JSON.stringify({ pairs: [{ image: 'a.npy', label: 'a.npy' }] }));
const data = good(await openData(folder, { targets: 'numbers' }));

test('numbers are read where the pixels of the window are, and no augmentation changes them', async () => {
  const augment = { ...noAugment, flips: true, quarterTurns: true, brightness: 0.3, contrast: 0.3 };
  const drawn = fc.record({
    step: fc.nat(200),
    sample: fc.nat(3),
    y: fc.nat(4),
    x: fc.nat(4),
    h: fc.nat(4),
    w: fc.nat(4),
  });
  await fc.assert(
    fc.asyncProperty(drawn, async ({ step, sample, y, x, h, w }) => {
      const draw = { seed: 1, step, sample, batch: 4, extents: [12, 12] };
      const window: Window = sampleWindow({ ...data, augment }, 'train', draw);
      // The target is the middle 8 x 8 of the window of 12 x 12.
      const box = [range(y, y + h), range(x, x + w)];
      const plain = await readImage(data, { ...window, gain: 1, offset: 0 }, shiftBox(box, [2, 2]));
      assert.equal(await readNumbers(data, window, [8, 8], box), plain);
    }),
    { numRuns: 60 },
  );
});

test('floats are brightened around the middle of 0 to 1, and not held there', async () => {
  const window: Window = {
    ...sampleWindow(data, 'train', { seed: 1, step: 0, sample: 0, batch: 1, extents: [4, 4] }),
    gain: 2,
    offset: 0.25,
  };
  const box = [range(0, 4), range(0, 4)];
  const plain = await readImage(data, { ...window, gain: 1, offset: 0 }, box);
  assert.equal(
    await readImage(data, window, box),
    plain.map((v) => (v - 0.5) * 2 + 0.75),
  );
});

test('numbers must have the channels of the target, and are no classes', async () => {
  const wrong = checkData(data, 'train', { channels, numbers: 1 });
  assert.equal(codesOf(wrong), ['target-channels-differ']);
  assert.match(messagesOf(wrong), /a\.npy` has 2 channels, and the target of the network has 1/);
  assert.ok(checkData(data, 'train', { channels, numbers: 2 }).ok);
  assert.equal(codesOf(await openData(folder)), ['label-not-gray']);
  writeFileSync(join(folder, 'a.npy'), npyFile('<f4', [height, width], values.subarray(0, height * width)));
  assert.equal(codesOf(await openData(folder)), ['label-not-whole']);
});

test.run();
