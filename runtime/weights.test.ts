/** Weights of other programs: other names, other lengths of floats, more or less than is wanted. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { encodeTensors, f32, type Tensor } from './files/safetensors.ts';
import { codesOf, emptyDirectory, good, messagesOf } from './tests/test-data.ts';
import { readWeights } from './weights.ts';

const model = {
  parameters: [
    { name: 'conv[0].weight', dims: [2, 1, 1, 1], init: { kind: 'zeros' } },
    { name: 'conv[0].bias', dims: [2], init: { kind: 'zeros' } },
  ],
} as const;

const file = join(emptyDirectory(), 'theirs.safetensors');

function reading(tensors: Readonly<Record<string, Tensor>>, names?: ReadonlyMap<string, string | null>) {
  const content = { tensors: new Map(Object.entries(tensors)), metadata: new Map() };
  writeFileSync(file, Buffer.concat([...encodeTensors(content)]));
  return readWeights(file, model, names);
}

const bias = f32(Float32Array.of(1, 2), [2]);
const dims = [2, 1, 1, 1];
const both = (weight: Tensor) => reading({ 'conv[0].weight': weight, 'conv[0].bias': bias });

/** The bits are those that numpy and PyTorch write. */
test('floats of 16 and 64 bits become those of 32', () => {
  for (const [weight, expected] of [
    [{ dtype: 'F64', dims, data: Float64Array.of(0.1, -3) }, [Math.fround(0.1), -3]],
    [{ dtype: 'F16', dims, data: Uint16Array.of(0x3c00, 0xc248) }, [1, -3.140625]],
    [{ dtype: 'F16', dims, data: Uint16Array.of(0x0001, 0x7bff) }, [2 ** -24, 65504]],
    [{ dtype: 'F16', dims, data: Uint16Array.of(0x8000, 0x03ff) }, [-0, 1023 * 2 ** -24]],
    [{ dtype: 'BF16', dims, data: Uint16Array.of(0x3f80, 0xc049) }, [1, -3.140625]],
    [{ dtype: 'BF16', dims, data: Uint16Array.of(0x0080, 0x8000) }, [2 ** -126, -0]],
  ] as const satisfies readonly (readonly [Tensor, readonly number[]])[])
    assert.equal([...(good(both(weight)).get('conv[0].weight') ?? [])], expected, weight.dtype);
});

test('what cannot be weights is named', () => {
  for (const [weight, said] of [
    [{ dtype: 'I64', dims, data: BigInt64Array.of(1n, 2n) }, 'is I64, no floats'],
    [{ dtype: 'I32', dims, data: new Uint8Array(8) }, 'is I32, no floats'],
    [{ dtype: 'F64', dims, data: Float64Array.of(1e300, 0) }, 'holds values that are not finite'],
    [{ dtype: 'F16', dims, data: Uint16Array.of(0x7c00, 0) }, 'holds values that are not finite'],
    [f32(Float32Array.of(0, Number.NaN), dims), 'holds values that are not finite'],
    [f32(Float32Array.of(1, 2), [1, 2, 1, 1]), 'is [1, 2, 1, 1], not [2, 1, 1, 1]'],
  ] as const satisfies readonly (readonly [Tensor, string])[])
    assert.ok(messagesOf(both(weight)).includes(`\`conv[0].weight\` ${said}`), messagesOf(both(weight)));
});

test('a part of the weights, where the table of names says so', () => {
  const names = new Map([
    ['conv[0].weight', 'inc.weight'],
    ['conv[0].bias', null],
  ]);
  const found = reading({ 'inc.weight': f32(Float32Array.of(5, 6), dims), 'outc.bias': bias }, names);
  assert.equal([...good(found).keys()], ['conv[0].weight']);
  assert.match(found.ok ? (found.warnings[0]?.message ?? '') : '', /does not use: `outc.bias` \[2\]$/);
});

test('a file of another network is one sentence, one that lacks something a sentence for each', () => {
  const other = reading({ a: bias, b: bias, c: bias, d: bias });
  assert.equal(codesOf(other), ['weights-differ']);
  assert.match(messagesOf(other), /none of its parameters, but 4 others \(`a`, `b`, `c`, \.\.\.\)/);
  assert.match(messagesOf(reading({ 'conv[0].bias': bias })), /`conv\[0\].weight` is missing/);
  assert.match(messagesOf(reading({})), /none of its parameters, but 0 others/);
});

test('files of torch.save are known, and left closed', () => {
  for (const head of [Buffer.from('PK\x03\x04'), Buffer.of(0x80, 0x02, 0x8a, 0x0a)]) {
    writeFileSync(file, Buffer.concat([head, Buffer.alloc(2000, 7)]));
    assert.match(messagesOf(readWeights(file, model)), /torch\.save.*save_file/);
  }
});

test.run();
