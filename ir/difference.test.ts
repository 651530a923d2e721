/** What differs between two data, and the second made of the first and that. */
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { differenceOf, differing } from './difference.ts';

/** Of few names and numbers, so that two have something in common. */
const data = fc.letrec((tie) => ({
  datum: fc.oneof(
    { maxDepth: 4 },
    fc.integer({ min: 0, max: 2 }),
    fc.constantFrom('', 'a', null, true),
    fc.array(tie('datum'), { maxLength: 3 }),
    fc.dictionary(fc.constantFrom('a', 'b', '0', 'length'), tie('datum'), {
      maxKeys: 3,
      noNullPrototype: true,
    }),
  ),
})).datum;

test('the second is the first but for what differs, and so is what is read of its text', () => {
  fc.assert(
    fc.property(data, data, (one, other) => {
      const difference = differenceOf(one, other) ?? {};
      const written = JSON.parse(JSON.stringify(difference));
      // Where the first has no entries, that nothing differs is said by its own value.
      const made = typeof one === 'object' && one !== null ? written : [other];
      assert.equal(differing(one, made, 'but'), { value: other });
    }),
    { numRuns: 2000 },
  );
});

test('what is the same is shared, and what differs is all that is written', () => {
  const one = {
    name: 'a',
    boxes: [
      { from: 0, to: 4 },
      { from: 1, to: 2 },
    ],
    rest: { deep: [1] },
  };
  const other = {
    name: 'b',
    boxes: [
      { from: 0, to: 4 },
      { from: 1, to: 3 },
    ],
    rest: { deep: [1] },
  };
  const difference = differenceOf(one, other);
  assert.equal(difference, { name: ['b'], boxes: { 1: { to: [3] } } });
  const made = differing(one, difference, 'but') as { value: typeof one };
  assert.equal(made.value, other);
  assert.is(made.value.rest, one.rest);
  assert.is(made.value.boxes[0], one.boxes[0]);
  assert.equal(one.boxes[1], { from: 1, to: 2 }, 'the first is as it was');
});

test('nothing differs between the same data, whatever objects they are', () => {
  assert.is(differenceOf({ a: [1, { b: null }] }, { a: [1, { b: null }] }), undefined);
});

const wrong: readonly (readonly [difference: unknown, problem: string])[] = [
  [3, 'but is not a difference'],
  [[], 'but is not a difference'],
  [{ list: { 2: [0] } }, 'but.list.2 is of what is not there'],
  [{ list: { length: [9] } }, 'but.list.length is of what is not there'],
  [{ list: { '01': [9] } }, 'but.list.01 is of what is not there'],
  [{ other: [0] }, 'but.other is of what is not there'],
  [{ toString: [0] }, 'but.toString is of what is not there'],
  [JSON.parse('{ "__proto__": [{}] }'), 'but.__proto__ is of what is not there'],
  [{ number: { a: [0] } }, 'but.number is of what has no entries'],
  [{ list: { 0: 7 } }, 'but.list.0 is not a difference'],
];
for (const [difference, problem] of wrong)
  test(`${JSON.stringify(difference)} is refused`, () => {
    assert.equal(differing({ list: [1, 2], number: 1 }, difference, 'but'), { problem });
  });

test.run();
