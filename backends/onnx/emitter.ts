/** What the emission of an op kind is: a formula over the names of its operands. */
import { at, extents } from '../../ir/box.ts';
import type { OpAttributes, OpKind } from '../../ir/ops/attributes.ts';
import type { ValueType } from '../../ir/type.ts';
import type { Builder } from './builder.ts';

/** One op as its emission sees it. */
export type Site<K extends OpKind> = {
  readonly attrs: OpAttributes[K];
  readonly types: readonly ValueType[];
  readonly type: ValueType;
  /** Samples in each map. Forward ops do not look at it: an exported file leaves it open. */
  readonly samples: number;
};

/** Adds nodes to the graph and returns the name of the result. */
export type Emit<K extends OpKind> = (g: Builder, site: Site<K>, ...operands: string[]) => string;

export type EmitTable<K extends OpKind> = { readonly [Kind in K]: Emit<Kind> };

/** Cells on each axis; none for an array. */
export const extentOf = (type: ValueType): number[] => (type.kind === 'map' ? extents(type.box) : []);

export const channelsOf = (type: ValueType): number => (type.kind === 'map' ? type.channels : 0);

export const extentAt = (types: readonly ValueType[], operand: number): number[] =>
  extentOf(at(types, operand));

export const channelsAt = (types: readonly ValueType[], operand: number): number =>
  channelsOf(at(types, operand));
