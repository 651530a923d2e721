import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Graph, Op } from './graph.ts';
import { mayWriteOver } from './in-place.ts';
import { array } from './type.ts';

const type = array([4]);
const axpy = (output: string, x: string, y: string): Op => ({
  kind: 'axpy',
  output,
  inputs: [x, y],
  attrs: { factor: 2 },
  type,
});
const graphOf = (...ops: readonly Op[]): Graph => ({
  inputs: ['p', 'g', 'm'].map((name) => ({ name, type })),
  ops,
  outputs: ops.map(({ output }) => output),
});

test('the last reader may write over what it reads, if the others lead to it', () => {
  const graph = graphOf(
    axpy('decayed', 'p', 'g'),
    axpy('next m', 'm', 'decayed'),
    axpy('next p', 'next m', 'p'),
  );
  assert.ok(mayWriteOver(graph, 'p', 'next p'));
  assert.ok(mayWriteOver(graph, 'm', 'next m'));
});

test('a reader that may come later forbids it', () => {
  const graph = graphOf(axpy('next p', 'g', 'p'), axpy('other', 'p', 'm'));
  assert.not.ok(mayWriteOver(graph, 'p', 'next p'));
});

test('so does an op that reads other cells than the one it writes', () => {
  const sum: Op = { kind: 'scale', output: 'next p', inputs: ['p'], attrs: { factor: 2 }, type };
  assert.not.ok(mayWriteOver(graphOf(sum), 'p', 'next p'));
});

test.run();
