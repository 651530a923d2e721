/** One op as nodes, and the order in which the ops of a graph stand in its file. */
import { asLocal, type Graph, type Op, type OpOf } from '../../ir/graph.ts';
import { notedValue } from '../../ir/lean.ts';
import type { LocalKind } from '../../ir/ops/attributes.ts';
import type { ValueType } from '../../ir/type.ts';
import { adjointEmits } from './adjoint.ts';
import type { Builder } from './builder.ts';
import type { EmitTable } from './emitter.ts';
import { forwardEmits } from './forward.ts';
import { partialEmits } from './partials.ts';
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

/** Adds the nodes of all ops of a graph. */
export function emitOps(g: Builder, graph: Pick<Graph, 'ops'>, types: Types, samples: number): void {
  const ordered = fileOrder(graph);
  ordered.forEach((op, index) => {
    emitOp(g, asLocal(op), types, samples);
    const noted = notedValue(op.output);
    if (noted !== undefined && ordered.slice(index + 1).some(({ inputs }) => inputs.includes(noted)))
      noteFirst(g, noted, op.output);
  });
}

/**
 * Whoever reads the value from here on needs the bytes of it, too: of their shape, which is the value's. Else ONNX Runtime
 * would note them just before they are read, on the way back, and keep the value until then.
 */
function noteFirst(g: Builder, value: string, bytes: string): void {
  const after = `${bytes}~after`;
  g.define(after, () => g.op('Reshape', [value, g.op('Shape', [bytes])]));
  g.replace(value, after);
}

/** Adds the nodes of one op. */
export function emitOp<K extends LocalKind>(g: Builder, op: OpOf<K>, types: Types, samples: number): void {
  const site = {
    attrs: op.attrs,
    type: op.type,
    types: op.inputs.map((name) => typeNamed(types, name)),
    samples,
  };
  g.define(op.output, () => emits[op.kind](g, site, ...op.inputs.map((name) => g.current(name))));
}

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
