import * as fc from 'fast-check';
import { Tensor } from 'onnxruntime-node';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { wholeBox } from '../../ir/box.ts';
import type { Graph, Op } from '../../ir/graph.ts';
import { map } from '../../ir/type.ts';
import { emitOnnx } from './emit.ts';
import { fileOrder } from './emit-op.ts';
import { chains } from './testing/chains.ts';
import { assertAgrees, runOnnx } from './testing/compare.ts';

const type = map(1, wholeBox([2]));

const scale = (output: string, input: string, factor: number): Op => ({
  kind: 'scale',
  output,
  inputs: [input],
  attrs: { factor },
  type,
});

const graph: Graph = {
  inputs: [{ name: 'x', type }],
  ops: [scale('a', 'x', 2), scale('side', 'a', 3), scale('b', 'a', 5), scale('end', 'b', 7)],
  outputs: ['end', 'side', 'a', 'x'],
};

const segment = { name: 's', samples: 2, graph, workspace: 0 };

test('inputs and outputs have the names and shapes of the values, whatever else reads them', async () => {
  const x = new Tensor('float32', Float32Array.of(1, 2, 3, 4), [2, 1, 2]);
  const results = await runOnnx(emitOnnx(segment), { x });
  assert.equal(Object.keys(results), ['end', 'side', 'a', 'x']);
  assert.equal([...(results.end?.data ?? [])], [70, 140, 210, 280]);
  assert.equal([...(results.side?.data ?? [])], [6, 12, 18, 24]);
  assert.equal([...(results.a?.data ?? [])], [2, 4, 6, 8]);
  assert.equal([...(results.x?.data ?? [])], [1, 2, 3, 4]);
});

test('values that nobody reads stand at the end of the file, the first of them last', () => {
  assert.equal(
    fileOrder(graph).map(({ output }) => output),
    ['a', 'b', 'end', 'side'],
  );
});

test('names that look like those of temporaries stay apart', async () => {
  const odd: Graph = {
    inputs: [{ name: 'constant~0', type }],
    ops: [{ kind: 'silu', output: 'y', inputs: ['constant~0'], attrs: {}, type }, scale('y~0', 'y', 2)],
    outputs: ['y~0'],
  };
  const x = new Tensor('float32', Float32Array.of(0, 1), [1, 1, 2]);
  const results = await runOnnx(emitOnnx({ ...segment, samples: 1, graph: odd }), { 'constant~0': x });
  const [zero = Number.NaN, one = 0] = [...(results['y~0']?.data ?? [])].map(Number);
  assert.is(zero, 0);
  assert.ok(Math.abs(one - 2 / (1 + Math.exp(-1))) < 1e-6);
});

test('the same segment gives the same bytes', () => {
  fc.assert(
    fc.property(chains, (example) => {
      const { graph, samples } = example;
      const again = structuredClone(graph);
      assert.equal(emitOnnx({ ...segment, samples, graph }), emitOnnx({ ...segment, samples, graph: again }));
    }),
    { numRuns: 20 },
  );
});

test("ONNX Runtime's merging of neighbouring nodes keeps what chains of ops compute", async () => {
  await fc.assert(
    fc.asyncProperty(chains, (example) => assertAgrees(example)),
    { numRuns: 300 },
  );
});

test.run();
