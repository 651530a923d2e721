/** Orders, drawn as time lines: forward in small letters, backward in capitals. */
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { at } from '../../ir/box.ts';
import { evenPace, type Order, type Pace } from '../../ir/schedule.ts';
import { type Item, ordered } from './order.ts';

const drawn = (items: readonly Item[], chunk: number): string =>
  items
    .filter((item) => item.chunk === chunk)
    .map(({ phase, micro }) => (phase === 'forward' ? 'abcdefgh' : 'ABCDEFGH')[micro])
    .join('');

const lines = (order: Order, stages: readonly number[], microBatches: number) =>
  ordered(order, stages, microBatches).map((items) => drawn(items, at(items, 0).chunk));

/**
 * Each chunk as a line, in time steps of which an item takes one. A stage waits for what its next item needs; a stage
 * of two chunks has two lines, and works on one of them at a time.
 */
function timeline(order: Order, stages: readonly number[], microBatches: number): string[] {
  const items = ordered(order, stages, microBatches);
  const done = new Set<string>();
  const next = items.map(() => 0);
  const rows = stages.map(() => '');
  const letter = ({ phase, micro }: Item) => (phase === 'forward' ? 'abcdefgh' : 'ABCDEFGH').charAt(micro);
  for (let left = items.flat().length; left > 0; ) {
    const now = items.map((own, stage) =>
      own
        .slice(at(next, stage))
        .slice(0, 1)
        .find((item) => isReady(item, stages.length, done)),
    );
    if (now.every((item) => item === undefined)) throw new Error(`nobody can go on: ${rows.join(' ')}`);
    stages.forEach((stage, chunk) => {
      const item = now[stage];
      rows[chunk] += item?.chunk === chunk ? letter(item) : '.';
    });
    now.forEach((item, stage) => {
      if (item === undefined) return;
      done.add(keyOf(item, item.chunk));
      next[stage] = at(next, stage) + 1;
      left--;
    });
  }
  return rows.map((row) => row.replace(/\.+$/, ''));
}

const keyOf = ({ phase, micro }: Item, chunk: number) => `${phase} ${chunk} ${micro}`;

function isReady(item: Item, chunks: number, done: ReadonlySet<string>): boolean {
  const { chunk, phase, micro } = item;
  if (phase === 'forward') return chunk === 0 || done.has(keyOf(item, chunk - 1));
  return chunk === chunks - 1 ? done.has(`forward ${chunk} ${micro}`) : done.has(keyOf(item, chunk + 1));
}

test('gpipe: all forward, all backward', () => {
  assert.equal(timeline('gpipe', [0, 1, 2], 4), ['abcd....ABCD', '.abcd..ABCD', '..abcdABCD']);
});

test('1f1b: as many micro-batches in flight as stages from here on', () => {
  assert.equal(timeline('1f1b', [0, 1, 2], 5), ['abc..AdBeC.D.E', '.ab.AcBdCeD.E', '..aAbBcCdDeE']);
  assert.equal(lines('1f1b', [0, 1, 2], 2), ['abAB', 'abAB', 'aAbB']);
});

test('one after another: no micro-batch begins before the last one is done', () => {
  assert.equal(timeline('one_after_another', [0, 1], 2), ['a..Ab..B', '.aA..bB']);
});

test('folded, gpipe and 1f1b: the first and the last chunk take turns on one stage', () => {
  assert.equal(timeline('gpipe', [0, 1, 0], 2), ['ab....AB', '.ab..AB', '..abAB']);
  assert.equal(timeline('1f1b', [0, 1, 0], 4), ['abc......AdB..CD', '.abc.A.B...dC.D', '...aAbBcC...dD']);
});

test('1f1b with the first chunk on the last stage', () => {
  assert.equal(lines('1f1b', [1, 0], 3), ['aAbBcC', 'abAcBC']);
});

test('equal stages: gpipe and 1f1b take no longer than the filling and draining of the pipeline', () => {
  for (const stages of [2, 3, 5, 8])
    for (const microBatches of [1, 3, 8])
      for (const order of ['gpipe', '1f1b'] as const) {
        const rows = timeline(
          order,
          Array.from({ length: stages }, (_, i) => i),
          microBatches,
        );
        assert.is(Math.max(...rows.map(({ length }) => length)), 2 * (microBatches + stages - 1));
      }
});

const shapes = fc.constantFrom(
  [0, 1, 0],
  [0, 1, 2, 1, 0],
  [0, 1, 1, 0],
  [0, 1, 0, 1],
  [0, 1, 2, 0],
  [0, 1, 2, 3, 2, 1, 0],
  [0, 1, 0, 1, 0, 1, 0, 1],
  [0, 0, 1],
);

const paces = shapes.chain((stages) => {
  const times = fc.array(fc.integer({ min: 1, max: 40 }), {
    minLength: stages.length,
    maxLength: stages.length,
  });
  const pace = fc.record({ inFlight: fc.integer({ min: 1, max: 9 }), forward: times, backward: times });
  return fc.tuple(fc.constant(stages), pace, fc.integer({ min: 1, max: 12 }));
});

/** Whether each stage finds at some time what it waits for. */
function ends(items: readonly (readonly Item[])[], chunks: number): boolean {
  const done = new Set<string>();
  const next = items.map(() => 0);
  for (let moved = true; moved; ) {
    moved = false;
    items.forEach((own, stage) => {
      const item = own[at(next, stage)];
      if (item === undefined || !isReady(item, chunks, done)) return;
      done.add(keyOf(item, item.chunk));
      next[stage] = at(next, stage) + 1;
      moved = true;
    });
  }
  return items.every((own, stage) => own.length === next[stage]);
}

