/**
 * Regions: each role computes, at each tile that has it, what the plain network computes there. For every
 * op of the model the cells an operand is held on are those the op reads, and padding stands exactly where
 * the image ends; labels and predictions are those of the owned cells, which partition each value.
 */
import { at, type Box, extents, intersect, sameBox, shiftBox } from '../box.ts';
import { type Diagnostic, diagnose, fault } from '../diagnostics/diagnostic.ts';
import type { Op } from '../graph.ts';
import { extentOf, insideImage, isSpatial, modelTypes, regionOf } from '../intervals.ts';
import { notingOpOf, valueOfBytes } from '../lean.ts';
import type { OpAttributes, OpKind } from '../ops/attributes.ts';
import type { OpDefinition } from '../ops/definition.ts';
import { ops } from '../ops/table.ts';
import type { Plan } from '../plan.ts';
import { type Seat, tileAt } from '../ranks.ts';
import { isSameData } from '../same-data.ts';
import { tilesOf } from '../schedule.ts';
import { axisOfStrips, readStripName } from '../strips.ts';
import { type Ownership, tabledOwnership } from '../tiling.ts';
import { product, type ValueType } from '../type.ts';
import type { IndexedPlan, IndexedRole, IndexedSegment } from './indexed.ts';
import { placeOf, placeOfBuffer } from './lives.ts';
import { carriedOut, type Meaning } from './names.ts';
import { seatsOfRole } from './seats.ts';

type Context = {
  readonly plan: Plan;
  readonly segments: IndexedPlan['segments'];
  readonly modelOp: (output: string) => Op | undefined;
  /** By the name of bytes the op that notes them. */
  readonly noting: (output: string) => Op | undefined;
  readonly globalTypes: ReadonlyMap<string, ValueType>;
  readonly owners: Ownership;
};

export function verifyRegions({ plan, segments, roles }: IndexedPlan): Diagnostic[] {
  const { model, schedule } = plan;
  const context: Context = {
    plan,
    segments,
    modelOp: carriedOut(model),
    noting: notingOpOf(model, schedule.lean),
    globalTypes: modelTypes(model),
    owners: tabledOwnership(model, schedule.cuts),
  };
  return roles.flatMap((one) => {
    const running = graphsOf(context, one);
    return seatsOfRole(plan, one.role).flatMap((seat) => [
      ...running.flatMap(({ segment, part, index }) =>
        graphFaults(context, placeOf(one.role, index), segment, one.meaning, tileAt(plan, seat.place, part)),
      ),
      ...ownedFaults(context, one, seat),
    ]);
  });
}

/** A graph, the tile of the device that it runs for, and the first instruction that runs it. */
type Running = {
  readonly segment: IndexedSegment;
  readonly part: readonly number[] | undefined;
  readonly index: number;
};

/** Each graph that a role runs, once for each tile of the device. */
function graphsOf({ segments }: Context, { role, parts }: IndexedRole): Running[] {
  const found = new Map<string, Running>();
  for (let index = 0; index < role.instructions.length; index++) {
    const one = at(role.instructions, index);
    if (one.do !== 'run' || one.why === 'update') continue;
    const part = parts[index];
    const key = part === undefined ? one.segment : `${one.segment} ${part}`;
    const segment = found.has(key) ? undefined : segments.get(one.segment);
    if (segment !== undefined) found.set(key, { segment, part, index });
  }
  return [...found.values()];
}

/** The name of bytes without that of the strip that notes them. */
const withoutStrip = (name: string): string => {
  const strip = readStripName(name);
  return strip?.kind === 'strip' ? strip.value : name;
};

const show = (box: Box): string => `[${box.map(({ from, to }) => `${from}..${to}`).join(', ')}]`;

function graphFaults(
  context: Context,
  instruction: string,
  { graph, types: local }: IndexedSegment,
  globalName: Meaning,
  tile: readonly number[],
): Diagnostic[] {
  const place = `${instruction} at tile ${tile.join(',')}`;
  /** Global cells of a local value: its box moved to where the tile's part begins. */
  const movedBox = (name: string): Box | undefined => {
    const type = local.get(name);
    const global = globalName(valueOfBytes(withoutStrip(name)) ?? name);
    if (type?.kind !== 'map' || global === undefined || type.box.length === 0) return undefined;
    if (!isSpatial(context.globalTypes.get(global))) return undefined;
    return shiftBox(
      type.box,
      tile.map((index, axis) => context.owners.origin(global, axis, index)),
    );
  };
  const cells = new Map<string, Box | undefined>();
  const cellsOf = (name: string): Box | undefined => {
    if (cells.has(name)) return cells.get(name);
    const box = movedBox(name);
    cells.set(name, box);
    return box;
  };
  const names = { cellsOf, globalName };
  return graph.ops.flatMap((op) => {
    const global = context.modelOp(op.output);
    if (op.kind === 'partial_moments') return partFaults(context, op, names, tile, place);
    // Whether these are what their statistic needs, `verifyGathers` tells.
    if (op.kind === 'merge_moments' || op.kind === 'merge_sums' || op.kind === 'blank') return [];
    if (global !== undefined) return opFaults(context, op, global, names, tile, place);
    const noted = context.noting(withoutStrip(op.output));
    if (noted !== undefined) return opFaults(context, op, noted, names, tile, place);
    return op.kind === 'crop' && globalName(op.output) !== undefined ? cropFaults(op, names, place) : [];
  });
}

