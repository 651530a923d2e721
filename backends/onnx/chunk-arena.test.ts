import * as fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { aliveBytes, type Interval } from '../../ir/liveness.ts';
import { arenaBytes } from './chunk-arena.ts';

const mebibyte = 2 ** 20;

const block = (birth: number, death: number, mebibytes: number): Interval => ({
  birth,
  death,
  bytes: mebibytes * mebibyte,
});

/** What is held, and a page for each region. */
const held = (mebibytes: number, regions: number): number => (mebibytes + 2 * regions) * mebibyte;

const none = Array.from({ length: 8 }, () => 0);

test('what is given back is given out again, in this run and the next', () => {
  const chain = [block(0, 1, 16), block(1, 2, 16), block(2, 3, 16), block(3, 4, 16)];
  assert.is(arenaBytes(chain, none), held(32, 2));
});

test('blocks of one region that are gone make room for a larger one', () => {
  const first = block(0, 7, 64);
  assert.is(arenaBytes([first, block(1, 2, 32), block(1, 2, 32), block(3, 4, 64)], none), held(128, 2));
});

test('blocks of two regions do not: a larger one needs a region more', () => {
  assert.is(arenaBytes([block(0, 1, 16), block(0, 1, 16), block(2, 3, 32)], none), held(64, 3));
});

test('what a step takes for itself counts', () => {
  const scratch = none.map((_, moment) => (moment === 1 ? 8 * mebibyte : 0));
  assert.is(arenaBytes([block(0, 2, 16)], scratch), held(24, 2));
});

const blocks = fc
  .array(fc.tuple(fc.nat(5), fc.nat(2), fc.nat(100)), { maxLength: 30 })
  .map((all) => all.map(([birth, life, size]) => block(birth, birth + life, size / 7)));

test('never less than what is alive at once', () => {
  fc.assert(
    fc.property(blocks, (all) => {
      assert.ok(arenaBytes(all, none) >= Math.max(0, ...aliveBytes(all, none.length)));
    }),
  );
});

test.run();
