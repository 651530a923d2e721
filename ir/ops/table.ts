/** Every op, one record each. The type checker names every op that lacks one. */
import type { Op, OpOf } from '../graph.ts';
import { bytesOf, type ValueType } from '../type.ts';
import { adjointOps } from './adjoint.ts';
import { type LocalKind, meetingKinds, type OpAttributes, type OpKind } from './attributes.ts';
import { cells } from './cells.ts';
import { convolutions } from './convolutions.ts';
import type { Fault, OpDefinition, OpTable } from './definition.ts';
import { losses } from './losses.ts';
import { meetings } from './meetings.ts';
import { norms } from './norms.ts';
import { places } from './places.ts';
import { pools } from './pools.ts';
import { updateOps } from './update.ts';
import { vectors } from './vectors.ts';

export const ops: OpTable = {
  ...convolutions,
  ...pools,
  ...cells,
  ...places,
  ...norms,
  ...vectors,
  ...losses,
  ...meetings,
  ...adjointOps,
  ...updateOps,
};

export const opKinds = Object.keys(ops) as readonly OpKind[];

/** Those that a backend computes. */
export const localKinds = opKinds.filter(
  (kind): kind is LocalKind => !meetingKinds.some((meeting) => meeting === kind),
);

export const isOpKind = (word: string): word is OpKind => Object.hasOwn(ops, word);

export const definitionOf = <K extends OpKind>(kind: K): OpDefinition<K> => ops[kind];

/**
 * One op of a graph, its type inferred; or the fault that its operands do not fit. The record is built
 * from a kind and the attributes of that same kind, which is what `Op` says: the type checker cannot
 * follow that through a generic `K`, so it is said here, once.
 */
export function makeOp<K extends OpKind>(
  kind: K,
  output: string,
  inputs: readonly string[],
  attrs: OpAttributes[K],
  inputTypes: readonly ValueType[],
): Op | Fault {
  const type = definitionOf(kind).shape(attrs, inputTypes);
  if ('code' in type) return type;
  const op: OpOf<K> = { kind, output, inputs, attrs, type };
  return op as Op;
}

/** Floating-point operations of one op for one sample. */
export function flopsOf(op: Op, inputTypes: readonly ValueType[]): number {
  const facts = ops[op.kind] as OpDefinition<OpKind>;
  return facts.flops(op.attrs as OpAttributes[OpKind], inputTypes, op.type);
}

/** Bytes moved by one op for the given samples: one pass over its operands and one over its result. */
export const bytesMoved = (op: Op, inputTypes: readonly ValueType[], samples: number): number =>
  inputTypes.reduce((bytes, type) => bytes + bytesOf(type, samples), bytesOf(op.type, samples));
