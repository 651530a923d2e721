/** One kernel called by itself, random values, and gradients by central differences. */
import { wholeBox } from '../../../ir/box.ts';
import type { OpAttributes, OpKind } from '../../../ir/ops/attributes.ts';
import { makeOp } from '../../../ir/ops/table.ts';
import { philox } from '../../../ir/philox.ts';
import { array, map, type Value, type ValueType } from '../../../ir/type.ts';
import { elementCount } from '../kernels/kernel.ts';
import { runGraph } from '../run-graph.ts';

/** A value with its type. */
export type Tensor = { readonly type: ValueType; readonly values: Float64Array };

export const mapOf = (channels: number, sizes: readonly number[], values: Iterable<number>): Tensor => ({
  type: map(channels, wholeBox(sizes)),
  values: Float64Array.from(values),
});

export const arrayOf = (dims: readonly number[], values: Iterable<number>): Tensor => ({
  type: array(dims),
  values: Float64Array.from(values),
});

/** The result of one op, its type inferred by the op table. */
export function apply<K extends OpKind>(
  kind: K,
  attrs: OpAttributes[K],
  operands: readonly Tensor[],
  samples = 1,
): Tensor {
  const inputs: Value[] = operands.map(({ type }, i) => ({ name: `x${i}`, type }));
  const names = inputs.map(({ name }) => name);
  const types = inputs.map(({ type }) => type);
  const op = makeOp(kind, 'y', names, attrs, types);
  if ('code' in op) throw new Error(`${kind}: ${op.code}`);
  const feeds = new Map(operands.map(({ values }, i) => [`x${i}`, values]));
  const y = runGraph({ inputs, ops: [op], outputs: ['y'] }, samples, feeds).get('y');
  return { type: op.type, values: y ?? new Float64Array(0) };
}

/** A stream of numbers uniform in ±1, the same for the same seed. */
export function randoms(seed: number): () => number {
  const words = new Uint32Array(4);
  let next = 0;
  return () => {
    if (next % 4 === 0) philox(words, next / 4, 0, 0, 0, seed, 0);
    return ((words[next++ % 4] ?? 0) + 0.5) / 2 ** 31 - 1;
  };
}

/** A tensor of that type from a stream of numbers. */
export const randomTensor = (type: ValueType, samples: number, draw: () => number): Tensor => ({
  type,
  values: Float64Array.from({ length: elementCount(type, samples) }, draw),
});

export const dot = (a: Float64Array, b: Float64Array): number =>
  a.reduce((sum, value, i) => sum + value * (b[i] ?? Number.NaN), 0);

/** d f / d values[i] for each i, by central differences. */
export function differences(
  values: Float64Array,
  f: (values: Float64Array) => number,
  h = 1e-4,
): Float64Array {
  return values.map((value, i) => {
    const moved = (by: number) => f(values.with(i, value + by));
    return (moved(h) - moved(-h)) / (2 * h);
  });
}

/** Gradient of Σ weights * op(operands) with respect to one operand, by central differences. */
export function numericGradient<K extends OpKind>(
  kind: K,
  attrs: OpAttributes[K],
  operands: readonly Tensor[],
  which: number,
  weights: Tensor,
  samples = 1,
): Float64Array {
  return differences(operands[which]?.values ?? new Float64Array(0), (values) => {
    const moved = operands.map((operand, i) => (i === which ? { ...operand, values } : operand));
    return dot(apply(kind, attrs, moved, samples).values, weights.values);
  });
}

/** Largest difference, relative to the largest element or 1. */
export function distance(a: Float64Array, b: Float64Array): number {
  if (a.length !== b.length) return Number.POSITIVE_INFINITY;
  const scale = Math.max(1, ...a.map(Math.abs), ...b.map(Math.abs));
  return Math.max(0, ...a.map((value, i) => Math.abs(value - (b[i] ?? Number.NaN)))) / scale;
}
