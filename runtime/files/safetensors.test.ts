import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Result } from '../../ir/diagnostics/diagnostic.ts';
import { product } from '../../ir/type.ts';
import { emptyDirectory, good, messagesOf } from '../tests/test-data.ts';
import {
  encodeTensors,
  f32,
  readMetadata,
  readTensors,
  type Tensor,
  type TensorFile,
} from './safetensors.ts';

const directory = emptyDirectory();
const file = join(directory, 'x.safetensors');

const encode = (content: TensorFile): Buffer => Buffer.concat([...encodeTensors(content)]);

function decode(bytes: Uint8Array): Result<TensorFile> {
  writeFileSync(file, bytes);
  return readTensors(file);
}

const filled = (dims: readonly number[], bits: Uint8Array): readonly Tensor[] => {
  const bytes = (width: number) =>
    Uint8Array.from({ length: product(dims) * width }, (_, i) => bits[i % bits.length] ?? 0).buffer;
  return [
    { dtype: 'F32', dims, data: new Float32Array(bytes(4)) },
    { dtype: 'F64', dims, data: new Float64Array(bytes(8)) },
    { dtype: 'I64', dims, data: new BigInt64Array(bytes(8)) },
    { dtype: 'U8', dims, data: new Uint8Array(bytes(1)) },
    { dtype: 'BF16', dims, data: new Uint16Array(bytes(2)) },
    { dtype: 'I32', dims, data: new Uint8Array(bytes(4)) },
  ];
};

const tensor = fc
  .tuple(fc.array(fc.nat(3), { maxLength: 4 }), fc.uint8Array({ minLength: 1, maxLength: 40 }), fc.nat(5))
  .map(([dims, bits, kind]) => filled(dims, bits)[kind] ?? f32(new Float32Array(), [0]));

const name = fc.string({ unit: 'grapheme', maxLength: 12 }).filter((text) => text !== '__metadata__');
const contents = fc.record({
  tensors: fc.array(fc.tuple(name, tensor), { maxLength: 6 }).map((list) => new Map(list)),
  metadata: fc.array(fc.tuple(name, fc.string()), { maxLength: 4 }).map((list) => new Map(list)),
});

const bytesOf = ({ data }: Tensor): Buffer => Buffer.from(data.buffer, data.byteOffset, data.byteLength);

test('what is written is read again, to the bit', () => {
  fc.assert(
    fc.property(contents, (content) => {
      const read = good(decode(encode(content)));
      assert.equal([...read.tensors.keys()].sort(), [...content.tensors.keys()].sort());
      for (const [key, expected] of content.tensors) {
        const found = read.tensors.get(key) ?? f32(new Float32Array(), []);
        assert.equal([found.dtype, found.dims], [expected.dtype, expected.dims]);
        assert.ok(bytesOf(found).equals(bytesOf(expected)));
      }
      assert.equal(new Map([...read.metadata].sort()), new Map([...content.metadata].sort()));
      assert.equal(good(readMetadata(file)), read.metadata);
    }),
    {
      numRuns: 150,
      examples: [[{ tensors: new Map([['__proto__', f32(Float32Array.of(1), [1])]]), metadata: new Map() }]],
    },
  );
});

test('the layout is that of the format', () => {
  const bytes = encode({
    tensors: new Map([['a.weight', f32(Float32Array.of(1, 2), [2, 1])]]),
    metadata: new Map(),
  });
  const length = Number(bytes.readBigUInt64LE());
  assert.equal(JSON.parse(bytes.toString('utf8', 8, 8 + length)), {
    'a.weight': { dtype: 'F32', shape: [2, 1], data_offsets: [0, 8] },
  });
  assert.is(length % 8, 0);
  assert.is(bytes.length, 8 + length + 8);
  assert.is(bytes.readFloatLE(8 + length + 4), 2);
});

const whole = encode({
  tensors: new Map([
    ['a', f32(Float32Array.of(1, 2, 3), [3])],
    ['b', f32(Float32Array.of(4), [])],
  ]),
  metadata: new Map([['format', 'pt']]),
});

test('every shorter or longer file is refused', () => {
  for (let length = 0; length < whole.length; length++)
    assert.not.ok(decode(whole.subarray(0, length)).ok, `${length} bytes`);
  assert.match(
    messagesOf(decode(Buffer.concat([whole, Buffer.of(0)]))),
    /its tensors take 16 bytes, and it has 17/,
  );
});

const withHeader = (header: unknown, bytes: number): Buffer => {
  const text = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([length, text, Buffer.alloc(bytes)]);
};

const entry = (
  begin: number,
  end: number,
  shape: readonly unknown[] = [(end - begin) / 4],
  dtype = 'F32',
) => ({
  dtype,
  shape,
  data_offsets: [begin, end],
});

const refused: readonly (readonly [string, unknown, RegExp])[] = [
  ['a gap', { a: entry(0, 4), b: entry(5, 8, [1]) }, /`b` takes 3 bytes|does not begin/],
  ['a hole', { a: entry(0, 4), b: entry(8, 12) }, /`b` does not begin where the tensor before it ends/],
  ['an overlap', { a: entry(0, 8), b: entry(4, 12) }, /`b` does not begin/],
  ['a shape that does not fit', { a: entry(0, 12, [2]) }, /`a` takes 12 bytes, and its shape says otherwise/],
  ['a negative size', { a: entry(0, 12, [-3]) }, /`a` has no shape/],
  ['a huge size', { a: entry(0, 12, [2 ** 60]) }, /`a` has no shape/],
  ['an unknown type', { a: entry(0, 12, [3], 'F4') }, /`a` has the type F4, which is not supported/],
  ['an inherited type', { a: entry(0, 12, [3], 'toString') }, /not supported/],
  ['no place', { a: { dtype: 'F32', shape: [3] } }, /`a` has no place/],
  ['no tensor', { a: null }, /not supported/],
  ['a list', [], /its header is not an object/],
  ['no JSON', '{', /JSON/],
  ['metadata of numbers', { __metadata__: { step: 1 }, a: entry(0, 12) }, /something else than texts/],
];

for (const [what, header, words] of refused)
  test(`refused: ${what}`, () => assert.match(messagesOf(decode(withHeader(header, 12))), words));

test('a header that claims to be enormous costs nothing', () => {
  const bytes = Buffer.alloc(64, 0xff);
  assert.match(messagesOf(decode(bytes)), /does not begin as such a file does/);
});

test('a missing file is a diagnostic', () => {
  assert.match(messagesOf(readTensors(join(directory, 'none'))), /no such file/);
});

test.run();
