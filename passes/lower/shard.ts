/**
 * Turns the forward graph into the program of each class of tiles: every value becomes the box that the tile
 * holds, and each operand that needs more than that is fetched from the neighbours first.
 *
 * The boxes come from interval propagation (`layout.ts`): a tile owns its part of every loss and prediction,
 * and needs of each value before them whatever the ops read (clipped to the image: what lies outside is
 * padding), less what the schedule lets it exchange.
 */
import { at, type Box, extents, intersect, length, range, sameBox, shiftBox, volume } from '../../ir/box.ts';
import { type Fault, fault, isFault } from '../../ir/diagnostics/diagnostic.ts';
import { flowingValues } from '../../ir/flow.ts';
import type { Graph, Op } from '../../ir/graph.ts';
import { extentOf, insideImage, isSpatial, modelTypes, regionOf } from '../../ir/intervals.ts';
import { type Model, resultsOf } from '../../ir/model.ts';
import type { Program } from '../../ir/module.ts';
import type { OpAttributes, OpKind, Piece, Sides } from '../../ir/ops/attributes.ts';
import type { OpDefinition } from '../../ir/ops/definition.ts';
import { makeOp, ops } from '../../ir/ops/table.ts';
import type { Pass } from '../../ir/pass.ts';
import type { Axis } from '../../ir/plan.ts';
import { remembered } from '../../ir/remembered.ts';
import { type Schedule, tilesOf } from '../../ir/schedule.ts';
import { type Sharers, sharersOf, sharingOf, sumsIn, togetherIn } from '../../ir/sharers.ts';
import { partOfSum } from '../../ir/sweeps.ts';
import { type Ownership, tabledOwnership } from '../../ir/tiling.ts';
import { type MapType, map, product, sameSize, type Value, type ValueType } from '../../ir/type.ts';
import { edgeKey, edgesOf, type Layout, layoutAxis, type Run } from './layout.ts';

const definition = (op: Op): OpDefinition<OpKind> => ops[op.kind] as OpDefinition<OpKind>;

export const shard: Pass<'scheduled', 'sharded'> = {
  name: 'shard',
  doc: 'the forward program of each class of tiles, with margins recomputed or fetched',
  from: 'scheduled',
  to: 'sharded',
  run({ model, schedule }) {
    const owners = tabledOwnership(model, schedule.cuts);
    const refusal =
      streamFault(model, schedule) ??
      splitGroupFault(model, schedule) ??
      emptyTileFault(model, owners, schedule);
    if (refusal !== undefined) return refusal;
    const layouts = schedule.cuts.map((_, axis) =>
      layoutAxis(model, owners, schedule, axis, (tile) => demands(model, owners, axis, tile)),
    );
    const beyond = paddingFault(model, owners, schedule, layouts);
    if (beyond !== undefined) return beyond;
    const shared = sharedBy(model, schedule);
    const programs = representatives(layouts).map((one) =>
      buildProgram(tileOf(shared, owners, layouts, one), one.classes),
    );
    const axes = layouts.map((layout, axis) => axisOf(schedule, layout, axis));
    return { stage: 'sharded', model, schedule, axes, programs };
  },
};

/** Places of devices on an axis: those whose tiles have the same classes share a class. */
function axisOf({ cuts, stream }: Schedule, { classes: tiles }: Layout, axis: number): Axis {
  const parts = at(stream, axis);
  const keys: string[] = [];
  const classes = Array.from({ length: tiles.length / parts }, (_, place) => {
    const key = tiles.slice(place * parts, (place + 1) * parts).join();
    if (!keys.includes(key)) keys.push(key);
    return keys.indexOf(key);
  });
  return { cuts: at(cuts, axis), tiles, classes };
}

