/** Runs a graph in float64: a whole model, its gradient, or a segment of a plan. */
import { asLocal, type Graph, type Op, type OpOf, typesOf } from '../../ir/graph.ts';
import type { LocalKind } from '../../ir/ops/attributes.ts';
import type { ValueType } from '../../ir/type.ts';
import { elementCount, type Kernel } from './kernels/kernel.ts';
import { kernels } from './kernels/table.ts';

/** Values by name. Whatever is u8 elsewhere is here an array of whole numbers. */
export type Values = ReadonlyMap<string, Float64Array>;

/**
 * The outputs of `graph` from its inputs, with `samples` samples in each map. A value is let go after its
 * last use. Missing inputs and wrong sizes are bugs of the caller and throw.
 */
export function runGraph(graph: Graph, samples: number, inputs: Values): Map<string, Float64Array> {
  const types = typesOf(graph);
  const values = new Map<string, Float64Array>();
  for (const { name, type } of graph.inputs) values.set(name, checked(name, type, samples, inputs.get(name)));
  const deaths = lastUses(graph);
  graph.ops.forEach((op, index) => {
    values.set(op.output, checked(op.output, op.type, samples, runOp(asLocal(op), samples, types, values)));
    for (const name of deaths.get(index) ?? []) values.delete(name);
  });
  return new Map(graph.outputs.map((name) => [name, present(values, name)]));
}

function runOp<K extends LocalKind>(
  op: OpOf<K>,
  samples: number,
  types: ReadonlyMap<string, ValueType>,
  values: Values,
): Float64Array {
  const kernel: Kernel<K> = kernels[op.kind];
  return kernel({
    attrs: op.attrs,
    inputs: op.inputs.map((name) => present(values, name)),
    types: op.inputs.map((name) => present(types, name)),
    type: op.type,
    samples,
  });
}

function present<T>(values: ReadonlyMap<string, T>, name: string): T {
  const value = values.get(name);
  if (value === undefined) throw new Error(`no value ${name}`);
  return value;
}

function checked(
  name: string,
  type: ValueType,
  samples: number,
  values: Float64Array | undefined,
): Float64Array {
  const expected = elementCount(type, samples);
  if (values?.length !== expected)
    throw new RangeError(`value ${name} has ${values?.length ?? 'no'} elements instead of ${expected}`);
  return values;
}

/** The values that nothing reads after the op of that index. */
function lastUses({ ops, outputs }: Graph): Map<number, string[]> {
  const last = new Map<string, number>();
  ops.forEach((op: Op, index) => {
    for (const name of [op.output, ...op.inputs]) last.set(name, index);
  });
  for (const name of outputs) last.delete(name);
  const deaths = new Map<number, string[]>();
  for (const [name, index] of last) deaths.set(index, [...(deaths.get(index) ?? []), name]);
  return deaths;
}
