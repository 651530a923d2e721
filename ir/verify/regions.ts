/**
 * Regions: each role computes, at each tile that has it, what the plain network computes there. For every
 * op of the model the cells an operand is held on are those the op reads, and padding stands exactly where
 * the image ends; labels and predictions are those of the owned cells, which partition each value.
 */
import { at, type Box, extents, sameBox, shiftBox } from '../box.ts';
import { type Diagnostic, diagnose, fault } from '../diagnostics/diagnostic.ts';
import { type Graph, type Op, typesOf } from '../graph.ts';
import { extentOf, insideImage, isSpatial, modelTypes, regionOf } from '../intervals.ts';
import type { OpAttributes, OpKind } from '../ops/attributes.ts';
import type { OpDefinition } from '../ops/definition.ts';
import { ops } from '../ops/table.ts';
import type { Plan, Role, Segment } from '../plan.ts';
import { type Ownership, ownership } from '../tiling.ts';
import type { ValueType } from '../type.ts';

type Context = {
  readonly plan: Plan;
  readonly modelOps: ReadonlyMap<string, Op>;
  readonly globalTypes: ReadonlyMap<string, ValueType>;
  readonly owners: Ownership;
};

export function verifyRegions(plan: Plan): Diagnostic[] {
  const { model, schedule } = plan;
  const context: Context = {
    plan,
    modelOps: new Map(model.ops.map((op) => [op.output, op])),
    globalTypes: modelTypes(model),
    owners: ownership(model, schedule.cuts),
  };
  return plan.roles.flatMap((role) =>
    tilesOfRole(plan, role).flatMap((tile) => [
      ...segmentsOf(plan, role).flatMap(({ graph }) => graphFaults(context, role, graph, tile)),
      ...ownedFaults(context, role, tile),
    ]),
  );
}

/**
 * Tiles to check a role at. On one axis nothing depends on the others, so it is enough to walk each axis
 * with the others held at their first tile of the class.
 */
function tilesOfRole(plan: Plan, role: Role): number[][] {
  const onAxis = plan.axes.map(({ classes }, axis) =>
    classes.flatMap((kind, index) => (kind === at(role.classes, axis) ? [index] : [])),
  );
  const first = onAxis.map((indices) => at(indices, 0));
  const others = onAxis.flatMap((indices, axis) =>
    indices.slice(1).map((index) => first.map((tile, other) => (other === axis ? index : tile))),
  );
  return [first, ...others];
}

const segmentsOf = (plan: Plan, role: Role): Segment[] => {
  const used = new Set(
    role.instructions.flatMap((i) => (i.do === 'run' && i.why !== 'update' ? [i.segment] : [])),
  );
  return plan.segments.filter(({ name }) => used.has(name));
};

const show = (box: Box): string => `[${box.map(({ from, to }) => `${from}..${to}`).join(', ')}]`;

function graphFaults(context: Context, role: Role, graph: Graph, tile: readonly number[]): Diagnostic[] {
  const place = `${role.name}, tile ${tile.join(',')}`;
  const local = typesOf(graph);
  const cropped = new Map(graph.ops.flatMap((op) => (op.kind === 'crop' ? [[op.output, op]] : [])));
  /** The value of the model that a local value is a part of; undefined for cotangents. */
  const globalName = (name: string): string | undefined => {
    if (context.globalTypes.has(name)) return name;
    const crop = cropped.get(name);
    return crop === undefined ? undefined : globalName(at(crop.inputs, 0));
  };
  /** Global cells of a local value: its box moved to where the tile's part begins. */
  const cellsOf = (name: string): Box | undefined => {
    const type = local.get(name);
    const global = globalName(name);
    if (type?.kind !== 'map' || global === undefined || type.box.length === 0) return undefined;
    return shiftBox(
      type.box,
      tile.map((index, axis) => context.owners.origin(global, axis, index)),
    );
  };
  return graph.ops.flatMap((op) => {
    const global = context.modelOps.get(op.output);
    if (global !== undefined) return opFaults(context, op, global, { cellsOf, globalName }, tile, place);
    return op.kind === 'crop' && globalName(op.output) !== undefined ? cropFaults(op, cellsOf, place) : [];
  });
}

/** What a local value holds: cells of a value of the model. Both are undefined for cotangents. */
type Local = {
  cellsOf(name: string): Box | undefined;
  globalName(name: string): string | undefined;
};