/** Statistics of a norm cannot be had from tiles that are worked through one after another. */
function streamFault(model: Model, schedule: Schedule): Fault | undefined {
  const { stream, exchanges } = schedule;
  if (product(stream) === 1 && model.loss !== undefined) return undefined;
  if (model.loss === undefined && product(tilesOf(schedule)) === 1) return undefined;
  const tiles = tilesOf(schedule).join(' x ');
  const live = model.ops.find(({ kind }) => ops[kind].wholeExtent === true);
  if (live !== undefined) return fault('norm-over-tiles', { value: live.output, tiles });
  const why =
    'tiles that a device works through one after another cannot exchange margins: leave `halo overlap`';
  return exchanges.length > 0 ? fault('wrong-schedule', { why }) : undefined;
}

/** Samples of one micro-batch of one replica. */
const samplesOf = ({ training }: Model, { replicas, microBatches }: Schedule): number =>
  (training?.batch ?? 1) / (replicas * microBatches);

/**
 * Samples that share statistics must be together in one micro-batch of one replica, or be all of the step. Sums of all
 * of them may come of several micro-batches, but not while a pipeline has these in flight.
 */
function splitGroupFault(model: Model, schedule: Schedule): Fault | undefined {
  if (model.training === undefined || model.loss === undefined) return undefined;
  const { batch } = model.training;
  const samples = samplesOf(model, schedule);
  for (const op of model.ops) {
    const over = togetherIn(op);
    const isSwept = definition(op).needsSums === true && schedule.chunks.length <= 1;
    if (samples % over === 0 || (over === batch && (schedule.microBatches === 1 || isSwept))) continue;
    return fault('samples-apart', { value: op.output, over, samples, batch });
  }
  return undefined;
}

/** A tile must own a cell of everything that is summed or given out. */
function emptyTileFault(model: Model, owners: Ownership, schedule: Schedule): Fault | undefined {
  for (const [axis, cuts] of schedule.cuts.entries())
    for (let tile = 0; tile < cuts.length - 1; tile++)
      for (const [value, owned] of results(model, owners, axis, tile))
        if (length(owned) === 0)
          return fault('tile-owns-nothing', { value, axis, tile, cuts: cuts.join(' ') });
  return undefined;
}

/** A tile whose part of a result is padding alone would have to compute more than it owns. */
function paddingFault(
  model: Model,
  owners: Ownership,
  { cuts }: Schedule,
  layouts: readonly Layout[],
): Fault | undefined {
  for (const [axis, { representative, strips }] of layouts.entries())
    for (const [kind, tile] of representative.entries())
      for (const { value } of model.outputs) {
        const held = at(strips, kind).held.get(value);
        if (held !== undefined && length(held) !== length(owners.owned(value, axis, tile)))
          return fault('tile-owns-nothing', { value, axis, tile, cuts: at(cuts, axis).join(' ') });
      }
  return undefined;
}

type Ranges = Map<string, ReturnType<typeof range>>;

const ownedRanges = (
  model: Model,
  owners: Ownership,
  axis: number,
  tile: number,
  names: readonly string[],
): Ranges => {
  const types = modelTypes(model);
  const spatial = names.filter((name) => isSpatial(types.get(name)));
  return new Map(spatial.map((name) => [name, owners.owned(name, axis, tile)]));
};

/** What a tile gives: its own cells of each prediction and of all that its losses sum over. */
const results = (model: Model, owners: Ownership, axis: number, tile: number): Ranges =>
  ownedRanges(model, owners, axis, tile, givenValues(model));

const givenValues = remembered((model: Model) => {
  const summed = model.ops.filter((op) => definition(op).sumsOwnedCells);
  return [...model.outputs.map(({ value }) => value), ...summed.flatMap(({ inputs }) => inputs)];
});

/** What a tile must compute: its results, and its own cells of what statistics are taken of. */
const demands = (model: Model, owners: Ownership, axis: number, tile: number): Ranges =>
  new Map([
    ...ownedRanges(model, owners, axis, tile, valuesTakenWhole(model)),
    ...results(model, owners, axis, tile),
  ]);

const valuesTakenWhole = remembered((model: Model) =>
  model.ops.filter((op) => definition(op).wholeExtent).flatMap(({ inputs }) => inputs),
);

type Representative = { readonly tile: readonly number[]; readonly classes: readonly number[] };

