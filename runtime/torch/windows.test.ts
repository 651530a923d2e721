/** Both executors see the same: windows that Python reads of staged data, against those of the TypeScript runtime. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type Box, extents, range } from '../../ir/box.ts';
import { product } from '../../ir/type.ts';
import type { Data } from '../data/data.ts';
import { openData } from '../data/open-data.ts';
import { stageData } from '../data/stage-data.ts';
import { openFeed } from '../local/feeds.ts';
import { npyFile } from '../tests/npy-file.ts';
import { pythonTest, torchFolder } from '../tests/python.ts';
import { dataDirectory, emptyDirectory, good } from '../tests/test-data.ts';

const [seed, batch] = [7, 3];

type Target = { readonly extents: readonly number[]; readonly classes?: number; readonly channels: number };

type Read = { readonly source: string; readonly step: number; readonly sample: number; readonly box: Box };

type Case = {
  readonly data: Data;
  readonly split: string;
  readonly window: readonly [number, number];
  readonly channels: number;
  readonly target?: Target;
};

const boxOf = (sizes: readonly number[]): Box => sizes.map((size) => range(0, size));

/** What Python reads of a model: only its inputs and its training. */
const modelOf = ({ window, channels, target }: Case): object => ({
  training: { seed, batch },
  inputs: [
    { name: 'image', type: { kind: 'map', channels, box: boxOf(window) }, source: { from: 'image' } },
    ...(target === undefined
      ? []
      : [
          {
            name: 'target',
            type: { kind: 'map', channels: target.channels, box: boxOf(target.extents) },
            source: { from: 'target', classes: target.classes },
          },
        ]),
  ],
});

/** All of each sample of some steps, and a part that no symmetry maps to itself. */
function readsOf({ window, target }: Case): Read[] {
  const sources = [
    { source: 'image', sizes: window },
    ...(target === undefined ? [] : [{ source: 'target', sizes: target.extents }]),
  ];
  return [0, 1, 2, 5, 19].flatMap((step) =>
    Array.from({ length: batch }, (_, sample) =>
      sources.flatMap(({ source, sizes }) => {
        const part = sizes.map((size, axis) => range(axis + 1, size - 2 * axis));
        return [boxOf(sizes), part].map((box) => ({ source, step, sample, box }));
      }),
    ).flat(),
  );
}

async function hashesHere(one: Case, reads: readonly Read[]): Promise<string[]> {
  const { data, split, window, channels, target } = one;
  const targets = target === undefined ? {} : { target: target.extents };
  const feed = openFeed({ kind: 'windows', data, split, seed, batch, extents: window, targets });
  const lines: string[] = [];
  for (const read of reads) {
    const isTarget = read.source === 'target';
    const maps = isTarget ? (target?.channels ?? 0) : channels;
    const size = maps * product(extents(read.box));
    const cells = isTarget && target?.classes !== undefined ? new Uint8Array(size) : new Float32Array(size);
    await feed.load(read, cells);
    const hash = createHash('sha256').update(new Uint8Array(cells.buffer)).digest('hex');
    const type = cells instanceof Uint8Array ? 'uint8' : 'float32';
    lines.push(`${type} [${[1, maps, ...extents(read.box)].join(', ')}] ${hash}`);
  }
  return lines;
}

function hashesThere(python: string, one: Case, folder: string, reads: readonly Read[]): string[] {
  const input = JSON.stringify({ folder, model: modelOf(one), split: one.split, reads });
  const { stdout, stderr, status } = spawnSync(python, [join(torchFolder, 'tests/read_windows.py')], {
    input,
    encoding: 'utf8',
    env: { ...process.env, PYTHONPATH: torchFolder, PYTHONDONTWRITEBYTECODE: '1' },
  });
  assert.is(status, 0, stderr);
  return stdout.trim().split('\n');
}

async function expectSame(python: string, one: Case): Promise<void> {
  const folder = emptyDirectory();
  good(await stageData(one.data, folder));
  const reads = readsOf(one);
  const here = await hashesHere(one, reads);
  assert.ok(new Set(here).size > here.length / 4, 'the windows differ from each other');
  assert.equal(hashesThere(python, one, folder, reads), here);
  // What was staged is data like any other.
  const staged = good(await openData(folder, { targets: one.target?.classes ? 'classes' : 'numbers' }));
  assert.equal(await hashesHere({ ...one, data: staged }, reads), here);
}

const [height, width] = [90, 110];
const pictures = {
  'a.png': { height, width },
  'a-label.png': { height, width, channels: 1, paint: (y: number, x: number) => ((y * 7 + x * 3) % 11) * 23 },
  'b.jpg': { height: 64, width: 200 },
  'b-label.png': { height: 64, width: 200, channels: 1, paint: (y: number, x: number) => ((y + x) % 4) * 23 },
} as const;
const labels = Object.fromEntries(
  Array.from({ length: 11 }, (_, i) => [String(i * 23), i % 4 === 3 ? null : i % 4]),
);
const pairs = [
  { image: 'a.png', label: 'a-label.png' },
  { image: 'b.jpg', label: 'b-label.png' },
];
const splits = { train: [{ pair: 'a', columns: [3, 70] }, 'b'], grid: ['b', { pair: 'a', rows: [5, 90] }] };
const changes = { flips: true, quarter_turns: true, brightness: 0.2, contrast: 0.3 };

pythonTest('numpy', 'windows drawn anywhere, changed, with labels of the middle', async (python) => {
  const directory = await dataDirectory(pictures, { pairs, labels, splits, augment: changes });
  const data = good(await openData(directory));
  const target = { extents: [14, 15], classes: 3, channels: 1 };
  await expectSame(python, { data, split: 'train', window: [20, 20], channels: 3, target });
});

pythonTest('numpy', 'windows of a grid over epochs, not square, as stored', async (python) => {
  const directory = await dataDirectory(pictures, { pairs, splits, windows: 'grid', labels });
  const data = good(await openData(directory));
  await expectSame(python, { data, split: 'grid', window: [21, 40], channels: 3 });
});

pythonTest('numpy', 'floats of 32 bits, numbers as targets, 16 bits, no splits', async (python) => {
  const directory = emptyDirectory();
  mkdirSync(join(directory, 'images'));
  mkdirSync(join(directory, 'labels'));
  const cells = Array.from({ length: 40 * 50 * 2 }, (_, i) => Math.fround(Math.sin(i)));
  const whole = Uint16Array.from({ length: 40 * 50 * 2 }, (_, i) => (i * 977) % 65536);
  for (const name of ['p', 'q'])
    writeFileSync(
      join(directory, `images/${name}.npy`),
      name === 'p'
        ? npyFile('<f4', [40, 50, 2], Float32Array.from(cells))
        : npyFile('<u2', [40, 50, 2], whole),
    );
  for (const name of ['p', 'q'])
    writeFileSync(
      join(directory, `labels/${name}.npy`),
      npyFile('<f4', [40, 50], Float32Array.from(cells.slice(2000))),
    );
  writeFileSync(
    join(directory, 'data.json'),
    JSON.stringify({
      pairs: ['p', 'q'].map((name) => ({ image: `images/${name}.npy`, label: `labels/${name}.npy` })),
      augment: { ...changes, quarter_turns: false },
    }),
  );
  const data = good(await openData(directory, { targets: 'numbers' }));
  const target = { extents: [16, 17], channels: 1 };
  await expectSame(python, { data, split: 'train', window: [16, 17], channels: 2, target });
});

test.run();
