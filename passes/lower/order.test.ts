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

test('gpipe: all forward, all backward', () => {
  assert.equal(lines('gpipe', [0, 1], 3), ['abcABC', 'abcABC']);
});

test('1f1b: as many micro-batches in flight as stages from here on', () => {
  assert.equal(lines('1f1b', [0, 1, 2], 5), ['abcAdBeCDE', 'abAcBdCeDE', 'aAbBcCdDeE']);
  assert.equal(lines('1f1b', [0, 1, 2], 2), ['abAB', 'abAB', 'aAbB']);
});

test('1f1b with the first chunk on the last stage', () => {
  assert.equal(lines('1f1b', [1, 0], 3), ['aAbBcC', 'abAcBC']);
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
  const key = ({ phase, micro }: Item, chunk: number) => `${phase} ${chunk} ${micro}`;
  const isReady = (item: Item): boolean => {
    const { chunk, phase, micro } = item;
    if (phase === 'forward') return chunk === 0 || done.has(key(item, chunk - 1));
    return chunk === chunks - 1 ? done.has(`forward ${chunk} ${micro}`) : done.has(key(item, chunk + 1));
  };
  for (let moved = true; moved; ) {
    moved = false;
    items.forEach((own, stage) => {
      const item = own[at(next, stage)];
      if (item === undefined || !isReady(item)) return;
      done.add(key(item, item.chunk));
      next[stage] = at(next, stage) + 1;
      moved = true;
    });
  }
  return items.every((own, stage) => own.length === next[stage]);
}

test('folded 1f1b: each item once and in turn, nobody waits for ever, no more in flight than allowed', () => {
  fc.assert(
    fc.property(paces, ([stages, pace, microBatches]) => {
      const items = ordered('1f1b', stages, microBatches, pace);
      const all = items.flat();
      assert.is(all.length, 2 * stages.length * microBatches);
      for (const [chunk, stage] of stages.entries())
        for (const phase of ['forward', 'backward'] as const) {
          const own = at(items, stage).filter((item) => item.chunk === chunk && item.phase === phase);
          assert.equal(
            own.map(({ micro }) => micro),
            Array.from({ length: microBatches }, (_, i) => i),
          );
        }
      assert.ok(ends(items, stages.length));
      let inFlight = 0;
      for (const { chunk, phase } of at(items, at(stages, 0)))
        if (chunk === 0) {
          inFlight += phase === 'forward' ? 1 : -1;
          assert.ok(inFlight <= pace.inFlight);
        }
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
