import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { letGo } from './let-go.ts';

test('an array that was let go of is empty, and its memory is free at once', () => {
  const before = process.memoryUsage().arrayBuffers;
  const arrays = Array.from({ length: 8 }, () => new Float32Array(2 ** 20).fill(1));
  assert.ok(process.memoryUsage().arrayBuffers >= before + 2 ** 25);
  for (const array of arrays) letGo(array);
  assert.ok(process.memoryUsage().arrayBuffers < before + 2 ** 22);
  assert.equal(
    arrays.map(({ length }) => length),
    arrays.map(() => 0),
  );
});

test('letting go twice, or of nothing, does nothing', () => {
  const array = new Uint8Array(16);
  letGo(array);
  letGo(array);
  letGo(new Float32Array(0));
  assert.is(array.length, 0);
});

test.run();
