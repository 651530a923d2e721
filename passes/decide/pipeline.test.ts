/** Exact times of orders, and bounds that no order beats. */
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { at } from '../../ir/box.ts';
import type { Order } from '../../ir/schedule.ts';
import { type Item, ordered } from '../lower/order.ts';
import { type ChunkLoad, evaluateOrder, pipelineBound } from './pipeline.ts';

const chunk = (stage: number, forward: number, backward: number, message = 0): ChunkLoad => ({
  stage,
  forward,
  backward,
  inSeconds: message,
  outSeconds: message,
});

/** The same system, without an order of evaluation: starts are raised until nothing changes. */
function fixpoint(
  items: readonly (readonly Item[])[],
  chunks: readonly ChunkLoad[],
  overlaps: boolean,
): number {
  const key = ({ chunk, phase, micro }: Item) => `${phase} ${chunk} ${micro}`;
  const start = new Map(items.flat().map((item) => [key(item), 0]));
  const arrived = new Map<string, number>();
  const length = (item: Item) => {
    const { inSeconds, outSeconds, early = [] } = at(chunks, item.chunk);
    const waits = inSeconds + outSeconds + early.reduce((sum, { seconds }) => sum + seconds, 0);
    return at(chunks, item.chunk)[item.phase] + (overlaps ? 0 : waits);
  };
  const end = (item: Item) => (start.get(key(item)) ?? 0) + length(item);
  const messages = chunks.flatMap(({ inSeconds, early = [] }, to) => [
    ...(to === 0 ? [] : [{ from: to - 1, to, seconds: inSeconds }]),
    ...early.map((one) => ({ from: one.chunk, to, seconds: one.seconds })),
  ]);
  for (let changed = true; changed; ) {
    changed = false;
    const raise = (map: Map<string, number>, name: string, value: number) => {
      if (value <= (map.get(name) ?? 0)) return;
      map.set(name, value);
      changed = true;
    };
    for (const own of items)
      own.forEach((item, index) => {
        const { chunk, phase, micro } = item;
        if (index > 0) raise(start, key(item), end(at(own, index - 1)));
        if (phase === 'backward') raise(start, key(item), end({ ...item, phase: 'forward' }));
        messages.forEach(({ from, to, seconds }, which) => {
          const [source, reader] = phase === 'forward' ? [from, to] : [to, from];
          if (reader !== chunk) return;
          const name = `${phase} ${which} ${micro}`;
          const taken = overlaps ? seconds : 0;
          raise(arrived, name, end({ chunk: source, phase, micro }) + taken);
          if (taken > 0) raise(arrived, name, (arrived.get(`${phase} ${which} ${micro - 1}`) ?? 0) + taken);
          raise(start, key(item), arrived.get(name) ?? 0);
        });
      });
  }
  return Math.max(...items.flat().map(end));
}

const time = fc.integer({ min: 1, max: 9 });
const message = fc.integer({ min: 0, max: 12 });
const shape = fc.constantFrom(
  [0, 1],
  [0, 1, 2],
  [0, 1, 0],
  [0, 1, 2, 1, 0],
  [0, 1, 2, 3, 2, 1, 0],
  [0, 1, 0, 1],
);

const pipelines = shape.chain((stages) =>
  fc.tuple(...stages.map((stage) => fc.tuple(fc.constant(stage), time, time, message, message))).map((all) =>
    all.map(([stage, f, b, inSeconds, outSeconds], index): ChunkLoad => {
      const early = index > 2 ? { early: [{ chunk: index - 2, seconds: outSeconds }] } : {};
      return { stage, forward: f, backward: b, inSeconds, outSeconds, ...early };
    }),
  ),
);

const orders = fc.constantFrom<Order[]>('gpipe', '1f1b', 'one_after_another');

