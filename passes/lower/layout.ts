/**
 * What the tiles of one axis hold, need and give each other. Axes do not depend on one another, so a tile of
 * the grid is one choice from each axis, and tiles that differ only by a translation share a class.
 */
import { at, hull, isEmpty, length, type Range, range } from '../../ir/box.ts';
import type { Op } from '../../ir/graph.ts';
import { isSpatial, modelTypes, neededRanges, regionOf } from '../../ir/intervals.ts';
import type { Model } from '../../ir/model.ts';
import type { OpAttributes, OpKind } from '../../ir/ops/attributes.ts';
import type { OpDefinition } from '../../ir/ops/definition.ts';
import { ops } from '../../ir/ops/table.ts';
import type { Coarsening, Schedule } from '../../ir/schedule.ts';
import { type Ownership, stridesOf } from '../../ir/tiling.ts';

/** An operand before which neighbours give margins: `fetched` cells of it, of which a tile may hold fewer. */
export type Edge = {
  readonly op: string;
  readonly operand: number;
  readonly value: string;
  readonly cells: number;
};

export const edgeKey = (op: string, operand: number): string => `${op} ${operand}`;

/** Consecutive fetched cells that one tile owns, `offset` tiles away; `held`: this tile computes them itself. */
export type Run = { readonly offset: number; readonly held: boolean; readonly cells: Range };

/** One tile of one axis, in global coordinates. */
export type Strip = {
  /** Cells of each value that the tile computes or loads. */
  readonly held: ReadonlyMap<string, Range>;
  /** By edge: what its reader gets, in runs. */
  readonly receives: ReadonlyMap<string, readonly Run[]>;
  /** By edge: what others get of this tile, `offset` tiles away; `held` as they see it. */
  readonly sends: ReadonlyMap<string, readonly Run[]>;
};

export type Layout = {
  /** Class of each tile. */
  readonly classes: readonly number[];
  /** For each class one tile that stands for it. */
  readonly representative: readonly number[];
  /** For each class what that tile holds and gives. */
  readonly strips: readonly Strip[];
};

const definition = (op: Op): OpDefinition<OpKind> => ops[op.kind] as OpDefinition<OpKind>;

/** The exchanges of a schedule as edges of the model. */
export function edgesOf(model: Model, { exchanges }: Schedule): Edge[] {
  const byOutput = new Map(model.ops.map((op) => [op.output, op]));
  return exchanges.flatMap(({ before, operand, cells }) => {
    const value = byOutput.get(before)?.inputs[operand];
    return value === undefined ? [] : [{ op: before, operand, value, cells }];
  });
}

/** The values that groups of tiles have in common. */
export function coarseValues(model: Model, { level }: Coarsening): ReadonlySet<string> {
  const strides = stridesOf(model);
  const results = new Set(model.outputs.map(({ value }) => value));
  const isCoarse = (value: string) => (strides.get(value) ?? [0]).every((stride) => stride >= 2 ** level);
  return new Set(
    model.ops.map(({ output }) => output).filter((value) => !results.has(value) && isCoarse(value)),
  );
}

/** Cells of each value that a tile is there for: those it owns, or, where the grid is coarsened, its group's. */
export function homes(model: Model, owners: Ownership, { coarsen, cuts }: Schedule) {
  const coarse = coarsen === undefined ? new Set<string>() : coarseValues(model, coarsen);
  const isCoarse = (value: string): boolean => coarse.has(value);
  return {
    isCoarse,
    home(value: string, axis: number, tile: number): Range {
      if (coarsen === undefined || !isCoarse(value)) return owners.owned(value, axis, tile);
      const size = at(coarsen.grid, axis);
      const first = tile - (tile % size);
      const last = Math.min(at(cuts, axis).length - 2, first + size - 1);
      return range(owners.owned(value, axis, first).from, owners.owned(value, axis, last).to);
    },
  };
}

/**
 * Lays out one axis. `demands` are cells a tile must have whatever its neighbours give.
 * The cells before an exchange are those after it less `cells` on each side, and never less than its home.
 */
