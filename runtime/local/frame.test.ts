import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { decodeHeader, encodeHeader, frameReader, type Header } from './frame.ts';

type Message = { readonly tag: number; readonly bytes: Uint8Array };

/** All bytes of the messages, one after another. */
function stream(messages: readonly Message[]): Uint8Array {
  return Buffer.concat(
    messages.flatMap(({ tag, bytes }) => [encodeHeader({ tag, length: bytes.length }), bytes]),
  );
}

/** What a reader makes of the stream when it arrives in pieces of the given sizes, over and over. */
function read(bytes: Uint8Array, sizes: readonly number[]): Message[] {
  const messages: Message[] = [];
  const push = frameReader({
    place: ({ length }: Header) => new Uint8Array(length),
    complete: ({ tag }, body) => messages.push({ tag, bytes: body }),
  });
  for (let from = 0, turn = 0; from < bytes.length; turn++) {
    const size = sizes[turn % sizes.length] ?? 1;
    push(bytes.subarray(from, from + size));
    from += size;
  }
  return messages;
}

const message = fc
  .tuple(fc.nat(0xffffffff), fc.uint8Array({ maxLength: 60 }))
  .map(([tag, bytes]): Message => ({ tag, bytes }));
const messages = fc.array(message, {
  maxLength: 6,
});
const sizes = fc.array(fc.integer({ min: 1, max: 70 }), { minLength: 1, maxLength: 5 });

test('messages arrive whole however the stream is split and merged', () => {
  fc.assert(
    fc.property(messages, sizes, (sent, pieces) => {
      assert.equal(read(stream(sent), pieces), sent);
    }),
  );
});

test('a message without bytes is a message', () => {
  const empty = { tag: 7, bytes: new Uint8Array(0) };
  assert.equal(read(stream([empty, empty]), [1000]), [empty, empty]);
  assert.equal(read(stream([empty]), [16]), [empty]);
});

test('a header holds lengths beyond 4 GiB', () => {
  const header = { tag: 0xfffffffe, length: 5 * 2 ** 40 + 3 };
  assert.equal(decodeHeader(encodeHeader(header)), header);
});

test.run();
