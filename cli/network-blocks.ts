/** The network as a drawing shows it: runs of ops on one level and one stage, and what goes between them. */
import { at, extents, length } from '../ir/box.ts';
import { roleFlops } from '../ir/cost.ts';
import { type Op, typesAmong, typesOf } from '../ir/graph.ts';
import { modelTypes } from '../ir/intervals.ts';
import { flopsOf } from '../ir/ops/table.ts';
import type { Plan, Role } from '../ir/plan.ts';
import { chunkOfOps, stageOfChunks } from '../ir/stages.ts';
import { type Ownership, ownership } from '../ir/tiling.ts';
import { bytesOf, product, type ValueType } from '../ir/type.ts';
import { segmentsOf } from '../ir/verify/names.ts';
import { levelsOfOps } from './network-summary.ts';

/** Of a tile of the busiest role: cells that it owns of the value with the widest margins, and cells that it computes. */
export type TileOfBlock = {
  readonly role: string;
  readonly owns: readonly number[];
  readonly holds: readonly number[];
  /** Cells beyond its own on each side of each axis. */
  readonly margins: readonly (readonly [number, number])[];
  /** FLOPs of its margins over those of its own cells, for the block as a whole. */
  readonly extraWork: number;
};

export type Block = {
  /** What most of its work is called in the model, such as `unet.encode[1]`. */
  readonly name: string;
  readonly level: number;
  readonly stage: number;
  readonly ops: readonly string[];
  /** Of its last map: channels, and cells on each axis. */
  readonly channels: number;
  readonly size: readonly number[];
  readonly parameters: number;
  /** Forward, for one sample. */
  readonly flops: number;
  readonly activationBytes: number;
  /** Margins that come from neighbours before ops of it. */
  readonly exchanges: readonly { readonly before: string; readonly cells: number }[];
  /** Values that are computed again in the backward pass. */
  readonly recomputed: readonly string[];
  /** Values of which the forward pass notes bytes. */
  readonly lean: readonly string[];
  /** Parts of it that are worked through in so many strips. */
  readonly strips: readonly { readonly from: string; readonly to: string; readonly count: number }[];
  readonly tile?: TileOfBlock;
};

/** What one block gives another, and its bytes for one sample. */
export type Between = {
  readonly from: number;
  readonly to: number;
  readonly values: readonly string[];
  readonly bytes: number;
};

export type Blocks = { readonly blocks: readonly Block[]; readonly between: readonly Between[] };

type Run = { readonly level: number; readonly stage: number; readonly ops: readonly Op[] };

export function blocksOf(plan: Plan): Blocks {
  const runs = runsOf(plan);
  const types = modelTypes(plan.model);
  const locals = localsOf(plan);
  return {
    blocks: runs.map((run) => blockOf(plan, run, types, locals.get(run.stage))),
    between: betweenRuns(runs, types),
  };
}

function runsOf({ model, schedule }: Plan): Run[] {
  const levels = levelsOfOps(model);
  const [chunks, stages] = [chunkOfOps(model, schedule), stageOfChunks(schedule)];
  const runs: { level: number; stage: number; ops: Op[] }[] = [];
  for (const [index, op] of model.ops.entries()) {
    const level = levels.get(op.output);
    if (level === undefined) continue;
    const stage = at(stages, at(chunks, index));
    const last = runs.at(-1);
    if (last?.level === level && last.stage === stage) last.ops.push(op);
    else runs.push({ level, stage, ops: [op] });
  }
  return runs;
}

const inputTypes = ({ inputs }: Op, types: ReadonlyMap<string, ValueType>): readonly ValueType[] =>
  typesAmong(types, inputs);

function blockOf(
  plan: Plan,
  { level, stage, ops }: Run,
  types: ReadonlyMap<string, ValueType>,
  local: Local | undefined,
): Block {
  const { model, schedule } = plan;
  const names = ops.map(({ output }) => output);
  const reads = new Set(ops.flatMap(({ inputs }) => inputs));
  const last = at(ops, ops.length - 1);
  const map = last.type.kind === 'map' ? last.type : undefined;
  const tile = local && tileOf(ops, types, local);
  return {
    name: nameOf(ops, types),
    level,
    stage,
    ops: names,
    channels: map?.channels ?? 0,
    size: map === undefined ? [] : extents(map.box),
    parameters: model.parameters.reduce(
      (sum, { name, dims }) => sum + (reads.has(name) ? product(dims) : 0),
      0,
    ),
    flops: ops.reduce((sum, op) => sum + flopsOf(op, inputTypes(op, types)), 0),
    activationBytes: ops.reduce((sum, { type }) => sum + bytesOf(type, 1), 0),
    exchanges: schedule.exchanges.flatMap(({ before, cells }) =>
      names.includes(before) ? [{ before, cells }] : [],
    ),
    recomputed: schedule.drop.filter((value) => names.includes(value)),
    lean: (schedule.lean ?? []).filter((value) => names.includes(value)),
    strips: schedule.strips.filter(({ from, to }) => overlaps(plan, names, from, to)),
    ...(tile === undefined ? {} : { tile }),
  };
}