export function layoutAxis(
  model: Model,
  owners: Ownership,
  schedule: Schedule,
  axis: number,
  demands: (tile: number) => ReadonlyMap<string, Range>,
): Layout {
  const edges = edgesOf(model, schedule);
  const tiles = at(schedule.cuts, axis).length - 1;
  const { home, isCoarse } = homes(model, owners, schedule);
  const byKey = new Map(edges.map((edge) => [edgeKey(edge.op, edge.operand), edge]));
  const needs = Array.from({ length: tiles }, (_, tile) => {
    const fetched = new Map<string, Range>();
    const asked = new Map(demands(tile));
    const types = modelTypes(model);
    const atHome = [
      ...edges.map(({ value }) => value),
      ...(schedule.coarsen === undefined
        ? []
        : [...types.keys()].filter((value) => isSpatial(types.get(value)) && isCoarse(value))),
    ];
    for (const value of atHome)
      asked.set(value, hull(asked.get(value) ?? range(0, 0), home(value, axis, tile)));
    const held = neededRanges(model, axis, asked, true, (op, operand, cells) => {
      const edge = byKey.get(edgeKey(op.output, operand));
      if (edge === undefined) return cells;
      fetched.set(edgeKey(op.output, operand), cells);
      return withoutMargin(cells, home(edge.value, axis, tile), edge.cells);
    });
    return { held, fetched };
  });
  const runs = needs.map(
    ({ held, fetched }, tile) =>
      new Map(
        edges.map(({ op, operand, value }) => {
          const key = edgeKey(op, operand);
          const ownedBy = (other: number) => owners.owned(value, axis, other);
          return [key, runsOf(fetched.get(key), held.get(value), tile, tiles, ownedBy)] as const;
        }),
      ),
  );
  const strips = needs.map(
    ({ held }, tile): Strip => ({
      held,
      receives: at(runs, tile),
      sends: new Map(
        edges.map(({ op, operand }) => {
          const key = edgeKey(op, operand);
          return [
            key,
            sentBy(
              tile,
              runs.map((of) => of.get(key) ?? []),
            ),
          ] as const;
        }),
      ),
    }),
  );
  return classify(strips, (strip, tile) => classKey(model, owners, axis, tile, strip, edges, demands(tile)));
}

/** What must be held so that `by` cells a side need only be fetched. */
const withoutMargin = (cells: Range, home: Range, by: number): Range => ({
  from: cells.from < home.from ? Math.min(home.from, cells.from + by) : cells.from,
  to: cells.to > home.to ? Math.max(home.to, cells.to - by) : cells.to,
});

/** Cuts what is fetched where the owner changes and where holding begins and ends. */
function runsOf(
  fetched: Range | undefined,
  held: Range | undefined,
  tile: number,
  tiles: number,
  ownedBy: (tile: number) => Range,
): Run[] {
  if (fetched === undefined || isEmpty(fetched)) return [];
  const inside = held ?? range(0, 0);
  const runs: Run[] = [];
  for (let owner = 0; owner < tiles; owner++) {
    const owned = ownedBy(owner);
    const marks = [owned.from, owned.to, inside.from, inside.to, fetched.from, fetched.to]
      .filter((cell) => cell >= Math.max(owned.from, fetched.from) && cell <= Math.min(owned.to, fetched.to))
      .sort((a, b) => a - b);
    marks.slice(1).forEach((to, i) => {
      const from = at(marks, i);
      if (from === to) return;
      runs.push({
        offset: owner - tile,
        held: inside.from <= from && to <= inside.to,
        cells: range(from, to),
      });
    });
  }
  return runs;
}

/** The runs of all tiles that this one owns, seen from here. */
const sentBy = (tile: number, runs: readonly (readonly Run[])[]): Run[] =>
  runs.flatMap((of, receiver) =>
    of
      .filter(({ offset }) => receiver + offset === tile)
      .map(({ held, cells }) => ({ offset: receiver - tile, held, cells })),
  );

function classify(strips: readonly Strip[], keyOf: (strip: Strip, tile: number) => string): Layout {
  const keys = new Map<string, number>();
  const representative: number[] = [];
  const classes = strips.map((strip, tile) => {
    const key = keyOf(strip, tile);
    const known = keys.get(key);
    if (known !== undefined) return known;
    keys.set(key, keys.size);
    representative.push(tile);
    return keys.size - 1;
  });
  return { classes, representative, strips: representative.map((tile) => at(strips, tile)) };
}

/** Everything about the axis that a program depends on, seen from the tile's origins. */
function classKey(
  model: Model,
  owners: Ownership,
  axis: number,
  tile: number,
  { held, receives, sends }: Strip,
  edges: readonly Edge[],
  demands: ReadonlyMap<string, Range>,
): string {
  const from = (name: string, r: Range) => `${r.from - owners.origin(name, axis, tile)}+${length(r)}`;
  const holds = [...held].map(([name, r]) => `${name}=${from(name, r)}`).sort();
  const reads = model.ops.flatMap((op) => {
    const out = held.get(op.output);
    if (out === undefined) return [];
    return op.inputs.map((name, i) => (held.has(name) ? from(name, regionOf(op, axis, out, i)) : ''));
  });
  // Where an op's windows begin depends on how far the origins of its result and its operand are apart.
  const local = model.ops.map((op) => {
    const [output, input] = [held.get(op.output), held.get(op.inputs[0] ?? '')];
    const { localize } = definition(op);
    if (localize === undefined || output === undefined || input === undefined) return [];
    return localize(op.attrs as OpAttributes[OpKind], [{ axis, output, input }]);
  });
  const given = edges.map(({ op, operand, value }) => {
    const key = edgeKey(op, operand);
    const show = ({ offset, held: isHeld, cells }: Run) => `${offset} ${isHeld} ${from(value, cells)}`;
    return [(receives.get(key) ?? []).map(show), (sends.get(key) ?? []).map(show)];
  });
  const own = [...demands].map(([name, r]) => `${name}=${from(name, r)}`).sort();
  return JSON.stringify([holds, reads, local, given, own]);
}
