import { at, type Box, extents, length, sameBox, volume } from './box.ts';

/** `f32` stands for the run's floating-point type: the reference computes the same graphs in float64. */
export type Element = 'f32' | 'u8';

/**
 * A tensor that exists once for each sample: in memory `[samples, channels, ...extents(box)]`.
 * The number of samples belongs to the plan, not to the type. `box` says which cells of the value are
 * held; an empty box list is a vector of channels for each sample.
 */
export type MapType = {
  readonly kind: 'map';
  readonly element: Element;
  readonly channels: number;
  readonly box: Box;
};

/** A tensor that exists once for all samples: parameters, gradients of parameters, losses. */
export type ArrayType = {
  readonly kind: 'array';
  readonly element: Element;
  readonly dims: readonly number[];
};

export type ValueType = MapType | ArrayType;

export type Value = { readonly name: string; readonly type: ValueType };

export const map = (channels: number, box: Box, element: Element = 'f32'): MapType => ({
  kind: 'map',
  element,
  channels,
  box,
});

export const array = (dims: readonly number[], element: Element = 'f32'): ArrayType => ({
  kind: 'array',
  element,
  dims,
});

/** The dimensions in memory for the given number of samples. */
export const dimsOf = (type: ValueType, samples: number): number[] =>
  type.kind === 'array' ? [...type.dims] : [samples, type.channels, ...extents(type.box)];

export function product(numbers: readonly number[]): number {
  let all = 1;
  for (const one of numbers) all *= one;
  return all;
}

/** Number of elements for one sample (of the whole array, for an array). */
export const elementsOf = (type: ValueType): number =>
  type.kind === 'array' ? product(type.dims) : type.channels * volume(type.box);

const bytesOfElement: Record<Element, number> = { f32: 4, u8: 1 };

export const bytesOf = (type: ValueType, samples: number): number =>
  elementsOf(type) * bytesOfElement[type.element] * (type.kind === 'map' ? samples : 1);

/** Equal but for where the box lies. */
export function sameSize(a: ValueType, b: ValueType): boolean {
  if (a.element !== b.element) return false;
  if (a.kind === 'array') return b.kind === 'array' && sameDims(a.dims, b.dims);
  return b.kind === 'map' && a.channels === b.channels && sameExtents(a.box, b.box);
}

/** Equal, where the box lies included. */
export function sameTypes(a: ValueType, b: ValueType): boolean {
  if (a === b) return true;
  if (a.element !== b.element) return false;
  if (a.kind === 'array') return b.kind === 'array' && sameDims(a.dims, b.dims);
  return b.kind === 'map' && a.channels === b.channels && sameBox(a.box, b.box);
}

function sameExtents(a: Box, b: Box): boolean {
  if (a === b) return true;
  if (a.length !== b.length) return false;
  for (let axis = 0; axis < a.length; axis++) if (length(at(a, axis)) !== length(at(b, axis))) return false;
  return true;
}

export function sameDims(a: readonly number[], b: readonly number[]): boolean {
  if (a === b) return true;
  if (a.length !== b.length) return false;
  for (let axis = 0; axis < a.length; axis++) if (a[axis] !== b[axis]) return false;
  return true;
}
