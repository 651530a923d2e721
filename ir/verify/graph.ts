/** Graphs: each value defined once and before its use, each type the one that the op and its operands give. */
import { type Diagnostic, diagnose, fault, isFault } from '../diagnostics/diagnostic.ts';
import { type Graph, type Op, typesAmong } from '../graph.ts';
import type { OpAttributes, OpKind } from '../ops/attributes.ts';
import type { OpDefinition } from '../ops/definition.ts';
import { ops } from '../ops/table.ts';
import { printType } from '../text/graph.ts';
import { sameSize, type ValueType } from '../type.ts';

export function verifyGraph({ inputs, ops: body, outputs }: Graph, place: string): Diagnostic[] {
  const types = new Map<string, ValueType>();
  const faults: Diagnostic[] = [];
  const define = (name: string, type: ValueType): void => {
    if (types.has(name)) faults.push(diagnose(fault('defined-twice', { place, value: name })));
    types.set(name, type);
  };
  for (const { name, type } of inputs) define(name, type);
  for (const op of body) {
    faults.push(...verifyOp(op, types, place));
    define(op.output, op.type);
  }
  for (const name of outputs)
    if (!types.has(name))
      faults.push(diagnose(fault('undefined-value', { place: `${place}: return`, value: name })));
  return faults;
}

const sound: Diagnostic[] = [];

function verifyOp(op: Op, types: ReadonlyMap<string, ValueType>, place: string): readonly Diagnostic[] {
  const operands = typesAmong(types, op.inputs);
  if (operands.length < op.inputs.length)
    return op.inputs
      .filter((name) => !types.has(name))
      .map((value) => diagnose(fault('undefined-value', { place: `${place}: ${op.output}`, value })));
  const inferred = inferredType(op, operands);
  if (typeof inferred !== 'string' && sameSize(inferred, op.type)) return sound;
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
