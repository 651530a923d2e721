import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Graph, Op } from './graph.ts';
import { strandsOf } from './strands.ts';
import { array } from './type.ts';

const op = (kind: 'axpy' | 'sgd_step', output: string, inputs: string[], elements: number, factor = 2): Op =>
  ({
    kind,
    output,
    inputs,
    attrs: kind === 'axpy' ? { factor } : { decay: 0 },
    type: array([elements]),
  }) as Op;

const graphOf = (sizes: Readonly<Record<string, number>>, ops: readonly Op[], outputs: string[]): Graph => ({
  inputs: Object.entries(sizes).map(([name, size]) => ({ name, type: array([size]) })),
  ops,
  outputs,
});

/** p' = p - rate * (2 m + g) and m' = 2 m + g, of two parameters; a statistic s' = 3 s + n. */
const update = graphOf(
  { hyper: 3, p: 5, m: 5, g: 5, q: 3, k: 3, h: 3, s: 2, n: 2 },
  [
    op('axpy', "m'", ['m', 'g'], 5),
    op('axpy', "k'", ['k', 'h'], 3),
    op('sgd_step', "p'", ['p', "m'", 'hyper'], 5),
    op('sgd_step', "q'", ['q', "k'", 'hyper'], 3),
    op('axpy', "s'", ['s', 'n'], 2, 3),
  ],
  ["p'", "m'", "q'", "k'", "s'"],
);

test('parameters are strands of one form, running statistics of another; all share the rate', () => {
  const strands = strandsOf(update);
  assert.equal(strands?.shared, ['hyper']);
  assert.equal(
    strands?.forms.map((form) => form.strands),
    [
      [
        { inputs: ['p', 'm', 'g'], outputs: ["p'", "m'"], elements: 5 },
        { inputs: ['q', 'k', 'h'], outputs: ["q'", "k'"], elements: 3 },
      ],
      [{ inputs: ['s', 'n'], outputs: ["s'"], elements: 2 }],
    ],
  );
  assert.equal(
    strands?.forms[0]?.graph.ops.map(({ output }) => output),
    ["m'", "p'"],
  );
});

test('strands that something connects are one', () => {
  const ops = [...update.ops, op('axpy', 'both', ["m'", "s'"], 5)];
  const strands = strandsOf({ ...update, ops, outputs: [...update.outputs, 'both'] });
  assert.equal(
    strands?.forms.map((form) => form.strands.map(({ inputs }) => inputs)),
    [[['p', 'm', 'g', 's', 'n']], [['q', 'k', 'h']]],
  );
});

test('a graph with an op that reads other cells than it writes has none', () => {
  const sum = { kind: 'channel_sum', output: 't', inputs: ['g'], attrs: {}, type: array([5]) } as Op;
  assert.is(strandsOf({ ...update, ops: [...update.ops, sum] }), undefined);
  assert.is(strandsOf({ ...update, ops: [] }), undefined);
});

test('nor has one that walks along what it also reads in full', () => {
  const odd = op('axpy', 'odd', ['hyper', 'q'], 3);
  assert.is(strandsOf({ ...update, ops: [...update.ops, odd] }), undefined);
});

test.run();
