/** Shapes and regions that many ops share. */
import { at, extents, type Range, wholeBox } from '../box.ts';
import { elementsOf, type MapType, map, type ValueType } from '../type.ts';
import type { PoolAttributes, Sides, Window } from './attributes.ts';
import { type Fault, fault, mapAt, type Placement, showSizes } from './definition.ts';
import { windowsOver } from './windows.ts';

/** Each cell of the result is made of the same cell of the operands. */
export const sameCells = (_attrs: unknown, _axis: number, out: Range): Range => out;

export const sameType = (_attrs: unknown, inputs: readonly ValueType[]): ValueType => mapAt(inputs, 0);

export const perElement =
  (operations: number) =>
  (_attrs: unknown, _inputs: readonly ValueType[], output: ValueType): number =>
    operations * elementsOf(output);

/** A map with the given sizes, or the fault that a window is larger than its padded input. */
export function slid(
  op: string,
  x: MapType,
  channels: number,
  window: Window,
  sizes: readonly number[],
): MapType | Fault {
  if (sizes.some((size) => size < 1))
    return fault('window-too-large', {
      op,
      window: showSizes(window.kernel),
      sizes: showSizes(extents(x.box)),
    });
  return map(channels, wholeBox(sizes));
}

/** Padding of a box: of the cells the windows need, those outside the cells that are there. */
export const outside = (need: { from: number; to: number }, there: { from: number; to: number }): Sides => [
  there.from - need.from,
  need.to - there.to,
];

export function localPool<A extends PoolAttributes>(attrs: A, placements: readonly Placement[]): A {
  const pad = placements.map(({ axis, input, output }) => outside(windowsOver(attrs, axis, output), input));
  return { ...attrs, pad };
}

/** First fault among the operands of an op that needs equal boxes. */
export function unequal(op: string, inputs: readonly ValueType[]): Fault | undefined {
  const sizes = inputs.map((_, i) => showSizes(extents(mapAt(inputs, i).box)));
  const first = at(sizes, 0);
  const other = sizes.find((size) => size !== first);
  return other === undefined ? undefined : fault('sizes-differ', { op, sizes: `${first} and ${other}` });
}

export function weightFault(op: string, x: MapType, weightIn: number): Fault | undefined {
  return x.channels === weightIn
    ? undefined
    : fault('channels-differ', { op, expected: weightIn, channels: x.channels });
}

export function extentOf(type: ValueType): number[] {
  if (type.kind !== 'map') throw new TypeError('an array has no extents');
  return extents(type.box);
}
