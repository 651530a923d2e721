/** The formatter: what it does to a text, that it keeps every meaning, and that it settles at once. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { formatModel } from './format-model.ts';
import { parseModel } from './parse-model.ts';
import { examples, mutate, numbers } from './tests/testing.ts';

const formatted = (text: string): string => {
  const result = formatModel(text);
  if (!result.ok) throw new Error(result.diagnostics.map(({ message }) => message).join('\n'));
  return result.value;
};

/** An Ast without its places: what a text means. */
function meaning(text: string): string {
  const ast = parseModel(text, 'x');
  if (!ast.ok) throw new Error('cannot be read');
  return JSON.stringify(ast.value, (key, value: unknown) => (key === 'at' ? undefined : value));
}

const untidy = `model    x   let a=1
let longer   =-2 // one
input image:f32[3,a , a]  scaled by 1 / 255  // two


target t :class[ a,a] of 2
block f(x,c=2)={let q=x|>relu
    // inside
(q+x)|>relu
  // at the end
}
let y=image|>unet( 3 ){
encode(l,x)=x
|>f(2)
decode(l,skip,x)=concat(
skip,
x|>up_conv(3,
2))
}
|>conv(2^l,1,pad=(1,2))
loss y  train sgd(-1)`;

const tidy = `model x
let a       = 1
let longer  = -2                            // one
input image : f32[3, a, a] scaled by 1/255  // two

target t : class[a, a] of 2
block f(x, c = 2) = { let q = x |> relu
  // inside
  (q + x) |> relu
  // at the end
}
let y = image |> unet(3) {
  encode(l, x) = x
    |> f(2)
  decode(l, skip, x) = concat(
    skip,
    x |> up_conv(3,
      2))
}
  |> conv(2^l, 1, pad = (1, 2))
loss  y
train sgd(-1)
`;

test('spaces, indentation and alignment are ours; line breaks and comments the author’s', () => {
  assert.fixture(formatted(untidy), tidy);
});

test('examples are formatted', () => {
  for (const [name, text] of examples) assert.fixture(formatted(text), text, name);
});

test('formatting keeps the meaning, and every comment', () => {
  const comments = (text: string) => text.match(/\/\/.*/g)?.map((comment) => comment.trimEnd());
  for (const text of [untidy, ...examples.values()]) {
    assert.is(meaning(formatted(text)), meaning(text));
    assert.equal(comments(formatted(text)), comments(text));
  }
});

test('broken texts that can still be read keep their meaning and settle at once', () => {
  const draw = numbers(3);
  const texts = [untidy, ...examples.values()];
  let read = 0;
  for (let i = 0; i < 1500; i++) {
    const text = mutate(texts[draw(texts.length)] ?? '', untidy, draw);
    const result = formatModel(text);
    if (!result.ok) continue;
    read += 1;
    assert.is(meaning(result.value), meaning(text), text);
    assert.is(formatted(result.value), result.value, text);
  }
  assert.ok(read > 100);
});

test.run();