/** Each chunk goes forward and backward with each micro-batch once, on its stage, the oldest first. */
function eachOnceInTurn(
  items: readonly (readonly Item[])[],
  stages: readonly number[],
  microBatches: number,
): void {
  assert.is(items.flat().length, 2 * stages.length * microBatches);
  for (const [chunk, stage] of stages.entries())
    for (const phase of ['forward', 'backward'] as const) {
      const own = at(items, stage).filter((item) => item.chunk === chunk && item.phase === phase);
      assert.equal(
        own.map(({ micro }) => micro),
        Array.from({ length: microBatches }, (_, i) => i),
      );
    }
}

/** The most micro-batches that a chunk has gone forward with and not yet backward. */
function mostInFlight(items: readonly Item[], chunk: number): number {
  let [now, most] = [0, 0];
  for (const item of items) {
    if (item.chunk !== chunk) continue;
    now += item.phase === 'forward' ? 1 : -1;
    most = Math.max(most, now);
  }
  return most;
}

/** How many micro-batches a chunk may hold at once, of so many chunks and micro-batches. */
const bounds: { readonly [O in Order]: (chunks: number, chunk: number, microBatches: number) => number } = {
  gpipe: (_chunks, _chunk, microBatches) => microBatches,
  '1f1b': (chunks, chunk, microBatches) => Math.min(microBatches, chunks - chunk),
  one_after_another: () => 1,
};

const straight = fc.integer({ min: 1, max: 6 }).chain((count) =>
  fc.shuffledSubarray(
    Array.from({ length: count }, (_, i) => i),
    { minLength: count },
  ),
);

test('every order: each item once and in turn, nobody waits for ever, no more in flight than the order says', () => {
  const orders = fc.constantFrom<Order>('gpipe', '1f1b', 'one_after_another');
  fc.assert(
    fc.property(
      orders,
      fc.oneof(straight, shapes),
      fc.integer({ min: 1, max: 12 }),
      (order, stages, microBatches) => {
        const items = ordered(order, stages, microBatches);
        eachOnceInTurn(items, stages, microBatches);
        assert.ok(ends(items, stages.length), `${order} of ${stages} stands still`);
        const isFolded = new Set(stages).size < stages.length;
        if (order === '1f1b' && isFolded) return;
        for (const [chunk, stage] of stages.entries()) {
          const most = bounds[order](stages.length, chunk, microBatches);
          assert.ok(mostInFlight(at(items, stage), chunk) <= most, `${order} of ${stages}, chunk ${chunk}`);
        }
      },
    ),
    { numRuns: 300 },
  );
});

test('folded 1f1b: each item once and in turn, nobody waits for ever, no more in flight than allowed', () => {
  fc.assert(
    fc.property(paces, ([stages, pace, microBatches]) => {
      const items = ordered('1f1b', stages, microBatches, pace);
      eachOnceInTurn(items, stages, microBatches);
      assert.ok(ends(items, stages.length));
      assert.ok(mostInFlight(at(items, at(stages, 0)), 0) <= pace.inFlight);
    }),
    { numRuns: 200 },
  );
});

/** Seconds of items without messages, and of the busiest stage alone. */
function secondsOf(items: readonly (readonly Item[])[], stages: readonly number[], pace: Pace): number {
  const end = new Map<string, number>();
  const free = items.map(() => 0);
  const next = items.map(() => 0);
  const endOf = (phase: string, chunk: number, micro: number) => end.get(`${phase} ${chunk} ${micro}`);
  for (let left = items.flat().length; left > 0; )
    for (const [stage, own] of items.entries()) {
      const item = own[at(next, stage)];
      if (item === undefined) continue;
      const { chunk, phase, micro } = item;
      const before =
        phase === 'forward'
          ? chunk === 0
            ? 0
            : endOf(phase, chunk - 1, micro)
          : chunk === stages.length - 1
            ? endOf('forward', chunk, micro)
            : endOf(phase, chunk + 1, micro);
      if (before === undefined) continue;
      free[stage] = Math.max(at(free, stage), before) + at(pace[phase], chunk);
      end.set(`${phase} ${chunk} ${micro}`, at(free, stage));
      next[stage] = at(next, stage) + 1;
      left--;
    }
  return Math.max(...free);
}

test('folded 1f1b keeps equal stages busy but for filling and draining', () => {
  for (const count of [2, 3, 4, 6, 8]) {
    const up = Array.from({ length: count }, (_, i) => i);
    const stages = [...up, ...up.slice(0, -1).reverse()];
    const pace = evenPace(stages);
    const work = stages.reduce(
      (sum, stage, chunk) => sum + (stage === 0 ? at(pace.forward, chunk) + at(pace.backward, chunk) : 0),
      0,
    );
    const seconds = secondsOf(ordered('1f1b', stages, 32), stages, pace);
    const path = [...pace.forward, ...pace.backward].reduce((a, b) => a + b, 0);
    // Half of the stages lie before the innermost one, on the way there and on the way back.
    assert.ok(seconds <= (32 * work + path / 2) * 1.02, `${count} stages: ${seconds}`);
  }
});

test.run();
