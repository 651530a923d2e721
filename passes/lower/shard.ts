/**
 * Turns the forward graph into the program of each role: every value becomes the box that the role holds.
 *
 * The boxes come from interval propagation: a tile owns its part of every loss and prediction, and needs
 * of each value before them whatever the ops read (clipped to the image: what lies outside is padding). So
 * all margins are recomputed from a wider window of the image, and each program stands alone.
 */
import { at, type Box, length, type Range, range, sameBox, shiftBox, volume } from '../../ir/box.ts';
import { type Fault, fault, isFault } from '../../ir/diagnostics/diagnostic.ts';
import type { Graph, Op } from '../../ir/graph.ts';
import { extentOf, insideImage, isSpatial, modelTypes, neededRanges, regionOf } from '../../ir/intervals.ts';
import { type Model, resultsOf } from '../../ir/model.ts';
import type { Program } from '../../ir/module.ts';
import type { OpAttributes, OpKind, Sides } from '../../ir/ops/attributes.ts';
import type { OpDefinition } from '../../ir/ops/definition.ts';
import { ops } from '../../ir/ops/table.ts';
import type { Pass } from '../../ir/pass.ts';
import type { Axis } from '../../ir/plan.ts';
import { type Schedule, tilesOf } from '../../ir/schedule.ts';
import { type Ownership, ownership } from '../../ir/tiling.ts';
import { type MapType, product, sameSize, type Value, type ValueType } from '../../ir/type.ts';

const definition = (op: Op): OpDefinition<OpKind> => ops[op.kind] as OpDefinition<OpKind>;

export const shard: Pass<'scheduled', 'sharded'> = {
  name: 'shard',
  doc: 'the forward program of each role, with recomputed margins',
  from: 'scheduled',
  to: 'sharded',
  run({ model, schedule }) {
    const owners = ownership(model, schedule.cuts);
    const refusal =
      wholeExtentFault(model, schedule) ??
      splitGroupFault(model, schedule) ??
      emptyTileFault(model, owners, schedule);
    if (refusal !== undefined) return refusal;
    const layouts = schedule.cuts.map((cuts, axis) => layoutAxis(model, owners, axis, cuts));
    const beyond = paddingFault(model, owners, layouts);
    if (beyond !== undefined) return beyond;
    const programs = representatives(layouts).map((one) =>
      buildProgram(tileOf(model, owners, layouts, one), one.classes),
    );
    return { stage: 'sharded', model, schedule, axes: layouts.map(({ axis }) => axis), programs };
  },
};

/** Statistics and sums over the whole extent cannot be had from one tile. */
function wholeExtentFault(model: Model, schedule: Schedule): Fault | undefined {
  if (product(tilesOf(schedule)) === 1) return undefined;
  const tiles = tilesOf(schedule).join(' x ');
  const norm = model.ops.find(({ kind }) => ops[kind].wholeExtent === true);
  if (norm !== undefined) return fault('norm-over-tiles', { value: norm.output, tiles });
  const loss = model.ops.find(({ kind }) => ops[kind].needsSums === true);
  return loss && fault('dice-over-tiles', { value: loss.output, tiles });
}

/** Samples that share statistics must be together in one micro-batch of one replica. */
function splitGroupFault(model: Model, schedule: Schedule): Fault | undefined {
  if (model.training === undefined || model.loss === undefined) return undefined;
  const { batch } = model.training;
  const samples = batch / (schedule.replicas * schedule.microBatches);
  for (const op of model.ops) {
    const over = definition(op).together?.(op.attrs as OpAttributes[OpKind]) ?? 1;
    if (samples % over !== 0) return fault('samples-apart', { value: op.output, over, samples, batch });
  }
  return undefined;
}

/** A tile must own a cell of everything that is summed or given out. */
function emptyTileFault(model: Model, owners: Ownership, schedule: Schedule): Fault | undefined {
  for (const [axis, cuts] of schedule.cuts.entries())
    for (let tile = 0; tile < cuts.length - 1; tile++)
      for (const [value, owned] of demands(model, owners, axis, tile))
        if (length(owned) === 0)
          return fault('tile-owns-nothing', { value, axis, tile, cuts: cuts.join(' ') });
  return undefined;
}

/** A tile whose part of a result is padding alone would have to compute more than it owns. */
function paddingFault(model: Model, owners: Ownership, layouts: readonly Layout[]): Fault | undefined {
  for (const [
    axis,
    {
      representative,
      needed,
      axis: { cuts },
    },
  ] of layouts.entries())
    for (const [kind, tile] of representative.entries())
      for (const { value } of model.outputs) {
        const held = at(needed, kind).get(value);
        if (held !== undefined && length(held) !== length(owners.owned(value, axis, tile)))
          return fault('tile-owns-nothing', { value, axis, tile, cuts: cuts.join(' ') });
      }
  return undefined;
}

