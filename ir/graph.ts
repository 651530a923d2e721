import type { OpAttributes, OpKind } from './ops/attributes.ts';
import type { Value, ValueType } from './type.ts';

/** One op: it gives the one value `output`, named once in its graph (SSA). */
export type OpOf<K extends OpKind> = {
  readonly kind: K;
  readonly output: string;
  readonly inputs: readonly string[];
  readonly attrs: OpAttributes[K];
  readonly type: ValueType;
};

export type Op = { [K in OpKind]: OpOf<K> }[OpKind];

/** Ops in an order in which each comes after its inputs. */
export type Graph = {
  readonly inputs: readonly Value[];
  readonly ops: readonly Op[];
  readonly outputs: readonly string[];
};

/** The type of each value of a graph by its name. */
export const typesOf = (graph: Pick<Graph, 'inputs' | 'ops'>): Map<string, ValueType> =>
  new Map([
    ...graph.inputs.map((value): [string, ValueType] => [value.name, value.type]),
    ...graph.ops.map((op): [string, ValueType] => [op.output, op.type]),
  ]);
