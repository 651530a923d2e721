import * as fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { philox } from './philox.ts';

type Six = readonly [number, number, number, number, number, number];

const block = (...words: Six): number[] => {
  const out = new Uint32Array(4);
  philox(out, ...words);
  return [...out];
};

/** Philox4x32-10 of the Random123 distribution, file kat_vectors: counter, key, result. */
const knownAnswers: readonly (readonly [Six, readonly number[]])[] = [
  [
    [0, 0, 0, 0, 0, 0],
    [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8],
  ],
  [
    [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff],
    [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd],
  ],
  [
    [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0],
    [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
  ],
];

test('the published known answers', () => {
  for (const [words, answer] of knownAnswers) assert.equal(block(...words), [...answer]);
});

/** The definition in integers of any size. */
function plain([c0, c1, c2, c3, k0, k1]: Six): number[] {
  const word = (value: bigint) => value & 0xffffffffn;
  let [a, b, c, d, k, l] = [BigInt(c0), BigInt(c1), BigInt(c2), BigInt(c3), BigInt(k0), BigInt(k1)];
  for (let round = 0; round < 10; round++) {
    const [p, q] = [0xd2511f53n * a, 0xcd9e8d57n * c];
    [a, b, c, d] = [(q >> 32n) ^ b ^ k, word(q), (p >> 32n) ^ d ^ l, word(p)];
    [k, l] = [word(k + 0x9e3779b9n), word(l + 0xbb67ae85n)];
  }
  return [a, b, c, d].map(Number);
}

test('equals the definition in big integers', () => {
  const word = fc.nat({ max: 0xffffffff });
  fc.assert(
    fc.property(fc.tuple(word, word, word, word, word, word), (words) => {
      assert.equal(block(...words), plain(words));
    }),
    { numRuns: 500 },
  );
});

test.run();