type Layout = {
  readonly axis: Axis;
  /** For each class one tile index that stands for it. */
  readonly representative: readonly number[];
  /** For each class the needed cells of every value, in global coordinates. */
  readonly needed: readonly ReadonlyMap<string, Range>[];
};

/** Needed cells for each tile of one axis; tiles that differ only by a translation share a class. */
function layoutAxis(model: Model, owners: Ownership, axis: number, cuts: readonly number[]): Layout {
  const keys = new Map<string, number>();
  const classes: number[] = [];
  const representative: number[] = [];
  const needed: ReadonlyMap<string, Range>[] = [];
  for (let tile = 0; tile < cuts.length - 1; tile++) {
    const cells = neededRanges(model, axis, demands(model, owners, axis, tile));
    const key = classKey(model, owners, axis, tile, cells);
    const known = keys.get(key) ?? keys.size;
    classes.push(known);
    if (keys.has(key)) continue;
    keys.set(key, known);
    representative.push(tile);
    needed.push(cells);
  }
  return { axis: { cuts, classes }, representative, needed };
}

/** What a tile must compute: its own cells of each prediction and of all that its losses sum over. */
function demands(model: Model, owners: Ownership, axis: number, tile: number): Map<string, Range> {
  const types = modelTypes(model);
  const summed = model.ops.filter((op) => definition(op).sumsOwnedCells || definition(op).wholeExtent);
  const names = [...model.outputs.map(({ value }) => value), ...summed.flatMap(({ inputs }) => inputs)];
  const spatial = names.filter((name) => isSpatial(types.get(name)));
  return new Map(spatial.map((name) => [name, owners.owned(name, axis, tile)]));
}

/** Everything about the axis that a program depends on, seen from the tile's origins. */
function classKey(
  model: Model,
  owners: Ownership,
  axis: number,
  tile: number,
  cells: ReadonlyMap<string, Range>,
): string {
  const from = (name: string, r: Range) => `${r.from - owners.origin(name, axis, tile)}+${r.to - r.from}`;
  const held = [...cells].map(([name, r]) => `${name}=${from(name, r)}`).sort();
  const reads = model.ops.flatMap((op) => {
    const out = cells.get(op.output);
    if (out === undefined) return [];
    return op.inputs.map((name, i) => (cells.has(name) ? from(name, regionOf(op, axis, out, i)) : ''));
  });
  // Where an op's windows begin depends on how far the origins of its result and its operand are apart.
  const local = model.ops.map((op) => {
    const [output, input] = [cells.get(op.output), cells.get(op.inputs[0] ?? '')];
    const { localize } = definition(op);
    if (localize === undefined || output === undefined || input === undefined) return [];
    return localize(op.attrs as OpAttributes[OpKind], [{ axis, output, input }]);
  });
  return JSON.stringify([held, reads, local]);
}

/** One tile for each combination of classes: the roles, in row-major order of the classes. */
function representatives(layouts: readonly Layout[]): Representative[] {
  return layouts.reduce<Representative[]>(
    (roles, { representative }) =>
      roles.flatMap(({ tile, classes }) =>
        representative.map((index, kind) => ({ tile: [...tile, index], classes: [...classes, kind] })),
      ),
    [{ tile: [], classes: [] }],
  );
}

/** One tile of the grid: what it holds and owns of each value, in global coordinates. */
type Tile = {
  readonly model: Model;
  readonly globalTypes: ReadonlyMap<string, ValueType>;
  held(value: string): ValueType;
  owned(value: string): Box;
  origin(value: string): number[];
};

type Representative = { readonly tile: readonly number[]; readonly classes: readonly number[] };

function tileOf(model: Model, owners: Ownership, layouts: readonly Layout[], at_: Representative): Tile {
  const globalTypes = modelTypes(model);
  const needed = (name: string): Box =>
    layouts.map((layout, axis) => at(layout.needed, at(at_.classes, axis)).get(name) ?? range(0, 0));
  return {
    model,
    globalTypes,
    held(name) {
      const type = typeIn(globalTypes, name);
      return type.kind === 'map' && isSpatial(type) ? { ...type, box: needed(name) } : type;
    },
    owned: (name) => at_.tile.map((index, axis) => owners.owned(name, axis, index)),
    origin: (name) => at_.tile.map((index, axis) => owners.origin(name, axis, index)),
  };
}

const typeIn = (types: ReadonlyMap<string, ValueType>, name: string): ValueType => {
  const type = types.get(name);
  if (type === undefined) throw new Error(`${name} is used before it is computed`);
  return type;
};

const isPresent = (type: ValueType): boolean =>
  !isSpatial(type) || (type.kind === 'map' && volume(type.box) > 0);

