/** Where results may be written over what a graph reads. */
import type { Graph, Op } from './graph.ts';
import { definitionOf } from './ops/table.ts';

/**
 * Whether `output` may have the memory of `input`, in whatever order an executor runs the ops: all that read the
 * input come before the op that gives the output, because it needs what they give, and that op itself works cell
 * by cell, as all ops of optimizers do.
 */
export function mayWriteOver({ ops }: Graph, input: string, output: string): boolean {
  const makers = new Map(ops.map((op) => [op.output, op]));
  const last = makers.get(output);
  if (last === undefined || definitionOf(last.kind).kernel !== 'update') return false;
  const before = leadingTo(last, makers);
  return ops.every((op) => !op.inputs.includes(input) || before.has(op));
}

/** The op, and all whose results it needs. */
function leadingTo(last: Op, makers: ReadonlyMap<string, Op>): ReadonlySet<Op> {
  const found = new Set<Op>([last]);
  for (const op of found)
    for (const name of op.inputs) {
      const maker = makers.get(name);
      if (maker !== undefined) found.add(maker);
    }
  return found;
}
