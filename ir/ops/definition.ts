import type { Range } from '../box.ts';
import { type Fault, fault } from '../diagnostics/diagnostic.ts';
import type { KernelClass } from '../machine.ts';
import type { ArrayType, MapType, ValueType } from '../type.ts';
import type { OpAttributes, OpKind, Sides } from './attributes.ts';

/** How the gradient of an op is written: each call appends one op to the graph and gives its output's name. */
export type GradientBuilder = {
  emit<K extends OpKind>(kind: K, inputs: readonly string[], attrs: OpAttributes[K]): string;
  typeOf(name: string): ValueType;
};

export type OpCall<K extends OpKind> = {
  readonly attrs: OpAttributes[K];
  readonly inputs: readonly string[];
  readonly output: string;
};

/** An op that has no name yet. */
export type Unnamed = {
  [K in OpKind]: {
    readonly kind: K;
    readonly inputs: readonly string[];
    readonly attrs: OpAttributes[K];
  };
}[OpKind];

/** How the backward pass does with a byte for each cell of an op's result, instead of with whole maps. */
export type Lean<K extends OpKind> = {
  /** What makes the bytes, in the forward pass; undefined where a byte cannot tell enough. */
  note(call: OpCall<K>): Unnamed | undefined;
  /** As `gradient`, from these bytes. */
  gradient(b: GradientBuilder, call: OpCall<K>, dy: string, bytes: string): readonly string[];
};

/** What one box holds and what another needs of it, on one axis: how far an op's attributes shift. */
export type Placement = { readonly input: Range; readonly output: Range; readonly axis: number };

/**
 * The mathematics of one op. Facts live here; passes and backends ask, they never list kinds.
 * Extents are those of boxes, positions do not matter to `shape`: it gives boxes that begin at 0.
 */
export type OpDefinition<K extends OpKind> = {
  readonly doc: string;
  readonly operands: readonly string[];
  shape(attrs: OpAttributes[K], inputs: readonly ValueType[]): ValueType | Fault;
  /** Floating-point operations for one sample (for the whole array, where the output is one). */
  flops(attrs: OpAttributes[K], inputs: readonly ValueType[], output: ValueType): number;
  /** Which of a machine's efficiencies it runs at; absent: `pointwise`. */
  readonly kernel?: KernelClass;
  /** Its result may take the place of its first operand. */
  readonly inPlace?: true;
  /** Operands that each element of the result needs in full, of an op that walks the others along with the result. */
  readonly inFull?: readonly number[];
  /** Reads all cells of its maps at once, so that tiles need an exchange of sums (`tiles` pass refuses it). */
  readonly wholeExtent?: true;
  /** Takes a piece out of its operand, and reads no more of it than that. */
  readonly picks?: true;
  /** How many consecutive samples it must see at once, where that is more than one: see `Over`. */
  together?(attrs: OpAttributes[K]): number;
  /** Its operands are sums over whole samples, of which tiles have shares: they must be added up before it. */
  readonly needsSums?: true;
  /** A sum over owned cells: a tile's result is its share. */
  readonly sumsOwnedCells?: true;
  /**
   * The attributes for one of `parts` devices that hold the operands of `samples` samples in full, so that the
   * results of all of them are shares, which add up to the whole.
   */
  spread?(attrs: OpAttributes[K], by: { readonly parts: number; readonly samples: number }): OpAttributes[K];
  /** Absent where the backward pass reads no maps of it, or needs more than a byte of each cell. */
  readonly lean?: Lean<K>;
  /** It is never a part of a segment: devices meet in it, a sum grows in its place, or was made ahead. */
  readonly meets?: true;
} & (ForwardFacts<K> | AdjointFacts<K>);

/**
 * Ops of a role's program that no model has. Adjoint and update ops are never differentiated again; what
 * stands between devices is.
 */
type AdjointFacts<K extends OpKind> = {
  readonly region?: never;
  readonly localize?: never;
  readonly cropsItself?: never;
  gradient?(
    b: GradientBuilder,
    call: OpCall<K>,
    dy: string,
    wants: (input: number) => boolean,
  ): readonly (string | undefined)[];
};

type ForwardFacts<K extends OpKind> = {
  /**
   * The cells of input `operand` that the cells `out` of the output are computed from, on one axis, in
   * global coordinates. It may leave the image: what is outside is padding.
   */
  region(attrs: OpAttributes[K], axis: number, out: Range, operand: number): Range;
  /** The attributes for boxes instead of whole images. Absent where they do not depend on the box. */
  localize?(attrs: OpAttributes[K], placements: readonly Placement[]): OpAttributes[K];
  /** Takes what it needs out of a larger box itself, so no crop is put before it. */
  readonly cropsItself?: true;
  /** Cotangents of the inputs from that of the output; undefined where nothing flows (labels, counts). */
  gradient(
    b: GradientBuilder,
    call: OpCall<K>,
    dy: string,
    wants: (input: number) => boolean,
  ): readonly (string | undefined)[];
};

export type OpTable = { readonly [K in OpKind]: OpDefinition<K> };

/** The input at `index`, which the op's signature says is a map. Anything else is our own bug. */
export function mapAt(types: readonly ValueType[], index: number): MapType {
  const type = types[index];
  if (type?.kind !== 'map') throw new TypeError(`operand ${index} is ${type?.kind ?? 'missing'}, not a map`);
  return type;
}

export function arrayAt(types: readonly ValueType[], index: number): ArrayType {
  const type = types[index];
  if (type?.kind !== 'array')
    throw new TypeError(`operand ${index} is ${type?.kind ?? 'missing'}, not an array`);
  return type;
}

export const sum = (sides: Sides): number => sides[0] + sides[1];

/** `7 x 5`; what has no space is a vector. */
export const showSizes = (sizes: readonly number[]): string =>
  sizes.length === 0 ? 'a vector' : sizes.join(' x ');

export { type Fault, fault };