/** The state of building one role's graph. */
type Building = {
  readonly types: Map<string, ValueType>;
  readonly ops: Op[];
  /** The name under which a box of a value is at hand, so that each is cut out once. */
  readonly pieces: Map<string, string>;
  /** The value of the model that a piece is cut from. */
  readonly whole: Map<string, string>;
};

function buildProgram(tile: Tile, classes: readonly number[]): Program {
  const { model } = tile;
  const inputs = [...model.inputs, ...model.parameters]
    .map(({ name }): Value => ({ name, type: tile.held(name) }))
    .filter(({ type }) => isPresent(type));
  const types = new Map(inputs.map(({ name, type }) => [name, type]));
  const building: Building = { types, ops: [], pieces: new Map(), whole: new Map() };
  for (const op of model.ops) if (isPresent(tile.held(op.output))) addLocal(building, tile, op);
  const used = new Set(building.ops.flatMap((op) => op.inputs));
  const graph: Graph = {
    inputs: inputs.filter(({ name }) => used.has(name)),
    ops: building.ops,
    outputs: resultsOf(model).filter((name) => types.has(name)),
  };
  return {
    name: `role_${classes.join('_')}`,
    classes,
    graph: inTileCoordinates(graph, tile, building.whole),
  };
}

/** Appends the local form of one op, and a crop before each operand of which more is held than it reads. */
function addLocal(building: Building, tile: Tile, op: Op): void {
  const facts = definition(op);
  const type = tile.held(op.output);
  const inputs = op.inputs.map((name, operand) => {
    const have = typeIn(building.types, name);
    const takesAll = facts.cropsItself === true || facts.wholeExtent === true;
    return have.kind === 'array' || !isSpatial(have) || takesAll
      ? name
      : pieceOf(building, name, have, operandBox(tile, op, operand, type));
  });
  const inputTypes = inputs.map((name) => typeIn(building.types, name));
  const local = { ...op, inputs, attrs: localAttributes(op, type, inputTypes), type } as Op;
  const shape = facts.shape(local.attrs as OpAttributes[OpKind], inputTypes);
  if (isFault(shape) || !sameSize(shape, type))
    throw new Error(`sharding ${op.output} gives ${JSON.stringify(shape)}, not ${JSON.stringify(type)}`);
  building.ops.push(local);
  building.types.set(op.output, type);
}

/** The box that the local op reads of an operand: of a loss its owned cells, else the op's region. */
function operandBox(tile: Tile, op: Op, operand: number, type: ValueType): Box {
  const name = at(op.inputs, operand);
  if (definition(op).sumsOwnedCells) return tile.owned(name);
  if (type.kind !== 'map') throw new Error(`${op.kind} gives an array but does not sum owned cells`);
  const global = tile.globalTypes.get(name);
  return type.box.map((out, axis) => insideImage(regionOf(op, axis, out, operand), extentOf(global, axis)));
}

function pieceOf(building: Building, name: string, have: MapType, need: Box): string {
  if (sameBox(have.box, need)) return name;
  const key = `${name} ${JSON.stringify(need)}`;
  const known = building.pieces.get(key);
  if (known !== undefined) return known;
  const piece = `${name}~piece${building.pieces.size}`;
  const sides = need.map((r, axis): Sides => {
    const all = at(have.box, axis);
    return [r.from - all.from, all.to - r.to];
  });
  const type = { ...have, box: need };
  building.ops.push({ kind: 'crop', output: piece, inputs: [name], attrs: { sides }, type });
  building.types.set(piece, type);
  building.pieces.set(key, piece);
  building.whole.set(piece, name);
  return piece;
}

function localAttributes(op: Op, type: ValueType, inputTypes: readonly ValueType[]): OpAttributes[OpKind] {
  const attrs = op.attrs as OpAttributes[OpKind];
  const { localize } = definition(op);
  const [x] = inputTypes;
  if (localize === undefined || x?.kind !== 'map' || type.kind !== 'map') return attrs;
  return localize(
    attrs,
    type.box.map((output, axis) => ({ axis, output, input: at(x.box, axis) })),
  );
}

/** Moves every box of a graph so that it counts from what the tile owns of the value. */
function inTileCoordinates(graph: Graph, tile: Tile, whole: ReadonlyMap<string, string>): Graph {
  const move = (name: string, type: ValueType): ValueType => {
    if (type.kind === 'array' || !isSpatial(type)) return type;
    const origin = tile.origin(whole.get(name) ?? name);
    return {
      ...type,
      box: shiftBox(
        type.box,
        origin.map((cell) => -cell),
      ),
    };
  };
  return {
    ...graph,
    inputs: graph.inputs.map(({ name, type }) => ({ name, type: move(name, type) })),
    ops: graph.ops.map((op) => ({ ...op, type: move(op.output, op.type) })),
  };
}