/** One tile for each combination of classes, in row-major order of the classes. */
function representatives(layouts: readonly Layout[]): Representative[] {
  return layouts.reduce<Representative[]>(
    (all, { representative }) =>
      all.flatMap(({ tile, classes }) =>
        representative.map((index, kind) => ({ tile: [...tile, index], classes: [...classes, kind] })),
      ),
    [{ tile: [], classes: [] }],
  );
}

/** What all tiles have in common. */
type Shared = {
  readonly model: Model;
  readonly globalTypes: ReadonlyMap<string, ValueType>;
  /** For each operand of each op the name of its edge, where margins are exchanged before it. */
  readonly edges: readonly (readonly (string | undefined)[])[];
  /** Values that are sums over whole samples, and who reads them. */
  readonly sums: ReadonlyMap<string, Op>;
  /** Values through which a cotangent flows back to a parameter. */
  readonly flowing: ReadonlySet<string>;
  /** Tiles of the image. */
  readonly tiles: number;
  /** Samples of one micro-batch. */
  readonly samples: number;
  /** Who has shares in what an op needs of whole samples. */
  sharers(op: Op): Sharers;
};

/** One tile of the grid: what it holds, owns and fetches of each value, in global coordinates. */
type Tile = Shared & {
  held(value: string): ValueType;
  owned(value: string): Box;
  origin(value: string): number[];
  /** Runs on each axis. */
  receives(edge: string): (readonly Run[])[];
  sends(edge: string): (readonly Run[])[];
};

function sharedBy(model: Model, schedule: Schedule): Shared {
  const samples = model.loss === undefined ? 1 : samplesOf(model, schedule);
  const sharing = sharingOf(schedule);
  const edges = new Set(edgesOf(model, schedule).map(({ op, operand }) => edgeKey(op, operand)));
  return {
    model,
    globalTypes: modelTypes(model),
    edges: model.ops.map(({ output, inputs }) =>
      inputs.map((_, operand) => {
        const key = edgeKey(output, operand);
        return edges.has(key) ? key : undefined;
      }),
    ),
    sums: sumsIn(model),
    flowing: flowingValues(model),
    tiles: model.loss === undefined ? 1 : product(tilesOf(schedule)),
    samples,
    sharers: (op) => sharersOf(op, sharing, samples),
  };
}

function tileOf(shared: Shared, owners: Ownership, layouts: readonly Layout[], one: Representative): Tile {
  const { globalTypes } = shared;
  const strips = layouts.map((layout, axis) => at(layout.strips, at(one.classes, axis)));
  const needed = (name: string): Box => strips.map(({ held }) => held.get(name) ?? range(0, 0));
  return {
    ...shared,
    held(name) {
      const type = typeIn(globalTypes, name);
      return type.kind === 'map' && isSpatial(type) ? { ...type, box: needed(name) } : type;
    },
    owned: (name) => one.tile.map((index, axis) => owners.owned(name, axis, index)),
    origin: (name) => one.tile.map((index, axis) => owners.origin(name, axis, index)),
    receives: (edge) => strips.map(({ receives }) => receives.get(edge) ?? []),
    sends: (edge) => strips.map(({ sends }) => sends.get(edge) ?? []),
  };
}

const typeIn = (types: ReadonlyMap<string, ValueType>, name: string): ValueType => {
  const type = types.get(name);
  if (type === undefined) throw new Error(`${name} is used before it is computed`);
  return type;
};

const isPresent = (type: ValueType | undefined): boolean =>
  type !== undefined && (!isSpatial(type) || (type.kind === 'map' && volume(type.box) > 0));

/** The state of building one graph. */
type Building = {
  readonly types: Map<string, ValueType>;
  readonly ops: Op[];
  /** For each op the index of the op of the model that it belongs to. */
  readonly origins: number[];
  /** Index of the op of the model at hand. */
  current: number;
  /** The name under which a box of a value is at hand, so that each is cut out once. */
  readonly pieces: Map<string, string>;
  /** The value of the model that a piece is cut from, or made of others'. */
  readonly whole: Map<string, string>;
};

