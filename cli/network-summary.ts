/** A network in numbers, level by level: what `unetc check` shows. The keys of its JSON are stable. */
import { at, extents, length, range } from '../ir/box.ts';
import { forwardFlops, parameterCount } from '../ir/cost.ts';
import { type Op, typesAmong } from '../ir/graph.ts';
import { isSpatial, modelTypes, rangesNeeded } from '../ir/intervals.ts';
import type { Model } from '../ir/model.ts';
import { flopsOf, ops } from '../ir/ops/table.ts';
import { stridesOf } from '../ir/tiling.ts';
import { bytesOf, product, type ValueType } from '../ir/type.ts';

export type LevelSummary = {
  /** log2 of `stride`: 0 is the finest. */
  readonly level: number;
  /** Cells of the image, an axis, that a step of one cell is. */
  readonly stride: number;
  /** Largest size of a map on this level, and the channel counts that occur. */
  readonly size: readonly number[];
  readonly channels: readonly number[];
  readonly ops: number;
  readonly parameters: number;
  readonly flops: number;
  /** Results of all ops of the level, for one sample. */
  readonly activationBytes: number;
  /** Cells of the image that a cell of the level's last map before the next level depends on. */
  readonly receptiveField: readonly number[];
};

export type NetworkSummary = {
  readonly name: string;
  readonly parameters: number;
  readonly ops: number;
  readonly forwardFlops: number;
  readonly levels: readonly LevelSummary[];
  readonly receptiveField: readonly number[];
  readonly outputs: Readonly<Record<string, readonly number[]>>;
};

export function summarizeNetwork(model: Model): NetworkSummary {
  const types = modelTypes(model);
  const strides = coarsestStrides(model);
  const coarsest = Math.max(1, ...strides.values());
  const byLevel = new Map<number, Op[]>();
  for (const op of spatialOps(model, types)) {
    const level = levelOf(strideOf(op, strides));
    const list = byLevel.get(level) ?? [];
    list.push(op);
    byLevel.set(level, list);
  }
  const levels = [...byLevel].sort(([a], [b]) => a - b);
  const output = model.outputs[0]?.value;
  return {
    name: model.name,
    parameters: parameterCount(model),
    ops: model.ops.length,
    forwardFlops: forwardFlops(model),
    levels: levels.map(([level, list]) =>
      summarizeLevel(model, types, level, list, firstDeeper(model, strides, level)),
    ),
    receptiveField: output === undefined ? [] : receptiveField(model, types, output, coarsest),
    outputs: Object.fromEntries(model.outputs.map(({ name, value }) => [name, shapeOf(types.get(value))])),
  };
}

/** Channels, then sizes. */
function shapeOf(type: ValueType | undefined): number[] {
  if (type === undefined) return [];
  return type.kind === 'map' ? [type.channels, ...extents(type.box)] : [...type.dims];
}

/** Everything but the losses, which belong to no level. */
export const spatialOps = (model: Model, types: ReadonlyMap<string, ValueType>): Op[] =>
  model.ops.filter(({ type, inputs }) => type.kind === 'map' && isSpatial(types.get(inputs[0] ?? '')));

/** For each spatial op of a model its level, in the order of the model. */
export function levelsOfOps(model: Model): ReadonlyMap<string, number> {
  const strides = coarsestStrides(model);
  const ops = spatialOps(model, modelTypes(model));
  return new Map(ops.map((op) => [op.output, levelOf(strideOf(op, strides))]));
}

const levelOf = (stride: number): number => Math.max(0, Math.round(Math.log2(stride)));

const strideOf = (op: Op, strides: ReadonlyMap<string, number>): number =>
  strides.get(op.output) ?? strides.get(op.inputs[0] ?? '') ?? 1;

/** For each map the cells of the image between two of its cells, on the axis where they are most. */
const coarsestStrides = (model: Model): Map<string, number> =>
  new Map([...stridesOf(model)].map(([name, axes]) => [name, Math.max(...axes)]));

/** Index of the first op that is coarser than a level: what comes before is the way down. */
function firstDeeper(model: Model, strides: ReadonlyMap<string, number>, level: number): number {
  const index = model.ops.findIndex((op) => levelOf(strideOf(op, strides)) > level);
  return index < 0 ? model.ops.length : index;
}

function summarizeLevel(
  model: Model,
  types: ReadonlyMap<string, ValueType>,
  level: number,
  list: readonly Op[],
  deeper: number,
): LevelSummary {
  const maps = list.flatMap(({ type }) => (type.kind === 'map' && type.box.length > 0 ? [type] : []));
  const largest = maps.toSorted((a, b) => product(extents(b.box)) - product(extents(a.box)))[0];
  const used = new Set(list.flatMap(({ inputs }) => inputs));
  const parameters = model.parameters.filter(({ name }) => used.has(name));
  const before = model.ops.slice(0, deeper);
  const last = list.findLast((op) => isSpatial(op.type) && before.includes(op)) ?? at(list, 0);
  return {
    level,
    stride: 2 ** level,
    size: largest === undefined ? [] : extents(largest.box),
    channels: [
      ...new Set(maps.filter(({ element }) => element === 'f32').map(({ channels }) => channels)),
    ].sort((a, b) => a - b),
    ops: list.length,
    parameters: parameters.reduce((sum, { dims }) => sum + product(dims), 0),
    flops: list.reduce((sum, op) => sum + flopsOf(op, typesOfInputs(op, types)), 0),
    activationBytes: list.reduce((sum, { type }) => sum + bytesOf(type, 1), 0),
    receptiveField: receptiveField(model, types, last.output, 1),
  };
}

const typesOfInputs = (op: Op, types: ReadonlyMap<string, ValueType>): readonly ValueType[] =>
  typesAmong(types, op.inputs);

/**
 * Cells of the image, an axis, that one cell of a value depends on: the largest over `period` positions.
 * Statistics over a whole extent make every cell depend on all of them.
 */
function receptiveField(
  model: Model,
  types: ReadonlyMap<string, ValueType>,
  value: string,
  period: number,
): number[] {
  const images = model.inputs.filter(({ source, type }) => source.from === 'image' && isSpatial(type));
  const type = types.get(value);
  if (type?.kind !== 'map') return [];
  if (dependsOnAll(model, value))
    return type.box.map((_, axis) => Math.max(...images.map((image) => sizeOf(image.type, axis))));
  return type.box.map((cells, axis) => {
    const middle = Math.floor(length(cells) / 2);
    const lengths = Array.from({ length: Math.min(period, 512) }, (_, offset) => {
      const asked = new Map([[value, range(middle + offset, middle + offset + 1)]]);
      const needed = rangesNeeded(model.ops, types, axis, asked, false);
      return Math.max(0, ...images.map(({ name }) => length(needed.get(name) ?? range(0, 0))));
    });
    return Math.max(...lengths);
  });
}

const sizeOf = (type: ValueType, axis: number): number =>
  type.kind === 'map' ? length(at(type.box, axis)) : 0;

/** Whether an op that reads the whole extent stands before a value. */
function dependsOnAll(model: Model, value: string): boolean {
  const used = new Set([value]);
  for (const op of model.ops.toReversed()) {
    if (!used.has(op.output)) continue;
    if (ops[op.kind].wholeExtent === true) return true;
    for (const input of op.inputs) used.add(input);
  }
  return false;
}