test('an order takes as long as the least solution of its equations', () => {
  fc.assert(
    fc.property(
      pipelines,
      orders,
      fc.integer({ min: 1, max: 6 }),
      fc.boolean(),
      (chunks, order, m, overlaps) => {
        const stages = chunks.map(({ stage }) => stage);
        const { seconds, busy, timeline } = evaluateOrder(order, chunks, m, overlaps);
        assert.is(seconds, fixpoint(ordered(order, stages, m), chunks, overlaps));
        assert.ok(busy.every((one) => one <= seconds));
        assert.is(timeline.length, 2 * m * chunks.length);
        assert.ok(pipelineBound(chunks, m, overlaps) <= seconds);
      },
    ),
    { numRuns: 150 },
  );
});

/** The least time over all orders of the items of all stages: branch and bound over who ends next. */
function leastTime(chunks: readonly ChunkLoad[], microBatches: number): number {
  const stages = Math.max(...chunks.map(({ stage }) => stage)) + 1;
  const ends = chunks.map(() => ({
    forward: new Array<number>(microBatches).fill(-1),
    backward: new Array<number>(microBatches).fill(-1),
  }));
  const free = new Array<number>(stages).fill(0);
  let best = Number.POSITIVE_INFINITY;
  const readyAt = (index: number, phase: Item['phase'], micro: number): number => {
    const own = at(ends, index);
    if (phase === 'backward' && at(own.forward, micro) < 0) return -1;
    const before = ends[phase === 'forward' ? index - 1 : index + 1];
    const after = before === undefined ? 0 : at(before[phase], micro);
    return Math.max(after, phase === 'backward' && after >= 0 ? at(own.forward, micro) : after);
  };
  const visit = (left: number, now: number): void => {
    if (now >= best) return;
    if (left === 0) {
      best = Math.max(...free);
      return;
    }
    for (const [index, { stage, ...times }] of chunks.entries())
      for (const phase of ['forward', 'backward'] as const) {
        // Micro-batches are alike: the next is always the first that is not done.
        const list = at(ends, index)[phase];
        const micro = list.indexOf(-1);
        const ready = micro < 0 ? -1 : readyAt(index, phase, micro);
        if (ready < 0) continue;
        const before = at(free, stage);
        const end = Math.max(before, ready) + times[phase];
        if (end >= best) continue;
        list[micro] = end;
        free[stage] = end;
        visit(left - 1, now);
        list[micro] = -1;
        free[stage] = before;
      }
  };
  visit(2 * microBatches * chunks.length, 0);
  return best;
}

test('no order at all is faster than the bound', () => {
  const small = fc
    .constantFrom([0, 1], [0, 1, 0], [0, 1, 2])
    .chain((stages) =>
      fc.tuple(...stages.map((stage) => fc.tuple(time, time).map(([f, b]) => chunk(stage, f, b)))),
    );
  fc.assert(
    fc.property(small, fc.integer({ min: 1, max: 2 }), (chunks, m) => {
      assert.ok(pipelineBound(chunks, m) <= leastTime(chunks, m));
    }),
    { numRuns: 40 },
  );
});

test('the load of the slowest stage times the micro-batches, plus one path, would be no bound', () => {
  const chunks = [chunk(0, 5, 5), chunk(1, 1, 1)];
  assert.is(leastTime(chunks, 4), 40);
  assert.is(pipelineBound(chunks, 4), 40);
});

test('1f1b of two equal stages, drawn', () => {
  const { timeline, seconds, inFlight } = evaluateOrder('1f1b', [chunk(0, 1, 2), chunk(1, 1, 2)], 3, true);
  const lines = ['', ''].map((_, stage) => {
    const line = new Array<string>(seconds).fill('.');
    for (const { stage: own, phase, micro, start, end } of timeline)
      if (own === stage) line.fill(`${phase === 'forward' ? 'abc'[micro] : 'ABC'[micro]}`, start, end);
    return line.join('');
  });
  assert.equal(lines, ['ab..AAcBB.CC', '.aAAbBBcCC..'.padEnd(seconds, '.')]);
  assert.equal(inFlight, [2, 1]);
});

test.run();