function buildProgram(tile: Tile, classes: readonly number[]): Program {
  const { model } = tile;
  const inputs = [...model.inputs, ...model.parameters]
    .map(({ name }): Value => ({ name, type: tile.held(name) }))
    .filter(({ type }) => isPresent(type));
  const types = new Map(inputs.map(({ name, type }) => [name, type]));
  const building: Building = { types, ops: [], origins: [], current: 0, pieces: new Map(), whole: new Map() };
  for (const [index, op] of model.ops.entries()) {
    building.current = index;
    const fetched = at(tile.edges, index).map(
      (edge, operand) => edge && fetch(building, tile, op, operand, edge),
    );
    if (definition(op).wholeExtent && tile.sharers(op).parts > 1) addStatistics(building, tile, op);
    else if (tile.sums.has(op.output)) addSums(building, tile, op, fetched);
    else if (isPresent(tile.held(op.output))) addLocal(building, tile, op, fetched);
  }
  const used = new Set(building.ops.flatMap((op) => op.inputs));
  const graph: Graph = {
    inputs: inputs.filter(({ name }) => used.has(name)),
    ops: building.ops,
    outputs: resultsOf(model).filter((name) => types.has(name)),
  };
  const { origins, whole } = building;
  return {
    name: `tile_${classes.join('_')}`,
    classes,
    origins,
    graph: inTileCoordinates(graph, tile, whole),
  };
}

function add(building: Building, op: Op): void {
  building.ops.push(op);
  building.origins.push(building.current);
  building.types.set(op.output, op.type);
}

/** An op whose type follows from its operands. */
function emit<K extends OpKind>(
  building: Building,
  kind: K,
  output: string,
  inputs: readonly string[],
  attrs: OpAttributes[K],
): void {
  const op = makeOp(
    kind,
    output,
    inputs,
    attrs,
    inputs.map((name) => typeIn(building.types, name)),
  );
  if (isFault(op)) throw new Error(`sharding ${output}: ${op.code}`);
  add(building, op);
}

/**
 * The exchange before an operand, if this tile takes part in it. Gives the name of what the reader gets; undefined where
 * it reads the value itself.
 */
function fetch(building: Building, tile: Tile, op: Op, operand: number, edge: string): string | undefined {
  const value = at(op.inputs, operand);
  const runs = tile.receives(edge);
  const origin = tile.origin(value);
  const receives = piecesOf(runs, origin);
  const sends = piecesOf(tile.sends(edge), origin);
  if (receives.length + sends.length === 0) return undefined;
  const type = typeIn(tile.globalTypes, value);
  if (type.kind !== 'map') throw new Error(`${value} is exchanged, but no map`);
  const own = building.types.get(value);
  const held = own?.kind === 'map' && isPresent(own) ? own.box : undefined;
  const box = runs.map(spanned);
  const kept =
    held === undefined || volume(box) === 0 ? [] : box.map((r, axis) => intersect(r, at(held, axis)));
  const name = `${value}~for~${op.output}~${operand}`;
  add(building, {
    kind: 'exchange',
    output: name,
    inputs: held === undefined ? [] : [value],
    attrs: {
      value,
      channels: type.channels,
      extent: extents(box),
      keeps: volume(kept) === 0 || kept.length === 0 ? [] : relative(kept, origin),
      sends,
      receives,
      returns: tile.flowing.has(value),
      back: false,
    },
    type: { ...type, box },
  });
  building.whole.set(name, value);
  return volume(box) === 0 ? undefined : name;
}

const spanned = (runs: readonly Run[]) =>
  runs.length === 0 ? range(0, 0) : range(at(runs, 0).cells.from, at(runs, runs.length - 1).cells.to);

const relative = (box: Box, origin: readonly number[]): Box =>
  shiftBox(
    box,
    origin.map((cell) => -cell),
  );

/** One run from each axis is a box; those that their reader does not hold travel. Row-major, as both sides see them. */
function piecesOf(runs: readonly (readonly Run[])[], origin: readonly number[]): Piece[] {
  const boxes = runs.reduce<Run[][]>(
    (all, onAxis) => all.flatMap((before) => onAxis.map((run) => [...before, run])),
    [[]],
  );
  return boxes
    .filter((box) => box.some(({ held }) => !held))
    .map((box) => ({
      offset: box.map(({ offset }) => offset),
      box: relative(
        box.map(({ cells }) => cells),
        origin,
      ),
    }));
}

