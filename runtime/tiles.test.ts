import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { at, type Range, range } from '../ir/box.ts';
import { diagnose, failure, fault, success } from '../ir/diagnostics/diagnostic.ts';
import type { Plan } from '../ir/plan.ts';
import { tinyPrediction } from './tests/tiny-plan.ts';
import { bands, type ClassTile, runTiles, type Workers } from './tiles.ts';

const ranges = (cuts: readonly number[]): Range[] => cuts.slice(1).map((to, i) => range(at(cuts, i), to));

/** Cells are numbered row by row, modulo 251. */
const truth = (height: number, width: number): Uint8Array =>
  Uint8Array.from({ length: height * width }, (_, i) => i % 251);

function tileAt(whole: Uint8Array, width: number, rows: Range, columns: Range): ClassTile {
  const cells: number[] = [];
  for (let y = rows.from; y < rows.to; y++)
    for (let x = columns.from; x < columns.to; x++) cells.push(whole[y * width + x] ?? 0);
  return { box: [rows, columns], classes: Uint8Array.from(cells) };
}

const cuts = fc
  .uniqueArray(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 4 })
  .map((list) => [0, ...list.sort((a, b) => a - b)]);

test('tiles in any order become the rows of the whole, top to bottom', () =>
  fc.assert(
    fc.asyncProperty(cuts, cuts, fc.infiniteStream(fc.nat()), async (down, across, keys) => {
      const [height, width] = [at(down, down.length - 1), at(across, across.length - 1)];
      const whole = truth(height, width);
      const tiles = ranges(down).flatMap((rows) => ranges(across).map((columns) => [rows, columns] as const));
      const shuffled = tiles
        .map((tile) => ({ tile, key: keys.next().value }))
        .sort((a, b) => a.key - b.key)
        .map(({ tile }) => tile);
      const written: number[] = [];
      const add = bands(width, async (rows) => {
        written.push(...rows);
        return success(undefined);
      });
      for (const [rows, columns] of shuffled) await add.add(tileAt(whole, width, rows, columns));
      assert.equal(Uint8Array.from(written), whole);
    }),
  ));

/** A plan of `rows` x 1 tiles on some devices. */
const planOf = (rows: number, devices: number): Plan =>
  tinyPrediction({
    extents: [rows, 6],
    cuts: Array.from({ length: rows + 1 }, (_, i) => i),
    devices,
  });

/** Devices that take turns of the event loop; the most that worked at a time, and what each did. */
function pretend(size: number, refuse = -1) {
  const log: { rank: number; tile: number }[] = [];
  let busy = 0;
  let most = 0;
  const workers: Workers = {
    size,
    async work(rank, { tile }) {
      log.push({ rank, tile });
      most = Math.max(most, ++busy);
      for (let turn = 0; turn < 3 + rank; turn++) await new Promise((resolve) => setImmediate(resolve));
      busy--;
      if (tile === refuse)
        return failure(diagnose(fault('device-died', { rank, reason: 'SIGKILL', instruction: '' })));
      const stored = [{ output: 'land', box: [range(tile, tile + 1), range(0, 6)], data: new Uint8Array(6) }];
      return success({ confusion: {}, stored, probed: {}, seconds: 0, peakBytes: 0 });
    },
  };
  return { workers, log, most: () => most };
}

const run = (plan: Plan, devices: Workers, more: { stop?: AbortSignal; seen?: number[] } = {}) =>
  runTiles({
    devices,
    plan,
    window: 0,
    output: 'land',
    visit: async ({ box }) => {
      more.seen?.push(at(box, 0).from);
      return success(undefined);
    },
    ...(more.stop === undefined ? {} : { stop: more.stop }),
  });

test('all devices work at the same time, each on its own tiles, and none runs far ahead', async () => {
  const { workers, log, most } = pretend(3);
  const seen: number[] = [];
  const done = await run(planOf(11, 3), workers, { seen });
  assert.equal(done, success(11));
  assert.is(most(), 3);
  assert.ok(log.every(({ rank, tile }) => tile % 3 === rank));
  assert.equal(
    [...seen].sort((a, b) => a - b),
    [...Array(11).keys()],
  );
  seen.forEach((tile, i) => {
    assert.ok(Math.abs(tile - i) <= 4, `tile ${tile} was number ${i}`);
  });
});

test('the first failure ends the work', async () => {
  const { workers, log } = pretend(2, 3);
  const done = await run(planOf(20, 2), workers);
  assert.not(done.ok);
  assert.ok(log.length < 8);
});

test('a stopped prediction says how far it came', async () => {
  const { workers } = pretend(2);
  const stop = new AbortController();
  const seen: number[] = [];
  const running = run(planOf(20, 2), workers, { stop: stop.signal, seen });
  while (seen.length < 5) await new Promise((resolve) => setImmediate(resolve));
  stop.abort();
  const done = await running;
  assert.ok(done.ok);
  assert.ok(done.value >= 5 && done.value < 20);
});

test.run();
