/**
 * Graphs that work element by element, as updates do, fall into strands: ops that nothing connects but what all read in
 * full (the rate). Strands of one form differ in names and lengths only. So they can be worked through in pieces that
 * stay in the cache, however large a parameter is: an update is a dozen passes over memory otherwise.
 */
import { at } from './box.ts';
import type { Graph, Op } from './graph.ts';
import { definitionOf } from './ops/table.ts';
import { product } from './type.ts';

/** How many elements of each value of a strand are worked on at once. */
export const pieceElements = 1 << 16;

/** Values in the order of those of its form. */
export type Strand = {
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly elements: number;
};

/** Strands that compute the same. `graph` is the first of them, without what it shares with others. */
export type Form = { readonly graph: Graph; readonly strands: readonly Strand[] };

export type Strands = {
  /** Inputs that are read in full. */
  readonly shared: readonly string[];
  readonly forms: readonly Form[];
};

const isShared = (op: Op, operand: number): boolean =>
  definitionOf(op.kind).inFull?.includes(operand) === true;

const walked = (op: Op): string[] => op.inputs.filter((_, operand) => !isShared(op, operand));

/** Ops that are connected by values other than shared ones, each group in the order of the graph. */
function connected(ops: readonly Op[]): Op[][] {
  const groups = new Map<string, Op[]>();
  for (const op of ops) {
    const names = [...walked(op), op.output];
    const met = [...new Set(names.flatMap((name) => (groups.has(name) ? [groups.get(name) ?? []] : [])))];
    const group = [...met.flat(), op];
    for (const member of group)
      for (const name of [...walked(member), member.output]) groups.set(name, group);
  }
  const order = new Map(ops.map((op, index) => [op, index]));
  const place = (op: Op): number => order.get(op) ?? 0;
  return [...new Set(groups.values())].map((group) => group.sort((a, b) => place(a) - place(b)));
}

/** The graph of a group of ops. */
function part(graph: Graph, ops: readonly Op[]): Graph {
  const read = new Set(ops.flatMap(walked));
  const made = new Set(ops.map(({ output }) => output));
  return {
    inputs: graph.inputs.filter(({ name }) => read.has(name)),
    ops,
    outputs: graph.outputs.filter((name) => made.has(name)),
  };
}

/** What strands of one form have in common, as text: names are told by their order. */
function formOf({ inputs, ops, outputs }: Graph): string {
  const names = new Map(
    [...inputs.map(({ name }) => name), ...ops.map(({ output }) => output)].map((n, i) => [n, i]),
  );
  const known = (name: string): string | number => names.get(name) ?? name;
  const steps = ops.map(({ kind, attrs, inputs }) => [kind, attrs, inputs.map(known)]);
  return JSON.stringify([inputs.length, steps, outputs.map(known)]);
}

const strandOf = ({ inputs, ops, outputs }: Graph): Strand => {
  const { type } = at(ops, 0);
  const elements = type.kind === 'array' ? product(type.dims) : 0;
  return { inputs: inputs.map(({ name }) => name), outputs, elements };
};

/** The strands of a graph; nothing where an op is not one of those that work element by element, or where a value is both. */
export function strandsOf(graph: Graph): Strands | undefined {
  const { ops, inputs, outputs } = graph;
  const areArrays = ops.every(
    ({ kind, type }) => definitionOf(kind).kernel === 'update' && type.kind === 'array',
  );
  if (ops.length === 0 || !areArrays) return undefined;
  const shared = new Set(ops.flatMap((op) => op.inputs.filter((_, operand) => isShared(op, operand))));
  const made = new Set(ops.map(({ output }) => output));
  const isClean =
    outputs.every((name) => made.has(name)) && ops.every((op) => !walked(op).some((n) => shared.has(n)));
  if (!isClean || [...shared].some((name) => made.has(name))) return undefined;
  const byForm = new Map<string, Graph[]>();
  for (const group of connected(ops)) {
    const own = part(graph, group);
    const form = formOf(own);
    byForm.set(form, [...(byForm.get(form) ?? []), own]);
  }
  return {
    shared: inputs.flatMap(({ name }) => (shared.has(name) ? [name] : [])),
    forms: [...byForm.values()].map((graphs) => ({ graph: at(graphs, 0), strands: graphs.map(strandOf) })),
  };
}
