/**
 * An update is run in pieces of its parameters, written where it reads: whatever lengths these have, it is the update of
 * the reference.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { emitOnnx } from '../backends/onnx/emit.ts';
import { runGraph } from '../backends/reference/run-graph.ts';
import { at } from '../ir/box.ts';
import type { Graph } from '../ir/graph.ts';
import type { Optimizer } from '../ir/model.ts';
import { pieceElements } from '../ir/strands.ts';
import { product } from '../ir/type.ts';
import { updateGraph } from '../passes/lower/optimizer.ts';
import type { Held } from '../runtime/local/arena.ts';
import { openSessions } from '../runtime/local/sessions.ts';

const parameters = [
  { name: 'small', dims: [3] },
  { name: 'large', dims: [2 * pieceElements + 7] },
  { name: 'square', dims: [5, 2, 1, 3] },
];
const statistics = [{ parameter: 'mean', value: 'seen', momentum: 0.1, dims: [4] }];

const dimsIn = ({ inputs }: Graph, name: string): readonly number[] => {
  const type = inputs.find((input) => input.name === name)?.type;
  return type?.kind === 'array' ? type.dims : [];
};

const heldOf = (name: string, dims: readonly number[], data: Float32Array): Held => ({
  buffer: { name, value: name, element: 'f32', dims, bytes: data.byteLength, offset: 0 } as Held['buffer'],
  data,
});

const numbers = (length: number, seed: number): Float32Array =>
  Float32Array.from({ length }, (_, i) => Math.abs(Math.sin(i * 12.9898 + seed)));

async function compare(optimizer: Optimizer): Promise<void> {
  const { graph } = updateGraph(optimizer, parameters, (name) => `${name}~grad`, statistics);
  const folder = mkdtempSync(join(tmpdir(), 'unetc-pieces-'));
  const file = join(folder, 'update.onnx');
  const segment = { name: 'update', samples: 1, graph, workspace: 0 };
  writeFileSync(file, emitOnnx(segment));
  try {
    const held = new Map(
      graph.inputs.map(({ name }, i) => {
        const dims = dimsIn(graph, name);
        return [name, heldOf(name, dims, numbers(product(dims), i))];
      }),
    );
    const exact = new Map([...held].map(([name, { data }]) => [name, Float64Array.from(data)]));
    const expected = runGraph(graph, 1, exact);
    const slots = optimizer.kind === 'sgd' ? ['', '~momentum'] : ['', '~average', '~square'];
    const targets = [...parameters.flatMap(({ name }) => slots.map((slot) => `${name}${slot}`)), 'mean'];
    const writes = targets.map((name) => held.get(name)).filter((one) => one !== undefined);
    const sessions = openSessions([segment], { files: { update: file }, threads: 1 });
    await sessions.run('update', [...held.values()], writes);
    graph.outputs.forEach((output, i) => {
      const [values, own] = [expected.get(output), at(writes, i)];
      assert.is(own.data.length, values?.length);
      const errors = Float64Array.from(own.data, (value, j) => Math.abs(value - (values?.[j] ?? 0)));
      const worst = errors.reduce((most, error) => Math.max(most, error), 0);
      assert.ok(worst < 1e-5, `${own.buffer.name} is off by ${worst}`);
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test('by Adam', () => compare({ kind: 'adam', beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decay: 0 }));

test('by gradient descent with momentum', () =>
  compare({ kind: 'sgd', momentum: 0.9, nesterov: true, decay: 1e-4 }));

test.run();
