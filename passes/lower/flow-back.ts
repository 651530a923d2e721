import { at } from '../../ir/box.ts';
import type { Op } from '../../ir/graph.ts';
import type { OpAttributes, OpKind } from '../../ir/ops/attributes.ts';
import type { OpDefinition } from '../../ir/ops/definition.ts';
import { ops } from '../../ir/ops/table.ts';
import type { Tape } from './tape.ts';

/** Cotangents that are known, by the value that they are of; they grow with each reader of the value. */
export type Cotangents = Map<string, string>;

/** What flows where. */
export type Flow = {
  readonly cotangents: Cotangents;
  /** Values to which a cotangent flows. */
  readonly wanted: ReadonlySet<string>;
  /** What is noted of some values, a byte a cell, for the adjoints of the ops that give them. */
  readonly noted: ReadonlyMap<string, string>;
};

/** Writes the adjoint of an op, and adds what flows back through it to the cotangents of its operands. */
export function flowBack(tape: Tape, op: Op, dy: string, { cotangents, wanted, noted }: Flow): void {
  const wants = (input: number) => wanted.has(at(op.inputs, input));
  const parts = gradientOf(op, tape, dy, wants, noted.get(op.output));
  op.inputs.forEach((input, i) => {
    const part = parts[i];
    if (part === undefined || !wants(i)) return;
    const before = cotangents.get(input);
    if (before === undefined || part !== dy) tape.placed(part, input);
    if (before === undefined) cotangents.set(input, part);
    else cotangents.set(input, tape.placed(tape.emit('add', [before, part], {}), input));
  });
}

function gradientOf(
  op: Op,
  tape: Tape,
  dy: string,
  wants: (input: number) => boolean,
  bytes: string | undefined,
): readonly (string | undefined)[] {
  const facts = ops[op.kind] as OpDefinition<OpKind>;
  const { output, inputs } = op;
  const call = { output, inputs, attrs: op.attrs as OpAttributes[OpKind] };
  if (bytes !== undefined && facts.lean !== undefined) return facts.lean.gradient(tape, call, dy, bytes);
  if (facts.gradient === undefined) throw new Error(`${op.kind} is not differentiated`);
  return facts.gradient(tape, call, dy, wants);
}
