/** The bytes that the forward pass notes for the backward pass, where the schedule says so. */
import { at } from '../../ir/box.ts';
import { typesOf } from '../../ir/graph.ts';
import { bytesOfValue, notingOp } from '../../ir/lean.ts';
import type { Program } from '../../ir/module.ts';

/** A forward program that notes bytes of the values named, each right after the value is made. */
export function withBytes(program: Program, values: readonly string[] = []): Program {
  if (values.length === 0) return program;
  const { graph, origins } = program;
  const [names, types] = [new Set(values), typesOf(graph)];
  const ops = graph.ops.map((op) => {
    const noting = names.has(op.output) ? notingOp(op, types) : undefined;
    return noting === undefined ? [op] : [op, noting];
  });
  return {
    ...program,
    graph: { ...graph, ops: ops.flat() },
    origins: ops.flatMap((some, index) => some.map(() => at(origins, index))),
  };
}

/** By value the bytes that a program notes of it. */
export function notedIn({ graph }: Pick<Program, 'graph'>): Map<string, string> {
  const made = new Set(graph.ops.map(({ output }) => output));
  return new Map(
    graph.ops.flatMap(({ output }) => {
      const bytes = bytesOfValue(output);
      return made.has(bytes) ? [[output, bytes] as const] : [];
    }),
  );
}
