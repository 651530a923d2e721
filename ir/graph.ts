import { type LocalKind, meetingKinds, type OpAttributes, type OpKind } from './ops/attributes.ts';
import { remembered } from './remembered.ts';
import { isSameData, pairwise, sameItems } from './same-data.ts';
import { sameTypes, type Value, type ValueType } from './type.ts';

/** One op: it gives the one value `output`, named once in its graph (SSA). */
export type OpOf<K extends OpKind> = {
  readonly kind: K;
  readonly output: string;
  readonly inputs: readonly string[];
  readonly attrs: OpAttributes[K];
  readonly type: ValueType;
};

export type Op = { [K in OpKind]: OpOf<K> }[OpKind];

/** An op that a backend computes. */
export type LocalOp = { [K in LocalKind]: OpOf<K> }[LocalKind];

export const isLocal = (op: Op): op is LocalOp => !meetingKinds.some((kind) => kind === op.kind);

/** An op of a segment, in which devices never meet. */
export function asLocal(op: Op): LocalOp {
  if (isLocal(op)) return op;
  throw new Error(`${op.kind} inside a segment`);
}

/** Ops in an order in which each comes after its inputs. */
export type Graph = {
  readonly inputs: readonly Value[];
  readonly ops: readonly Op[];
  readonly outputs: readonly string[];
};

/** The type of each value of a graph by its name. */
export const typesOf = remembered((graph: Pick<Graph, 'inputs' | 'ops'>): ReadonlyMap<string, ValueType> => {
  const types = new Map<string, ValueType>();
  for (const { name, type } of graph.inputs) types.set(name, type);
  for (const { output, type } of graph.ops) types.set(output, type);
  return types;
});

/** The types of those names that have one: of the operands of an op, in a sound graph of all. */
export function typesAmong(
  types: ReadonlyMap<string, ValueType>,
  names: readonly string[],
): readonly ValueType[] {
  const found: ValueType[] = [];
  for (const name of names) {
    const type = types.get(name);
    if (type !== undefined) found.push(type);
  }
  return found;
}

/** Whether two graphs are the same data. What differs between those of tiles is told first: the cells. */
export const sameGraphs = (one: Graph, other: Graph): boolean =>
  pairwise(one.ops, other.ops, (mine, theirs) => sameTypes(mine.type, theirs.type)) &&
  pairwise(one.inputs, other.inputs, sameValues) &&
  sameItems(one.outputs, other.outputs) &&
  pairwise(one.ops, other.ops, sameOps);

const sameValues = (one: Value, other: Value): boolean =>
  one.name === other.name && sameTypes(one.type, other.type);

const sameOps = (one: Op, other: Op): boolean =>
  one.kind === other.kind &&
  one.output === other.output &&
  sameItems(one.inputs, other.inputs) &&
  isSameData(one.attrs, other.attrs);

/** What two graphs on other cells may have in common. */
export type NamedGraph = {
  readonly inputs: readonly { readonly name: string }[];
  readonly ops: readonly Pick<Graph['ops'][number], 'kind' | 'output' | 'inputs'>[];
  readonly outputs: readonly string[];
};

/** Whether two graphs do the same, by name, whatever the cells. */
export const graphsAlike = (one: NamedGraph, other: NamedGraph): boolean =>
  pairwise(one.inputs, other.inputs, (mine, theirs) => mine.name === theirs.name) &&
  sameItems(one.outputs, other.outputs) &&
  pairwise(
    one.ops,
    other.ops,
    (mine, theirs) =>
      mine.kind === theirs.kind && mine.output === theirs.output && sameItems(mine.inputs, theirs.inputs),
  );