/** The part before the last dot of the op that works most; the op itself where there is none. */
function nameOf(ops: readonly Op[], types: ReadonlyMap<string, ValueType>): string {
  const work = (op: Op) => flopsOf(op, inputTypes(op, types));
  const [heaviest = at(ops, 0)] = ops.toSorted((a, b) => work(b) - work(a));
  const parts = heaviest.output.split('.');
  return parts.length === 1 ? heaviest.output : parts.slice(0, -1).join('.');
}

function overlaps({ model }: Plan, names: readonly string[], from: string, to: string): boolean {
  const index = (name: string) => model.ops.findIndex(({ output }) => output === name);
  const [first, last] = [index(from), index(to)];
  return names.some((name) => index(name) >= first && index(name) <= last);
}

/** What the busiest role of a stage holds of the model: its types, and its share of each axis. */
type Local = {
  readonly role: Role;
  readonly types: ReadonlyMap<string, ValueType>;
  readonly ops: ReadonlyMap<string, Op>;
  readonly owners: Ownership;
  readonly tile: readonly number[];
};

function localsOf(plan: Plan): ReadonlyMap<number, Local> {
  const cuts = plan.axes.map((axis) => axis.cuts);
  const owners = ownership(plan.model, cuts);
  const stages = [...new Set(plan.roles.map(({ stage }) => stage))];
  const flops = roleFlops(plan);
  return new Map(
    stages.map((stage) => {
      const roles = plan.roles.filter((role) => role.stage === stage);
      const work = new Map(roles.map((role) => [role, flops(role)]));
      const [role = at(roles, 0)] = roles.toSorted((a, b) => (work.get(b) ?? 0) - (work.get(a) ?? 0));
      const graphs = segmentsOf(plan, role).map(({ graph }) => graph);
      const tile = plan.axes.map(
        ({ classes }, axis) => classes.indexOf(at(role.classes, axis)) * (plan.schedule.stream[axis] ?? 1),
      );
      const types = new Map(graphs.flatMap((graph) => [...typesOf(graph)]));
      const ops = new Map(graphs.flatMap((graph) => graph.ops.map((op) => [op.output, op] as const)));
      return [stage, { role, types, ops, owners, tile }];
    }),
  );
}

/** Of the op of the block with the widest margins. */
function tileOf(
  ops: readonly Op[],
  global: ReadonlyMap<string, ValueType>,
  local: Local,
): TileOfBlock | undefined {
  const found = ops.flatMap(({ output }): TileOfBlock[] => {
    const type = local.types.get(output);
    if (type?.kind !== 'map' || type.box.length === 0) return [];
    const owns = local.tile.map((index, axis) => length(local.owners.owned(output, axis, index)));
    const margins = type.box.map(
      ({ from, to }, axis) => [Math.max(0, -from), Math.max(0, to - at(owns, axis))] as const,
    );
    return [{ role: local.role.name, owns, holds: extents(type.box), margins, extraWork: 0 }];
  });
  const width = ({ margins }: TileOfBlock) => margins.flat().reduce((sum, one) => sum + one, 0);
  const [widest] = found.toSorted((a, b) => width(b) - width(a));
  return widest && { ...widest, extraWork: extraWork(ops, global, local) };
}

/** FLOPs of the tile over those of the cells that it owns, less 1. */
function extraWork(ops: readonly Op[], global: ReadonlyMap<string, ValueType>, local: Local): number {
  let [done, own] = [0, 0];
  for (const op of ops) {
    const here = local.ops.get(op.output);
    if (here === undefined || op.type.kind !== 'map') continue;
    const share = op.type.box.map(
      (cells, axis) => length(local.owners.owned(op.output, axis, at(local.tile, axis))) / length(cells),
    );
    done += flopsOf(here, inputTypes(here, local.types));
    own += product(share) * flopsOf(op, inputTypes(op, global));
  }
  return own === 0 ? 0 : done / own - 1;
}

function betweenRuns(runs: readonly Run[], types: ReadonlyMap<string, ValueType>): Between[] {
  const maker = new Map(runs.flatMap(({ ops }, index) => ops.map(({ output }) => [output, index] as const)));
  return runs.flatMap(({ ops }, to) => {
    const values = [...new Set(ops.flatMap(({ inputs }) => inputs))].filter((value) => types.has(value));
    const makers = [...new Set(values.flatMap((value) => maker.get(value) ?? []))];
    return makers
      .filter((from) => from !== to)
      .map((from) => {
        const given = values.filter((value) => maker.get(value) === from);
        return {
          from,
          to,
          values: given,
          bytes: given.reduce((sum, value) => sum + bytesIn(types, value), 0),
        };
      });
  });
}

function bytesIn(types: ReadonlyMap<string, ValueType>, value: string): number {
  const type = types.get(value);
  return type === undefined ? 0 : bytesOf(type, 1);
}
