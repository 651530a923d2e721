import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { codesOf, good, messagesOf } from './tests/test-data.ts';
import { readWeightNames, weightNamesText } from './weight-names.ts';

const model = {
  parameters: [
    { name: 'conv[0].weight', dims: [4, 3, 3, 3], init: { kind: 'zeros' } },
    { name: 'conv[0].bias', dims: [4], init: { kind: 'zeros' } },
  ],
} as const;

const read = (text: string) => readWeightNames(text, 'names.json', model);

test('what is written maps every parameter to itself', () => {
  const text = weightNamesText(model);
  assert.equal(JSON.parse(text)['conv[0].weight'], { dims: [4, 3, 3, 3], from: 'conv[0].weight' });
  assert.equal(
    [...good(read(text))],
    [
      ['conv[0].weight', 'conv[0].weight'],
      ['conv[0].bias', 'conv[0].bias'],
    ],
  );
});

test('a name alone will do', () => {
  const names = good(read('{ "conv[0].weight": "a", "conv[0].bias": { "from": "b" } }'));
  assert.equal([...names.values()], ['a', 'b']);
});

test('null leaves a parameter as it is drawn', () => {
  const names = good(read('{ "conv[0].weight": "a", "conv[0].bias": { "dims": [4], "from": null } }'));
  assert.equal([...names.values()], ['a', null]);
  assert.equal([...good(read('{ "conv[0].weight": null, "conv[0].bias": null }')).values()], [null, null]);
});

test('all mistakes are named at once', () => {
  const wrong = read('{ "conv[0].weight": { "dims": [4] }, "conv[1].weight": "x" }');
  assert.equal(codesOf(wrong), Array(3).fill('weight-names-invalid'));
  for (const said of [
    /`conv\[1\]\.weight` is no parameter/,
    /`conv\[0\]\.weight` has no name/,
    /`conv\[0\]\.bias`/,
  ])
    assert.match(messagesOf(wrong), said);
  assert.match(messagesOf(read('{ "conv[0].weight": "a", "conv[0].bias": "a" }')), /`a` is given to two/);
  assert.match(messagesOf(read('{')), /not JSON/);
  assert.match(messagesOf(read('[]')), /not an object/);
});

test.run();
