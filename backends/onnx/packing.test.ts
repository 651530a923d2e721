import * as fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { aliveBytes, type Interval } from '../../ir/liveness.ts';
import { packedBytes } from './packing.ts';

const block = (birth: number, death: number, bytes: number): Interval => ({ birth, death, bytes });

test('a block takes the place of one that is gone', () => {
  assert.is(packedBytes([block(0, 1, 8), block(1, 2, 8), block(2, 3, 8)]), 16);
});

test('a gap is filled by what fits, and the least gap first', () => {
  const [left, wide, wall, narrow, last] = [8, 6, 4, 4, 2];
  const before = [
    block(0, 9, left),
    block(0, 1, wide),
    block(0, 9, wall),
    block(0, 1, narrow),
    block(0, 9, last),
  ];
  assert.is(packedBytes([...before, block(2, 9, 4), block(2, 9, 6)]), 24);
});

test('a block too large for any gap stands at the end', () => {
  assert.is(packedBytes([block(0, 1, 4), block(0, 9, 4), block(2, 9, 5)]), 13);
});

const blocks = fc
  .array(fc.tuple(fc.nat(20), fc.nat(6), fc.nat(100)), { maxLength: 40 })
  .map((all) => all.map(([birth, life, bytes]) => block(birth, birth + life, bytes)))
  .map((all) => all.sort((a, b) => a.birth - b.birth));

test('never less than what is alive at once, never more than everything', () => {
  fc.assert(
    fc.property(blocks, (all) => {
      const size = packedBytes(all);
      assert.ok(size >= Math.max(0, ...aliveBytes(all, 30)));
      assert.ok(size <= all.reduce((sum, { bytes }) => sum + bytes, 0));
    }),
  );
});

test.run();