/** Statistics over all tiles: those of the own cells, gathered from everybody, merged. */
function addStatistics(building: Building, tile: Tile, op: Op): void {
  if (op.kind !== 'moments')
    throw new Error(`${op.kind} reads the whole extent, and nothing merges its parts`);
  const value = at(op.inputs, 0);
  const have = building.types.get(value);
  const { groups } = op.attrs;
  const owned = tile.owned(value);
  const part = `${op.output}~part`;
  if (have?.kind === 'map' && volume(owned) > 0)
    emit(building, 'partial_moments', part, [pieceOf(building, value, have, owned)], { groups });
  else emit(building, 'blank', part, [], { channels: 3 * groups, extent: [] });
  const { over, parts, samples } = tile.sharers(op);
  const gathering = { over, parts, returns: tile.flowing.has(value) };
  emit(building, 'all_gather', `${op.output}~parts`, [part], gathering);
  emit(building, 'merge_moments', op.output, [`${op.output}~parts`], { groups, parts, over: samples });
}

/** Sums over all tiles: those over the own cells, added up in a sweep, or gathered from everybody and added up. */
function addSums(building: Building, tile: Tile, op: Op, fetched: readonly (string | undefined)[]): void {
  const { over, parts, rounds } = tile.sharers(tile.sums.get(op.output) ?? op);
  if (parts * rounds === 1) {
    addLocal(building, tile, op, fetched);
    return;
  }
  const part = partOfSum(op.output);
  addLocal(building, tile, { ...op, output: part }, fetched, op.type);
  if (rounds > 1) {
    emit(building, 'sweep', op.output, [part], { parts: parts * rounds });
    return;
  }
  const gathering = { over, parts, returns: tile.flowing.has(at(op.inputs, 0)) };
  emit(building, 'all_gather', `${op.output}~parts`, [part], gathering);
  emit(building, 'merge_sums', op.output, [`${op.output}~parts`], { parts });
}

/** Appends the local form of one op, and a crop before each operand of which more is held than it reads. */
function addLocal(
  building: Building,
  tile: Tile,
  op: Op,
  fetched: readonly (string | undefined)[],
  type = tile.held(op.output),
): void {
  const facts = definition(op);
  const inputs = op.inputs.map((value, operand) => {
    const name = fetched[operand] ?? value;
    const have = typeIn(building.types, name);
    const takesAll = facts.cropsItself === true || facts.wholeExtent === true;
    return have.kind === 'array' || !isSpatial(have) || takesAll
      ? name
      : pieceOf(building, name, have, operandBox(tile, op, operand, type));
  });
  const inputTypes = inputs.map((name) => typeIn(building.types, name));
  const shared =
    facts.spread?.(op.attrs as OpAttributes[OpKind], { parts: tile.tiles, samples: tile.samples }) ??
    op.attrs;
  const local = {
    ...op,
    inputs,
    attrs: localAttributes({ ...op, attrs: shared } as Op, type, inputTypes),
    type,
  } as Op;
  const shape = facts.shape(local.attrs as OpAttributes[OpKind], inputTypes);
  if (isFault(shape) || !sameSize(shape, type))
    throw new Error(`sharding ${op.output} gives ${JSON.stringify(shape)}, not ${JSON.stringify(type)}`);
  add(building, local);
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
  add(building, {
    kind: 'crop',
    output: piece,
    inputs: [name],
    attrs: { sides },
    type: { ...have, box: need },
  });
  building.pieces.set(key, piece);
  building.whole.set(piece, building.whole.get(name) ?? name);
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
    return map(type.channels, relative(type.box, tile.origin(whole.get(name) ?? name)), type.element);
  };
  return {
    ...graph,
    inputs: graph.inputs.map(({ name, type }) => ({ name, type: move(name, type) })),
    ops: graph.ops.map((op) => ({ ...op, type: move(op.output, op.type) })),
  };
}
