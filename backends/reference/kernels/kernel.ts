/**
 * What a kernel of the reference backend is: the meaning of one op, in float64, written from its definition
 * and not from the code that it judges. Maps are `[samples, channels, ...extents(box)]`, row-major.
 */
import { extents, volume } from '../../../ir/box.ts';
import type { OpAttributes, OpKind } from '../../../ir/ops/attributes.ts';
import { elementsOf, type MapType, type ValueType } from '../../../ir/type.ts';

export type KernelCall<K extends OpKind> = {
  readonly attrs: OpAttributes[K];
  readonly inputs: readonly Float64Array[];
  /** Types of the inputs. */
  readonly types: readonly ValueType[];
  /** Type of the output. */
  readonly type: ValueType;
  /** Samples in each map. */
  readonly samples: number;
};

export type Kernel<K extends OpKind> = (call: KernelCall<K>) => Float64Array;

/** A kernel for each of some kinds of op. */
export type Kernels<K extends OpKind> = { readonly [Kind in K]: Kernel<Kind> };

/** Number of elements in memory. */
export const elementCount = (type: ValueType, samples: number): number =>
  elementsOf(type) * (type.kind === 'map' ? samples : 1);

/** A new output of zeros. */
export const zeros = ({ type, samples }: Pick<KernelCall<OpKind>, 'type' | 'samples'>): Float64Array =>
  new Float64Array(elementCount(type, samples));

/** The operand at `index`; a missing one is our own bug. */
export function operand(inputs: readonly Float64Array[], index: number): Float64Array {
  const values = inputs[index];
  if (values === undefined) throw new RangeError(`operand ${index} of ${inputs.length}`);
  return values;
}

/** `values[index]` of a typed array, for an index that is known to be inside. */
export function element(values: ArrayLike<number>, index: number): number {
  const value = values[index];
  if (value === undefined) throw new RangeError(`element ${index} of ${values.length}`);
  return value;
}

export function mapType(type: ValueType | undefined): MapType {
  if (type?.kind !== 'map') throw new TypeError(`${type?.kind ?? 'nothing'} where a map must be`);
  return type;
}

/** Channels and cells of a map. */
export type Planes = { readonly channels: number; readonly cells: number };

export function planesOf(type: ValueType | undefined): Planes {
  const { channels, box } = mapType(type);
  return { channels, cells: volume(box) };
}

/** Three axes: one and two spatial axes are three with leading ones of one cell. */
export type Three = readonly [depth: number, height: number, width: number];

/** A value for each of three axes from one for each of at most three, `filler` for the missing first ones. */
export function threeAxes<T>(perAxis: readonly T[], filler: T): readonly [T, T, T] {
  if (perAxis.length > 3) throw new RangeError(`${perAxis.length} spatial axes`);
  const [a = filler, b = filler, c = filler] = [...new Array(3 - perAxis.length).fill(filler), ...perAxis];
  return [a, b, c];
}

/** Extents of a map on three axes. */
export const threeExtents = (type: ValueType | undefined): Three => threeAxes(extents(mapType(type).box), 1);

export const cellsOf = ([depth, height, width]: Three): number => depth * height * width;
