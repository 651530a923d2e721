import { isFault } from '../../../ir/diagnostics/diagnostic.ts';
import { type Graph, type Op, typesOf } from '../../../ir/graph.ts';
import { makeOp } from '../../../ir/ops/table.ts';
import type { ValueType } from '../../../ir/type.ts';

/** The type that follows from an op and its operands; undefined where none does. */
export function inferType(op: Op, graph: Graph): ValueType | undefined {
  const types = typesOf(graph);
  try {
    const made = makeOp(
      op.kind,
      op.output,
      op.inputs,
      op.attrs,
      op.inputs.flatMap((name) => types.get(name) ?? []),
    );
    return isFault(made) ? undefined : made.type;
  } catch {
    return undefined;
  }
}
