/** Texts that ask for too much, or make no sense at all: an answer each time, and soon. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { compileModel } from './lower-model.ts';
import { fuzz } from './tests/testing.ts';

const head = 'model m\ninput image : f32[1, 8, 8]\ntarget land : class[8, 8] of 2\n';
const tail = '\nloss cross_entropy(image |> conv(2, 1), land)\ntrain sgd(0.1), batch = 1, steps = 1';

function codes(lines: string): string[] {
  const result = compileModel(head + lines + tail, 'm', { purpose: 'train' });
  return result.ok ? [] : [...new Set(result.diagnostics.map(({ code }) => code))];
}

const times = (count: number, text: string): string => text.repeat(count);

test('text size', () => {
  assert.equal(codes(times(300_000, ' ')), ['text-too-long']);
});

test('nesting, of every kind', () => {
  const nested = [
    `let a = ${times(5000, '(')}1${times(5000, ')')}`,
    `let a = ${times(5000, '[')}1${times(5000, ']')}`,
    `let a = ${times(5000, '{ ')}1${times(5000, ' }')}`,
    `let a = ${times(5000, '-')}1`,
    `let a = ${times(5000, 'not ')}true`,
    `let a = 2${times(5000, ' ^ 2')}`,
    `let a = ${times(5000, 'if true then 1 else ')}1`,
    `let a = ${times(5000, 'if f(1, 1) then 1 else ')}1`,
    `let a = 1${times(20_000, ' + 1')}`,
    `let a = image${times(20_000, ' |> relu')}`,
    `let a = ${times(5000, 'max(1, ')}1${times(5000, ')')}`,
    `let a = ${times(90, '(')}1${times(90, `${times(300, ' + 1')})`)}`,
  ];
  for (const text of nested) assert.equal(codes(text), ['nested-too-deeply'], text.slice(0, 40));
});

test('functions that call one another a hundred deep', () => {
  const chain = Array.from({ length: 900 }, (_, i) => `let f${i + 1}(x) = f${i}(x) + 1`).join('\n');
  assert.equal(codes(`let f0(x) = x\n${chain}\nlet a = f900(1)`), ['called-too-deeply']);
  assert.equal(codes(`let f0(x) = x\n${chain}\nlet a = f30(1)`), []);
});

test('numbers, lists, tensors', () => {
  assert.equal(codes('let a = 9007199254740993'), ['number-too-large']);
  assert.equal(codes('let a = 1e999'), ['number-too-large']);
  assert.equal(codes('let a = 1..1000000000000'), ['list-too-long']);
  assert.equal(codes('let a = image |> conv(100000000000, 1001)'), ['tensor-too-large']);
  assert.equal(codes('input huge : f32[3, 1000000000, 1000000000]'), ['tensor-too-large']);
  assert.equal(codes('input deep : f32[9000000000000, 8, 8] scaled by 2'), ['too-much-work']);
});

test('work and memory', () => {
  assert.equal(codes('let a = [[[0 for i in 1..1000] for j in 1..1000] for k in 1..1000]'), [
    'too-much-work',
  ]);
  assert.equal(
    codes('let a = image |> fold(1..1000) { step(i, x) = x |> fold(1..300) { step(j, y) = y |> relu } }'),
    ['too-many-ops'],
  );
  const doubling = times(40, 'X');
  const lists = [...doubling].map((_, i) => `let list${i + 1} = list${i} + list${i}`).join('\n');
  assert.equal(codes(`let list0 = [1]\n${lists}`), ['list-too-long']);
  const calls = [...doubling].map((_, i) => `let f${i + 1}(x) = f${i}(x) + f${i}(x)`).join('\n');
  assert.equal(codes(`let f0(x) = x\n${calls}\nlet a = f40(1)`), ['too-much-work']);
  const losses = [...doubling].map((_, i) => `let e${i + 1} = e${i} + e${i}`).join('\n');
  assert.equal(codes(`let e0 = cross_entropy(image |> conv(2, 1), land)\n${losses}`), []);
  assert.equal(codes('let long = [image for i in 1..50000]\nlet a = [concat(long) for i in 1..1000]'), [
    'too-much-work',
  ]);
  assert.equal(codes('let long = 1..90000\nlet a = [max(long) for i in 1..90000]'), ['too-much-work']);
  assert.equal(
    codes('let a = image |> unet(10000000) { encode(l, x) = x; down(l, x) = x; decode(l, s, x) = x }'),
    ['too-much-work'],
  );
});

test('many names, many faults: only so many are told', () => {
  const unknown = Array.from({ length: 8000 }, (_, i) => `let v${i} = w${i}(u${i})`).join('\n');
  const result = compileModel(head + unknown + tail, 'm', { purpose: 'train' });
  assert.ok(!result.ok && result.diagnostics.length <= 50);
});

test('no text at all', () => {
  const result = compileModel('', 'm', { purpose: 'train' });
  assert.equal(
    result.ok ? [] : result.diagnostics.map(({ code }) => code),
    times(4, 'missing-statement ').trim().split(' '),
  );
});

test('1,500 broken texts are all answered (100,000: scripts/fuzz-language.ts)', () => {
  const { sound } = fuzz(1_500, 1, () => 0);
  assert.ok(sound > 50);
});

test.run();
