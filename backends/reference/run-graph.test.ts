import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { wholeBox } from '../../ir/box.ts';
import type { Graph, Op } from '../../ir/graph.ts';
import { map } from '../../ir/type.ts';
import { runGraph } from './run-graph.ts';

const type = map(1, wholeBox([2]));

const double = (input: string, output: string): Op => ({
  kind: 'scale',
  inputs: [input],
  output,
  attrs: { factor: 2 },
  type,
});

const graph: Graph = {
  inputs: [{ name: 'x', type }],
  ops: [
    double('x', 'a'),
    double('a', 'b'),
    { kind: 'add', inputs: ['a', 'b'], output: 'c', attrs: {}, type },
  ],
  outputs: ['c', 'a'],
};

test('runs ops in order and gives the outputs asked for', () => {
  const outputs = runGraph(graph, 2, new Map([['x', Float64Array.of(1, 2, 3, 4)]]));
  assert.equal([...outputs.keys()], ['c', 'a']);
  assert.equal([...(outputs.get('c') ?? [])], [6, 12, 18, 24]);
  assert.equal([...(outputs.get('a') ?? [])], [2, 4, 6, 8]);
});

test('an input may be an output', () => {
  const x = Float64Array.of(1, 2);
  assert.equal(runGraph({ ...graph, outputs: ['x'] }, 1, new Map([['x', x]])).get('x'), x);
});

test('missing inputs and wrong sizes throw', () => {
  assert.throws(() => runGraph(graph, 1, new Map()), /value x has no elements instead of 2/);
  assert.throws(() => runGraph(graph, 2, new Map([['x', Float64Array.of(1)]])), /1 elements instead of 4/);
});

test('an op that reads a value nobody made throws', () => {
  const broken = { ...graph, ops: [double('y', 'c')], outputs: ['c'] };
  assert.throws(() => runGraph(broken, 1, new Map([['x', Float64Array.of(1, 2)]])), /no value y/);
});

test.run();
