import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { good, messagesOf } from '../tests/test-data.ts';
import { NOT_LABELLED } from './data.ts';
import { readDataFile } from './data-file.ts';

const read = (description: unknown) => readDataFile(JSON.stringify(description), 'data.json');
const pairs = [{ image: 'deep/scene.old.jpg', label: 'land.png' }];

test('all that it can say', () => {
  const file = good(
    read({
      pairs,
      labels: { 0: 0, 7: null },
      splits: { train: [{ pair: 'scene.old', rows: [0, 5] }], test: ['scene.old'] },
      windows: 'grid',
      augment: { flips: true, contrast: 0.25 },
    }),
  );
  assert.equal(file, {
    pairs: [{ name: 'scene.old', image: 'deep/scene.old.jpg', label: 'land.png' }],
    labels: new Map([
      [0, 0],
      [7, NOT_LABELLED],
    ]),
    splits: new Map([
      ['train', [{ pair: 'scene.old', rows: [0, 5] }]],
      ['test', [{ pair: 'scene.old' }]],
    ]),
    windows: 'grid',
    augment: { flips: true, quarterTurns: false, brightness: 0, contrast: 0.25 },
  });
});

const mistakes: readonly (readonly [string, unknown, RegExp])[] = [
  ['no list', {}, /`pairs` is not a list/],
  [
    'misspelt key',
    { pairs: [{ image: 'a', lable: 'b' }] },
    /`lable` is not known in `pairs\[0\]`; known are name/,
  ],
  ['unknown augmentation', { pairs, augment: { rotate: true } }, /`rotate` is not known in `augment`/],
  ['unknown windows', { pairs, windows: 'all' }, /neither "anywhere" nor "grid"/],
  ['same name twice', { pairs: [{ image: 'a/x.png' }, { image: 'b/x.png' }] }, /names `x` twice/],
  ['no such pair', { pairs, splits: { train: ['other'] } }, /pair `other`, which is not among scene.old/],
  [
    'empty range',
    { pairs, splits: { t: [{ pair: 'scene.old', rows: [4, 4] }] } },
    /`rows` of split `t` is not/,
  ],
  ['class too large', { pairs, labels: { 0: 255 } }, /`labels` of 0 is not a class from 0 to 254/],
  ['no value', { pairs, labels: { land: 1 } }, /`land` of `labels` is not a value/],
  ['not a share', { pairs, augment: { brightness: 2 } }, /`brightness` of `augment` is not a number/],
  ['a list', [], /the file is not an object/],
];

for (const [name, description, words] of mistakes)
  test(`refused: ${name}`, () => assert.match(messagesOf(read(description)), words));

test('all mistakes at once', () => {
  const result = read({ pairs: [{ image: 3 }], windows: 1, extra: true });
  assert.is(result.ok ? 0 : result.diagnostics.length, 3);
});

test('what is not JSON is an error, not a crash', () => {
  assert.match(messagesOf(readDataFile('{ "pairs": [', 'data.json')), /the file is not JSON/);
});

test.run();
