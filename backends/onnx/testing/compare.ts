/** Runs a graph by ONNX Runtime and by the reference on the same numbers. Used by tests only. */
import { InferenceSession, Tensor } from 'onnxruntime-node';
import type { Graph } from '../../../ir/graph.ts';
import { typesOf } from '../../../ir/graph.ts';
import { dimsOf, product, type ValueType } from '../../../ir/type.ts';
import { runGraph } from '../../reference/run-graph.ts';
import { emitOnnx } from '../emit.ts';
import type { Case, Fill } from './cases.ts';

/** Numbers in [0, 1), the same for the same seed (a linear congruential generator). */
function* uniform(seed: number): Generator<number, never> {
  let state = (seed * 2654435761 + 12345) >>> 0;
  while (true) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    yield state / 2 ** 32;
  }
}

const fills: Record<Fill, (u: number) => number> = {
  real: (u) => 4 * u - 2,
  // Few values, so that maxima tie.
  coarse: (u) => Math.floor(3 * u) - 1,
  positive: (u) => u + 0.01,
  labels: (u) => (u < 0.2 ? 255 : Math.floor(7 * u)),
  count: (u) => (u < 0.2 ? 0 : Math.ceil(20 * u)),
};

const float32 = (values: readonly number[]): Float32Array => Float32Array.from(values);

function numbers(fill: Fill, length: number, seed: number): number[] {
  const draw = uniform(seed);
  const values = Array.from({ length }, () => fills[fill](draw.next().value));
  return [...float32(values)];
}

const tensorOf = (type: ValueType, samples: number, values: readonly number[]): Tensor =>
  type.element === 'u8'
    ? new Tensor('uint8', Uint8Array.from(values), dimsOf(type, samples))
    : new Tensor('float32', float32(values), dimsOf(type, samples));

export async function runOnnx(
  bytes: Uint8Array,
  feeds: Readonly<Record<string, Tensor>>,
): Promise<InferenceSession.OnnxValueMapType> {
  const session = await InferenceSession.create(bytes, {
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
    logSeverityLevel: 4,
  });
  try {
    return await session.run(feeds);
  } finally {
    await session.release();
  }
}

/** The numbers that a case feeds to its graph. */
const inputsOf = ({ graph, samples, fills, seed }: Case): Map<string, number[]> =>
  new Map(
    graph.inputs.map(({ name, type }, i): [string, number[]] => [
      name,
      numbers(fills[name] ?? 'real', product(dimsOf(type, samples)), seed + i),
    ]),
  );

function assertClose(
  name: string,
  actual: ArrayLike<number | bigint>,
  expected: Float64Array,
  tolerance: number,
) {
  if (actual.length !== expected.length)
    throw new Error(`${name} has ${actual.length} elements instead of ${expected.length}`);
  // What is nearly 0 because larger numbers cancelled out has their rounding, not its own.
  const scale = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0.05);
  expected.forEach((value, i) => {
    const error = Math.abs(Number(actual[i]) - value);
    if (!(error <= tolerance * scale)) throw new Error(`${name}[${i}] is ${actual[i]}, should be ${value}`);
  });
}

/** Relative to the largest element of a result; class indices must be exact. */
const relativeTolerance = 1e-4;

function feedsOf(
  graph: Graph,
  samples: number,
  inputs: ReadonlyMap<string, number[]>,
): Record<string, Tensor> {
  return Object.fromEntries(
    graph.inputs.map(({ name, type }) => [name, tensorOf(type, samples, inputs.get(name) ?? [])]),
  );
}

/** Throws where an output of the case's graph differs from the reference's in type, shape or numbers. */
export async function assertAgrees(example: Case, tolerance = relativeTolerance): Promise<void> {
  const { graph, samples } = example;
  const inputs = inputsOf(example);
  const bytes = emitOnnx({ name: 'case', samples, graph, workspace: 0 });
  const actual = await runOnnx(bytes, feedsOf(graph, samples, inputs));
  const exact = new Map([...inputs].map(([name, values]) => [name, Float64Array.from(values)]));
  const expected = runGraph(graph, samples, exact);
  const types = typesOf(graph);
  for (const [name, values] of expected) {
    const [result, type] = [actual[name], types.get(name)];
    if (result === undefined || type === undefined) throw new Error(`no output ${name}`);
    if (String(result.dims) !== String(dimsOf(type, samples)))
      throw new Error(`${name} is ${result.dims}, should be ${dimsOf(type, samples)}`);
    const data = result.data as ArrayLike<number>;
    assertClose(name, data, values, type.element === 'u8' ? 0 : tolerance);
  }
}
