/** Graphs: each value defined once and before its use, each type the one that the op and its operands give. */
import { type Diagnostic, diagnose, fault, isFault } from '../diagnostics/diagnostic.ts';
import type { Graph, Op } from '../graph.ts';
import type { OpAttributes, OpKind } from '../ops/attributes.ts';
import type { OpDefinition } from '../ops/definition.ts';
import { ops } from '../ops/table.ts';
import { printType } from '../text/graph.ts';
import { sameSize, type Value, type ValueType } from '../type.ts';

export function verifyGraph({ inputs, ops: body, outputs }: Graph, place: string): Diagnostic[] {
  const types = new Map<string, ValueType>();
  const define = ({ name, type }: Value): Diagnostic[] => {
    const again = types.has(name);
    types.set(name, type);
    return again ? [diagnose(fault('defined-twice', { place, value: name }))] : [];
  };
  return [
    ...inputs.flatMap(define),
    ...body.flatMap((op) => [...verifyOp(op, types, place), ...define({ name: op.output, type: op.type })]),
    ...outputs
      .filter((name) => !types.has(name))
      .map((name) => diagnose(fault('undefined-value', { place: `${place}: return`, value: name }))),
  ];
}

function verifyOp(op: Op, types: ReadonlyMap<string, ValueType>, place: string): Diagnostic[] {
  const missing = op.inputs.filter((name) => !types.has(name));
  if (missing.length > 0)
    return missing.map((value) =>
      diagnose(fault('undefined-value', { place: `${place}: ${op.output}`, value })),
    );
  const inferred = inferredType(
    op,
    op.inputs.flatMap((name) => types.get(name) ?? []),
  );
  if (typeof inferred !== 'string' && sameSize(inferred, op.type)) return [];
  const expected = typeof inferred === 'string' ? inferred : printType(inferred);
  return [
    diagnose(
      fault('wrong-type', {
        place: `${place}: ${op.kind}`,
        value: op.output,
        found: printType(op.type),
        expected,
      }),
    ),
  ];
}

/** The type that follows from the op, or words for why there is none. */
function inferredType(op: Op, inputs: readonly ValueType[]): ValueType | string {
  const facts = ops[op.kind] as OpDefinition<OpKind>;
  try {
    const type = facts.shape(op.attrs as OpAttributes[OpKind], inputs);
    return isFault(type) ? diagnose(type).message : type;
  } catch (error) {
    // A text that was read may hold attributes of another op: `shape` trips over what is missing.
    return error instanceof Error ? error.message : 'no type';
  }
}
