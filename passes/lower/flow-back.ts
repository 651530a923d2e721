import { at } from '../../ir/box.ts';
import type { Op } from '../../ir/graph.ts';
import type { OpAttributes, OpKind } from '../../ir/ops/attributes.ts';
import type { OpDefinition } from '../../ir/ops/definition.ts';
import { ops } from '../../ir/ops/table.ts';
import type { Tape } from './tape.ts';

/** Cotangents that are known, by the value that they are of; they grow with each reader of the value. */
export type Cotangents = Map<string, string>;

/** Writes the adjoint of an op, and adds what flows back through it to the cotangents of its operands. */
export function flowBack(
  tape: Tape,
  op: Op,
  dy: string,
  cotangents: Cotangents,
  wanted: ReadonlySet<string>,
): void {
  const wants = (input: number) => wanted.has(at(op.inputs, input));
  const parts = gradientOf(op, tape, dy, wants);
  op.inputs.forEach((input, i) => {
    const part = parts[i];
    if (part === undefined || !wants(i)) return;
    const before = cotangents.get(input);
    if (before === undefined || part !== dy) tape.placed(part, input);
    if (before === undefined) cotangents.set(input, part);
    else cotangents.set(input, tape.placed(tape.emit('add', [before, part], {}), input));
  });
}

function gradientOf(op: Op, tape: Tape, dy: string, wants: (input: number) => boolean) {
  const facts = ops[op.kind] as OpDefinition<OpKind>;
  if (facts.gradient === undefined) throw new Error(`${op.kind} is not differentiated`);
  const { output, inputs } = op;
  return facts.gradient(tape, { output, inputs, attrs: op.attrs as OpAttributes[OpKind] }, dy, wants);
}
