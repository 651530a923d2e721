/**
 * A segment of a plan as one ONNX file. Forward and backward ops alike become plain ONNX nodes; the names of
 * the graph's inputs and outputs are those of our values. Maps are `[samples, channels, ...extents]`.
 */
import { asLocal, type Graph, type Op, type OpOf, typesOf } from '../../ir/graph.ts';
import type { LocalKind } from '../../ir/ops/attributes.ts';
import type { Segment } from '../../ir/plan.ts';
import { type Strands, strandsOf } from '../../ir/strands.ts';
import { dimsOf, type ValueType } from '../../ir/type.ts';
import { adjointEmits } from './adjoint.ts';
import { Builder } from './builder.ts';
import type { EmitTable } from './emitter.ts';
import { forwardEmits } from './forward.ts';
import { partialEmits } from './partials.ts';
import { encode, type Port } from './proto.ts';
import { updateEmits } from './update.ts';

/** The emission of every op kind: a kind that lacks one is a type error here. */
export const emits: EmitTable<LocalKind> = {
  ...forwardEmits,
  ...adjointEmits,
  ...partialEmits,
  ...updateEmits,
};

export type Types = ReadonlyMap<string, ValueType>;

export function typeNamed(types: Types, name: string): ValueType {
  const type = types.get(name);
  if (type === undefined) throw new Error(`the graph has no value "${name}"`);
  return type;
}

/** Adds the nodes of one op. */
export function emitOp<K extends LocalKind>(g: Builder, op: OpOf<K>, types: Types, samples: number): void {
  const site = {
    attrs: op.attrs,
    type: op.type,
    types: op.inputs.map((name) => typeNamed(types, name)),
    samples,
  };
  g.define(op.output, () => emits[op.kind](g, site, ...op.inputs));
}

const portOf = (name: string, type: ValueType, samples: number): Port => ({
  name,
  element: type.element,
  dims: dimsOf(type, samples),
});

/**
 * Ops in the order in which they stand in the file. ONNX Runtime does not run nodes as they stand: it goes
 * back from the nodes that nobody reads, the last one in the file first, and runs what each still needs. So
 * ops that nobody reads (gradients of parameters) stand at the end, the first last: then each runs
 * as soon as its operands are there, and these are let go. Otherwise all cotangents would be kept to the end.
 */
export function fileOrder({ ops }: Pick<Graph, 'ops'>): Op[] {
  const read = new Set(ops.flatMap(({ inputs }) => inputs));
  const last = ops.filter(({ output }) => !read.has(output));
  return [...ops.filter(({ output }) => read.has(output)), ...last.reverse()];
}

/** One strand of each form, of whatever length. */
const strandsGraph = ({ inputs }: Graph, { shared, forms }: Strands): Graph => ({
  inputs: [
    ...inputs.filter(({ name }) => shared.includes(name)),
    ...forms.flatMap(({ graph }) => graph.inputs),
  ],
  ops: forms.flatMap(({ graph }) => graph.ops),
  outputs: forms.flatMap(({ graph }) => graph.outputs),
});

/**
 * The bytes of the segment's ONNX file; the same segment gives the same bytes. Of a graph of strands (`ir/strands.ts`)
 * the file has one of each form, for pieces of any length.
 */
export function emitOnnx({ name, samples, graph }: Segment): Uint8Array {
  const strands = strandsOf(graph);
  if (strands === undefined) return emitGraph({ name, samples, graph }, portOf);
  const sized = (value: string, type: ValueType): Port =>
    strands.shared.includes(value) ? portOf(value, type, samples) : { name: value, element: type.element };
  return emitGraph({ name, samples, graph: strandsGraph(graph, strands) }, sized);
}

type PortOf = (name: string, type: ValueType, samples: number) => Port;

function emitGraph({ name, samples, graph }: Omit<Segment, 'workspace'>, portOf: PortOf): Uint8Array {
  const types = typesOf(graph);
  const g = new Builder(new Set(types.keys()));
  for (const op of fileOrder(graph)) emitOp(g, asLocal(op), types, samples);
  return encode({
    name,
    nodes: g.nodes,
    constants: g.constants,
    inputs: graph.inputs.map((input) => portOf(input.name, input.type, samples)),
    outputs: graph.outputs.map((output) => portOf(output, typeNamed(types, output), samples)),
  });
}
