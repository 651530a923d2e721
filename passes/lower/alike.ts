/**
 * Roles of a stage do the same, by name, and differ in cells alone: in what of a map they hold, and which pieces they
 * give each other. The instructions of one are those of another, with its own segments and pieces in their places.
 */
import { at, volume } from '../../ir/box.ts';
import type { Op } from '../../ir/graph.ts';
import type { Buffer, Instruction, Role } from '../../ir/plan.ts';
import { pairwise, sameItems } from '../../ir/same-data.ts';
import { sameDims, type ValueType } from '../../ir/type.ts';
import { type Layout, laidOut, layoutsOf } from './script.ts';
import type { Segments } from './segments.ts';
import type { Split, Task, Work } from './tasks.ts';

/** A task, and the tile of the device whose program it is of. */
export type Site = { readonly share: number; readonly task: Task };

/** A role, and what of it depends on the cells of its tiles. */
export type Written = {
  readonly role: Role;
  readonly splits: readonly Split[];
  /** For each instruction the task that it carries out, where it does. */
  readonly sites: readonly (Site | undefined)[];
  /** For each buffer the tile whose program says of what type its value is, where one does. */
  readonly typedBy: readonly (number | undefined)[];
};

/** By task of one program that of the other in its place. */
export type Twins = ReadonlyMap<Task, Task>;

/** The twins of all tasks of a program; undefined where the two differ in more than cells. */
export function twinsOf(one: Split, other: Split): Twins | undefined {
  const [mine, theirs] = [one, other].map(tasksOf) as [readonly Task[], readonly Task[]];
  const alike =
    pairwise(mine, theirs, areTwins) &&
    sameItems(one.ahead.needs, other.ahead.needs) &&
    pairwise(one.works, other.works, worksAlike) &&
    sameKinds(one.types, other.types);
  return alike ? new Map(mine.map((task, i) => [task, at(theirs, i)])) : undefined;
}

const worksAlike = (one: Work, other: Work): boolean =>
  one.chunk === other.chunk &&
  one.phase === other.phase &&
  one.tasks.length === other.tasks.length &&
  sameItems(one.needs, other.needs) &&
  sameItems(one.gives, other.gives);

const tasksOf = ({ ahead, works }: Split): readonly Task[] => [
  ...ahead.tasks,
  ...works.flatMap(({ tasks }) => tasks),
];

function sameKinds(some: ReadonlyMap<string, ValueType>, others: ReadonlyMap<string, ValueType>): boolean {
  if (some.size !== others.size) return false;
  for (const [name, { kind }] of some) if (others.get(name)?.kind !== kind) return false;
  return true;
}

function areTwins(one: Task, other: Task): boolean {
  if (one.part !== other.part || !sameItems(one.reads, other.reads) || !sameItems(one.writes, other.writes))
    return false;
  if (one.kind === 'run') return other.kind === 'run' && one.why === other.why;
  return other.kind === 'meet' && meetAlike(one.op, other.op);
}

/** What is pasted has a place of its own on each device. */
function meetAlike(one: Op, other: Op): boolean {
  if (one.kind === 'exchange' && other.kind === 'exchange')
    return (
      one.attrs.value === other.attrs.value &&
      one.attrs.back === other.attrs.back &&
      (one.attrs.keeps.length === 0) === (other.attrs.keeps.length === 0) &&
      isNothing(one) === isNothing(other)
    );
  const gathers = one.kind === 'all_gather' || one.kind === 'reduce_scatter';
  return gathers && one.kind === other.kind && one.attrs.over === other.attrs.over;
}

/** Whether a device gets nothing of what is exchanged. */
export const isNothing = ({ type }: Op): boolean => type.kind === 'map' && volume(type.box) === 0;

/** The instructions and buffers of a role whose tiles have the programs `splits`; `twins`: of the tasks of each tile. */
export function rewritten(
  { role, sites, typedBy }: Written,
  splits: readonly Split[],
  twins: readonly Twins[],
  segments: Segments,
  samples: number,
): Pick<Role, 'instructions' | 'buffers'> {
  const instructions = role.instructions.map((one, index) => {
    const site = sites[index];
    const task = site && at(twins, site.share).get(site.task);
    return task === undefined ? one : withTask(one, task, segments);
  });
  const layoutOf = layoutsOf(samples);
  const buffers = role.buffers.map((buffer, index) => {
    const share = typedBy[index];
    const type = share === undefined ? undefined : at(splits, share).types.get(buffer.value);
    return type === undefined ? buffer : withLayout(buffer, layoutOf(type));
  });
  return { instructions, buffers };
}

function withTask(one: Instruction, task: Task, segments: Segments): Instruction {
  if (one.do === 'run' && task.kind === 'run') {
    const { why, micro, reads, writes } = one;
    return { do: 'run', segment: segments.named(task.why, task.graph).name, why, micro, reads, writes };
  }
  if (one.do !== 'exchange' || task.kind !== 'meet' || task.op.kind !== 'exchange') return one;
  const { keeps, sends, receives } = task.op.attrs;
  return { ...one, ...(keeps.length === 0 ? {} : { keeps }), sends, receives };
}

function withLayout(buffer: Buffer, layout: Layout): Buffer {
  // What has no cells is the same in all of them.
  const isSame = layout.element === buffer.element && sameDims(layout.dims, buffer.dims);
  return layout.box === undefined && buffer.box === undefined && isSame ? buffer : laidOut(buffer, layout);
}
