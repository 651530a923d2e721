/**
 * A segment of a plan as one ONNX file. Forward and backward ops alike become plain ONNX nodes; the names of
 * the graph's inputs and outputs are those of our values. Maps are `[samples, channels, ...extents]`.
 */
import { type Graph, typesOf } from '../../ir/graph.ts';
import type { Segment } from '../../ir/plan.ts';
import { type Strands, strandsOf } from '../../ir/strands.ts';
import { dimsOf, type ValueType } from '../../ir/type.ts';
import { Builder } from './builder.ts';
import { emitOps, typeNamed } from './emit-op.ts';
import { encode, type Port } from './proto.ts';
import { memoryWays } from './workspace.ts';

const portOf = (name: string, type: ValueType, samples: number): Port => ({
  name,
  element: type.element,
  dims: dimsOf(type, samples),
});

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
  emitOps(g, graph, types, samples);
  return encode({
    name,
    nodes: g.nodes,
    constants: g.constants,
    inputs: graph.inputs.map((input) => portOf(input.name, input.type, samples)),
    outputs: graph.outputs.map((output) => portOf(output, typeNamed(types, output), samples)),
    memory: memoryWays(graph, samples),
  });
}