const wrongRegion = (place: string, value: string, found: string, expected: string): Diagnostic =>
  diagnose(fault('wrong-region', { place, value, found, expected }));

/** A piece is the part of its value that its box says. */
function cropFaults(
  op: Extract<Op, { kind: 'crop' }>,
  cellsOf: (name: string) => Box | undefined,
  place: string,
): Diagnostic[] {
  const [out, from] = [cellsOf(op.output), cellsOf(at(op.inputs, 0))];
  if (out === undefined || from === undefined) return [];
  const expected = from.map((r, axis) => {
    const [lo, hi] = at(op.attrs.sides, axis);
    return { from: r.from + lo, to: r.to - hi };
  });
  return sameBox(out, expected) ? [] : [wrongRegion(place, op.output, show(out), show(expected))];
}

function opFaults(
  { globalTypes, owners }: Context,
  op: Op,
  global: Op,
  { cellsOf, globalName }: Local,
  tile: readonly number[],
  place: string,
): Diagnostic[] {
  if (op.kind !== global.kind) return [wrongRegion(place, op.output, op.kind, global.kind)];
  const facts = ops[global.kind] as OpDefinition<OpKind>;
  const out = cellsOf(op.output);
  const operands = global.inputs.flatMap((name, operand): Diagnostic[] => {
    const type = globalTypes.get(name);
    if (!isSpatial(type))
      return op.inputs[operand] === name
        ? []
        : [wrongRegion(place, op.output, op.inputs[operand] ?? '', name)];
    const local = at(op.inputs, operand);
    if (globalName(local) !== name) return [wrongRegion(place, op.output, local, `${name} or a part of it`)];
    const held = cellsOf(local);
    const region = (axis: number) =>
      facts.sumsOwnedCells || facts.wholeExtent || out === undefined
        ? owners.owned(name, axis, at(tile, axis))
        : insideImage(regionOf(global, axis, at(out, axis), operand), extentOf(type, axis));
    const needed = tile.map((_, axis) => region(axis));
    const enough =
      held !== undefined &&
      (facts.cropsItself
        ? held.every((r, axis) => r.from <= at(needed, axis).from && at(needed, axis).to <= r.to)
        : sameBox(held, needed));
    return enough
      ? []
      : [wrongRegion(place, at(op.inputs, operand), held ? show(held) : 'nothing', show(needed))];
  });
  return [...operands, ...attributeFaults(facts, op, global, out, cellsOf(op.inputs[0] ?? ''), place)];
}

/** The local attributes are those of the model, with padding where the image ends and nowhere else. */
function attributeFaults(
  facts: OpDefinition<OpKind>,
  op: Op,
  global: Op,
  out: Box | undefined,
  input: Box | undefined,
  place: string,
): Diagnostic[] {
  const attrs = global.attrs as OpAttributes[OpKind];
  const expected =
    facts.localize && out && input
      ? facts.localize(
          attrs,
          out.map((output, axis) => ({ axis, output, input: at(input, axis) })),
        )
      : attrs;
  const [found, wanted] = [JSON.stringify(op.attrs), JSON.stringify(expected)];
  return found === wanted ? [] : [wrongRegion(place, op.output, found, wanted)];
}

/** Labels, predictions and what is stored cover exactly the cells that the tile owns. */
function ownedFaults(
  { plan, globalTypes, owners }: Context,
  role: Role,
  tile: readonly number[],
): Diagnostic[] {
  const place = `${role.name}, tile ${tile.join(',')}`;
  const names = role.instructions.flatMap((i) => {
    if (i.do === 'metric') return [i.predicted, i.labels];
    if (i.do === 'store') return [i.from];
    return i.do === 'count' ? [i.from] : [];
  });
  return [...new Set(names)].flatMap((name) => {
    const buffer = role.buffers.find((candidate) => candidate.name === name);
    if (buffer?.box === undefined || !globalTypes.has(buffer.value)) return [];
    const origin = (axis: number) => owners.origin(buffer.value, axis, at(tile, axis));
    const held = shiftBox(
      buffer.box,
      tile.map((_, axis) => origin(axis)),
    );
    const owned = tile.map((index, axis) => owners.owned(buffer.value, axis, index));
    const fits = sameBox(held, owned) && extents(held).length === plan.model.rank;
    return fits ? [] : [wrongRegion(place, name, show(held), show(owned))];
  });
}
