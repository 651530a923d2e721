/** What is told of a segment's memory before it runs. That devices take as much: `bench/memory.ts`. */
import * as fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { wholeBox } from '../../ir/box.ts';
import { type Graph, type Op, typesOf } from '../../ir/graph.ts';
import { localKinds } from '../../ir/ops/table.ts';
import { array, dimsOf, map } from '../../ir/type.ts';
import { emitOnnx } from './emit.ts';
import { casesOf } from './testing/cases.ts';
import { memoryWays, segmentWorkspace, sizesOf } from './workspace.ts';

for (const kind of localKinds)
  test(`${kind}: its nodes give the sizes that the op has`, () =>
    fc.assert(
      fc.property(casesOf(kind), ({ graph, samples }) => {
        const sizes = sizesOf(graph, samples);
        for (const [name, type] of typesOf(graph)) assert.equal(sizes.get(name), dimsOf(type, samples), name);
      }),
      { numRuns: 30 },
    ));

const image = map(16, wholeBox([64, 64]));
const mapBytes = 16 * 64 * 64 * 4;

const op = <K extends Op['kind']>(kind: K, output: string, inputs: string[], attrs: unknown, type = image) =>
  ({ kind, output, inputs, attrs, type }) as Op;

const scale = (output: string, input: string) => op('scale', output, [input], { factor: 3 });
const sum = (output: string, input: string) => op('channel_sum', output, [input], {}, array([16]) as never);

const workspace = (ops: readonly Op[], outputs: readonly string[]): number => {
  const graph: Graph = { inputs: [{ name: 'x', type: image }], ops, outputs };
  return segmentWorkspace(graph, 1).bytes;
};

/** `maps` maps, and the small things beside them. */
const isAbout = (bytes: number, maps: number) =>
  assert.ok(bytes >= maps * mapBytes && bytes < (maps + 0.2) * mapBytes, `${bytes / mapBytes} maps`);

test('what an op reads and what it makes are there at once', () => {
  isAbout(workspace([scale('a', 'x'), scale('b', 'a'), sum('s', 'b')], ['s']), 2);
});

test('an activation writes over what it reads, unless somebody still needs that', () => {
  const relu = op('relu', 'r', ['a'], {});
  isAbout(workspace([scale('a', 'x'), relu, sum('s', 'r')], ['s']), 1);
  isAbout(workspace([scale('a', 'x'), relu, op('add', 'b', ['r', 'a'], {}), sum('s', 'b')], ['s']), 3);
});

test('a block that nobody needs any more is used again for the next value of its sizes', () => {
  isAbout(workspace([scale('a', 'x'), scale('b', 'a'), scale('c', 'b'), sum('s', 'c')], ['s']), 2);
});

test('the copy that is made of each output counts where there is little to compute', () => {
  isAbout(workspace([scale('a', 'x'), scale('b', 'x'), scale('c', 'x')], ['a', 'b', 'c']), 3);
});

test('a weight gradient of a large map takes a block, not copies of the map for each cell of the kernel', () => {
  const large = map(8, wholeBox([1024, 1024]));
  const attrs = {
    kernel: [3, 3],
    stride: [1, 1],
    dilation: [1, 1],
    pad: [
      [1, 1],
      [1, 1],
    ],
    groups: 1,
  };
  const graph: Graph = {
    inputs: [
      { name: 'x', type: large },
      { name: 'dy', type: large },
    ],
    ops: [op('conv_weight', 'dw', ['x', 'dy'], attrs, array([8, 8, 3, 3]) as never)],
    outputs: ['dw'],
  };
  assert.ok(segmentWorkspace(graph, 1).bytes < 8 * 1024 * 1024 * 4);
});

test('large blocks go back to the system, and the heap keeps its most: the two add up, whenever they are needed', () => {
  const large = map(16, wholeBox([256, 256])) as never;
  const graph: Graph = {
    inputs: [
      { name: 'x', type: image },
      { name: 'y', type: large },
    ],
    ops: [
      op('scale', 'big', ['y'], { factor: 3 }, large),
      sum('t', 'big'),
      scale('a', 'x'),
      scale('b', 'a'),
      sum('s', 'b'),
    ],
    outputs: ['t', 's'],
  };
  const { bytes, heap, cleared } = segmentWorkspace(graph, 1);
  isAbout(bytes, 16 + 2);
  isAbout(heap, 2);
  isAbout(cleared, 16);
});

/** What grows leaves gaps that the next one does not fit into. */
const growing = (count: number): Graph => {
  const wide = (channels: number) => map(channels, wholeBox([64, 64]));
  const joins = Array.from({ length: count }, (_, i) =>
    op('concat', `c${i}`, i === 0 ? ['x', 'x'] : [`c${i - 1}`, 'x'], {}, wide(16 * (i + 2)) as never),
  );
  const last = op('channel_sum', 's', [`c${count - 1}`], {}, array([16 * (count + 1)]) as never);
  return { inputs: [{ name: 'x', type: image }], ops: [...joins, last], outputs: ['s'] };
};

test('a file says how its memory is best taken, where that takes hardly more than a run needs', () => {
  const said = (graph: Graph): boolean =>
    Buffer.from(emitOnnx({ name: 'one', samples: 1, graph, workspace: 0 })).includes('unetc.memory');
  const alike: Graph = {
    inputs: [{ name: 'x', type: image }],
    ops: [scale('a', 'x'), scale('b', 'a'), scale('c', 'b'), sum('s', 'c')],
    outputs: ['s'],
  };
  assert.equal(memoryWays(alike, 1), ['one block']);
  assert.ok(said(alike));
  assert.equal(memoryWays(growing(6), 1), []);
  assert.not(said(growing(6)));
  assert.equal(memoryWays(alike, 4096), ['arena', 'one block']);
});

test.run();
