import * as fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { piecesOf, putPiece, takePiece } from './pieces.ts';

test('what goes piece by piece arrives, whatever the lengths', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(9), { maxLength: 8 }), fc.integer({ min: 1, max: 12 }), (lengths, size) => {
      let next = 0;
      const arrays = lengths.map((length) => Float32Array.from({ length }, () => next++));
      const arrived = lengths.map((length) => new Float32Array(length).fill(-1));
      const pieces = piecesOf(arrays, size);
      for (const piece of pieces) {
        const values = takePiece(arrays, piece);
        assert.ok(values.length > 0 && values.length <= size);
        putPiece(arrived, piece, values);
      }
      assert.equal(arrived, arrays);
      assert.is(pieces.length, Math.ceil(next / size));
    }),
  );
});

test.run();
