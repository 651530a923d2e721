/**
 * What the backward pass reads of some ops in place of whole maps: a byte for each cell of their results, which the
 * forward pass notes. Here stands which ops can do that and what the bytes are called; for passes and the verifier.
 */
import { isFault } from './diagnostics/diagnostic.ts';
import { type Op, typesAmong } from './graph.ts';
import { isSpatial, modelTypes } from './intervals.ts';
import type { Model } from './model.ts';
import type { OpAttributes, OpKind } from './ops/attributes.ts';
import type { Lean, OpDefinition } from './ops/definition.ts';
import { makeOp, ops } from './ops/table.ts';
import { inStrip, readStripName } from './strips.ts';
import type { ValueType } from './type.ts';

const ending = '~bytes';

/** What is noted of the op that gives a value. */
export const bytesOfValue = (value: string): string => `${value}${ending}`;

/** The value that some bytes are noted of; undefined for all other names. */
export const valueOfBytes = (name: string): string | undefined =>
  name.endsWith(ending) ? name.slice(0, -ending.length) : undefined;

/** The value that bytes are noted of, be it that of a strip; undefined for all other names. */
export function notedValue(name: string): string | undefined {
  const strip = readStripName(name);
  const value = valueOfBytes(strip?.value ?? name);
  return value === undefined || strip === undefined ? value : inStrip(value, strip);
}

/** The facts of an op of whatever kind. */
export const leanOf = ({ kind }: Op): Lean<OpKind> | undefined => (ops[kind] as OpDefinition<OpKind>).lean;

/** The op that notes the bytes of another; undefined where that has none. `types`: of what the other reads and gives. */
export function notingOp(op: Op, types: ReadonlyMap<string, ValueType>): Op | undefined {
  const { output, inputs } = op;
  const noted = leanOf(op)?.note({ output, inputs, attrs: op.attrs as OpAttributes[OpKind] });
  if (noted === undefined || !isSpatial(op.type)) return undefined;
  const read = typesAmong(types, noted.inputs);
  const made = makeOp<OpKind>(noted.kind, bytesOfValue(output), noted.inputs, noted.attrs, read);
  if (isFault(made)) throw new Error(`bytes of ${output}: ${made.code}`);
  // They are of the cells of the result, wherever these lie.
  return { ...made, type: { ...op.type, element: 'u8' } } as Op;
}

/** Values of a model of which bytes can be noted. */
export function leanValues(model: Model): string[] {
  const types = modelTypes(model);
  return model.ops.flatMap((op) => (notingOp(op, types) === undefined ? [] : [op.output]));
}

/** The op that notes some bytes, as the model would have it; undefined for all other names. */
export function notingOpOf(model: Model, lean: readonly string[] = []): (name: string) => Op | undefined {
  if (lean.length === 0) return () => undefined;
  const [types, names] = [modelTypes(model), new Set(lean)];
  const noting = model.ops.flatMap((op) => (names.has(op.output) ? (notingOp(op, types) ?? []) : []));
  const byOutput = new Map(noting.map((op) => [op.output, op]));
  return (name) => byOutput.get(name);
}