/** The part that a tile has in statistics is made of the cells that it owns. */
function partFaults(
  { owners, globalTypes, modelOp }: Context,
  op: Op,
  { cellsOf, globalName }: Local,
  tile: readonly number[],
  place: string,
): Diagnostic[] {
  const name = at(op.inputs, 0);
  const [value, held] = [globalName(name), cellsOf(name)];
  const whole = modelOp(op.output)?.inputs[0];
  if (value !== whole || !isSpatial(globalTypes.get(value ?? '')))
    return [wrongRegion(place, op.output, `cells of ${value}`, `cells of ${whole}`)];
  const owned = value === undefined ? [] : tile.map((index, axis) => owners.owned(value, axis, index));
  return held !== undefined && sameBox(held, owned)
    ? []
    : [wrongRegion(place, name, held ? show(held) : 'nothing', show(owned))];
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
  { cellsOf, globalName }: Local,
  place: string,
): Diagnostic[] {
  const source = at(op.inputs, 0);
  const [out, from] = [cellsOf(op.output), cellsOf(source)];
  // Other segments may have a piece of that name, which is then of the same value.
  const [value, of] = [globalName(op.output), globalName(source)];
  if (value !== of) return [wrongRegion(place, op.output, `cells of ${of}`, `cells of ${value}`)];
  if (out === undefined || from === undefined) return [];
  const expected = from.map((r, axis) => {
    const [lo, hi] = at(op.attrs.sides, axis);
    return { from: r.from + lo, to: r.to - hi };
  });
  return sameBox(out, expected) ? [] : [wrongRegion(place, op.output, show(out), show(expected))];
}

function opFaults(
  { plan, globalTypes, owners }: Context,
  op: Op,
  global: Op,
  { cellsOf, globalName }: Local,
  tile: readonly number[],
  place: string,
): Diagnostic[] {
  if (op.kind !== global.kind) return [wrongRegion(place, op.output, op.kind, global.kind)];
  const facts = ops[global.kind] as OpDefinition<OpKind>;
  const out = cellsOf(op.output);
  const strip = readStripName(op.output);
  const along = strip === undefined ? -1 : axisOfStrips(plan.model, plan.schedule.strips[strip.strips] ?? {});
  const operands = global.inputs.flatMap((name, operand): Diagnostic[] => {
    const type = globalTypes.get(name);
    if (!isSpatial(type))
      return globalName(op.inputs[operand] ?? '') === name
        ? []
        : [wrongRegion(place, op.output, op.inputs[operand] ?? '', name)];
    const local = at(op.inputs, operand);
    if (globalName(local) !== name) return [wrongRegion(place, op.output, local, `${name} or a part of it`)];
    const held = cellsOf(local);
    const region = (axis: number) => {
      const owned = owners.owned(name, axis, at(tile, axis));
      // Which rows strips sum over, and that these are all of them together, `verifyStrips` tells.
      const rows = axis === along ? held?.[axis] : undefined;
      if (facts.sumsOwnedCells && rows !== undefined) return intersect(rows, owned);
      return facts.sumsOwnedCells || facts.wholeExtent || out === undefined
        ? owned
        : insideImage(regionOf(global, axis, at(out, axis), operand), extentOf(type, axis));
    };
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
  const shared = facts.spread?.(global.attrs as OpAttributes[OpKind], holdersOf(plan)) ?? global.attrs;
  const expected = { ...global, attrs: shared } as Op;
  return [...operands, ...attributeFaults(facts, op, expected, out, cellsOf(op.inputs[0] ?? ''), place)];
}

/** Tiles that each hold in full what a sample has one of. */
const holdersOf = ({ purpose, schedule, samples }: Plan): { parts: number; samples: number } => ({
  parts: purpose === 'train' ? product(tilesOf(schedule)) : 1,
  samples,
});

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
  if (isSameData(op.attrs, expected)) return [];
  const [found, wanted] = [JSON.stringify(op.attrs), JSON.stringify(expected)];
  return [wrongRegion(place, op.output, found, wanted)];
}

/** Labels, predictions and what is stored cover exactly the cells that the tile owns. */
function ownedFaults(
  { plan, globalTypes, owners }: Context,
  { role, buffers }: IndexedRole,
  { place: seat }: Seat,
): Diagnostic[] {
  const names = role.instructions.flatMap((i) => {
    if (i.do === 'metric') return [i.predicted, i.labels];
    if (i.do === 'store') return [i.from];
    return i.do === 'count' ? [i.from] : [];
  });
  return [...new Set(names)].flatMap((name) => {
    const buffer = buffers.get(name);
    if (buffer?.box === undefined || !globalTypes.has(buffer.value)) return [];
    const tile = tileAt(plan, seat, buffer.part);
    const held = shiftBox(
      buffer.box,
      tile.map((index, axis) => owners.origin(buffer.value, axis, index)),
    );
    const owned = tile.map((index, axis) => owners.owned(buffer.value, axis, index));
    const fits = sameBox(held, owned) && extents(held).length === plan.model.rank;
    const place = `${placeOfBuffer(role, name)} at tile ${tile.join(',')}`;
    return fits ? [] : [wrongRegion(place, name, show(held), show(owned))];
  });
}
