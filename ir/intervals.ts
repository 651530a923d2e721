/**
 * Which cells of every value are needed so that given cells of some values can be computed: interval
 * propagation backwards through the graph, one axis at a time. Halos are read off the result.
 */
import { at, hull, intersect, length, type Range, range } from './box.ts';
import type { Op } from './graph.ts';
import type { Model } from './model.ts';
import type { OpAttributes, OpKind } from './ops/attributes.ts';
import type { OpDefinition } from './ops/definition.ts';
import { ops as definitions } from './ops/table.ts';
import { remembered } from './remembered.ts';
import type { ValueType } from './type.ts';

export type Ranges = ReadonlyMap<string, Range>;

/** The global types of all values of a model. */
export const modelTypes = remembered(
  (model: Model): ReadonlyMap<string, ValueType> =>
    new Map([
      ...model.inputs.map(({ name, type }): [string, ValueType] => [name, type]),
      ...model.parameters.map(({ name, dims }): [string, ValueType] => [
        name,
        { kind: 'array', element: 'f32', dims },
      ]),
      ...model.ops.map((op): [string, ValueType] => [op.output, op.type]),
    ]),
);

/** True for maps that cover space: what has a box that tiles can share out. */
export const isSpatial = (type: ValueType | undefined): boolean =>
  type?.kind === 'map' && type.box.length > 0;

export const extentOf = (type: ValueType | undefined, axis: number): number => {
  if (type?.kind !== 'map') throw new TypeError('only maps have extents');
  return length(at(type.box, axis));
};

/** The cells of operand `operand` that `out` of the op's result is computed from; may leave the image. */
export function regionOf(op: Op, axis: number, out: Range, operand: number): Range {
  const definition = definitions[op.kind] as OpDefinition<OpKind>;
  if (definition.region === undefined) throw new Error(`${op.kind} has no region: it is not a forward op`);
  return definition.region(op.attrs as OpAttributes[OpKind], axis, out, operand);
}

/** The part of a region that is inside the image. */
export const insideImage = (region: Range, extent: number): Range => intersect(region, range(0, extent));

/**
 * Cells of a result, more than asked for where those lie so deep in the padding (a tile that owns only cells
 * that `pad` added) that no operand has a cell for them: a local op always has something to read.
 */
function reachingImage(op: Op, axis: number, asked: Range, types: ReadonlyMap<string, ValueType>): Range {
  let out = asked;
  for (let operand = 0; operand < op.inputs.length; operand++) {
    const type = types.get(at(op.inputs, operand));
    if (!isSpatial(type)) continue;
    const extent = extentOf(type, axis);
    for (;;) {
      const region = regionOf(op, axis, out, operand);
      if (length(insideImage(region, extent)) > 0 || length(out) > extentOf(op.type, axis)) break;
      out = region.from >= extent ? range(out.from - 1, out.to) : range(out.from, out.to + 1);
    }
  }
  return out;
}

/**
 * Needed cells of every spatial value on one axis. `demands` are cells somebody outside asks for; an op
 * that sums owned cells or reads the whole extent must have its operands among them.
 * With `clip` (the default) no range leaves its value's extent; without, padding is counted too, as the
 * receptive field does. `held` says what must be there of the cells that an op reads of an operand: less where
 * others give some.
 */
export const neededRanges = (
  model: Model,
  axis: number,
  demands: Ranges,
  clip = true,
  held: (op: Op, operand: number, cells: Range) => Range = (_op, _operand, cells) => cells,
): Map<string, Range> => rangesNeeded(model.ops, modelTypes(model), axis, demands, clip, held);

/** The same of any ops whose values have these types, boxes counted from their first cells. */
export function rangesNeeded(
  ops: readonly Op[],
  types: ReadonlyMap<string, ValueType>,
  axis: number,
  demands: Ranges,
  clip = true,
  held: (op: Op, operand: number, cells: Range) => Range = (_op, _operand, cells) => cells,
): Map<string, Range> {
  const needed = new Map(demands);
  for (let index = ops.length - 1; index >= 0; index--) {
    const op = at(ops, index);
    const asked = needed.get(op.output);
    if (asked === undefined || length(asked) === 0 || !isSpatial(op.type)) continue;
    const out = clip ? reachingImage(op, axis, asked, types) : asked;
    if (out !== asked) needed.set(op.output, out);
    for (let operand = 0; operand < op.inputs.length; operand++) {
      const name = at(op.inputs, operand);
      const type = types.get(name);
      if (!isSpatial(type)) continue;
      const region = regionOf(op, axis, out, operand);
      const cells = held(op, operand, clip ? insideImage(region, extentOf(type, axis)) : region);
      const before = needed.get(name);
      needed.set(name, before === undefined ? cells : hull(before, cells));
    }
  }
  return needed;
}

/** Cells of the image that one cell of the value depends on, an axis: the largest over `period` positions. */
export function receptiveField(model: Model, value: string, input: string, period: number): number[] {
  const types = modelTypes(model);
  const type = types.get(value);
  if (type?.kind !== 'map') throw new TypeError(`${value} is not a map`);
  return type.box.map((_, axis) => {
    const middle = Math.floor(extentOf(type, axis) / 2);
    const lengths = Array.from({ length: period }, (_, offset) => {
      const cell = range(middle + offset, middle + offset + 1);
      const needed = rangesNeeded(model.ops, types, axis, new Map([[value, cell]]), false);
      return length(needed.get(input) ?? range(0, 0));
    });
    return Math.max(...lengths);
  });
}
