import * as fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { range, wholeBox } from './box.ts';
import { cornerShares, sharesOf } from './corners.ts';

test('by hand: two cells to four, at 0, 1/3, 2/3 and 1', () => {
  const after = [0, 1, 2, 3].map((cell) => sharesOf(cell, 2, 2));
  const shares = [
    [0, 1, 0],
    [0, 2 / 3, 1 / 3],
    [1 / 3, 2 / 3, 0],
    [0, 1, 0],
  ];
  after.forEach((found, cell) => {
    found.forEach((share, which) => {
      assert.ok(Math.abs(share - (shares[cell]?.[which] ?? Number.NaN)) < 1e-15);
    });
  });
  assert.equal(sharesOf(2, 3, 1), [0, 1, 0]);
});

test('law: the shares are those of the place o (n - 1) / (f n - 1), and none is outside', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 2, max: 6 }), (cells, factor) => {
      for (let cell = 0; cell < cells * factor; cell++) {
        const [before, here, after] = sharesOf(cell, factor, cells);
        const j = Math.floor(cell / factor);
        const place = (cell * (cells - 1)) / (factor * cells - 1);
        assert.ok(Math.abs(before + here + after - 1) < 1e-12);
        assert.ok(Math.abs(before * (j - 1) + here * j + after * (j + 1) - place) < 1e-9);
        assert.ok((j > 0 || before === 0) && (j < cells - 1 || after === 0));
        assert.ok(Math.min(before, here, after) >= 0);
      }
    }),
  );
});

test('the shares of a part are that part of the shares of the whole', () => {
  const [corners, whole] = [{ axis: 1, factor: 3 }, wholeBox([1, 12])];
  const all = cornerShares(corners, whole, whole);
  const part = cornerShares(corners, whole, [range(0, 1), range(4, 9)]);
  for (const which of [0, 1, 2])
    assert.equal(part.slice(5 * which, 5 * which + 5), all.slice(12 * which + 4, 12 * which + 9));
});

test.run();
