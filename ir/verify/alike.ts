/**
 * Roles of a stage that do the same, by name, and differ in cells alone, as those of the tiles of a grid do. A check that
 * sees no cells finds the same in all of them: it is told once.
 */
import { at } from '../box.ts';
import { graphsAlike, type NamedGraph } from '../graph.ts';
import type { Buffer, Instruction, NamedInstruction, Plan, Role, Segment } from '../plan.ts';
import { remembered } from '../remembered.ts';
import { isSameData, pairwise, sameItems } from '../same-data.ts';
import type { IndexedPlan, IndexedRole, RoleCheck } from './indexed.ts';

/** Without its size, its cells and its place in memory. */
export type NamedBuffer = Pick<Buffer, 'name' | 'value' | 'part' | 'birth' | 'death'>;

/** `name` says where a fault is. */
export type NamedProgram = Pick<Role, 'name' | 'stage'> & {
  readonly buffers: readonly NamedBuffer[];
  readonly instructions: readonly NamedInstruction[];
};

/** All that a check may look at which is told once for roles that differ in cells alone. */
export type NamedRole = Pick<IndexedRole, 'uses' | 'parts' | 'has'> & {
  readonly role: NamedProgram;
  readonly buffers: ReadonlyMap<string, NamedBuffer>;
};

export type NamedSegment = { readonly graph: NamedGraph };

/** A plan but for its roles. */
export type NamedPlan = Omit<Plan, 'roles' | 'segments'>;

export type NamedIndex = Pick<IndexedPlan, 'states' | 'trained'> & {
  readonly plan: NamedPlan;
  readonly segments: ReadonlyMap<string, NamedSegment>;
};

export type NamedCheck = (index: NamedIndex) => (role: NamedRole) => ReturnType<ReturnType<RoleCheck>>;

/** Of roles that are alike the first that is sound speaks for the others. */
export const onceForAlike =
  (named: NamedCheck): RoleCheck =>
  (index) => {
    const check = named(index);
    const sound = new Set<number>();
    return (role) => {
      if (sound.has(role.alike)) return [];
      const faults = check(role);
      if (faults.length === 0) sound.add(role.alike);
      return faults;
    };
  };

/** For each role the index of the first that is alike. */
export const firstsAlike = remembered(
  ({ roles, segments }: Pick<Plan, 'roles' | 'segments'>): readonly number[] => {
    const alike = segmentsAlike(segments);
    const firsts: number[] = [];
    return roles.map((role, index) => {
      const first = firsts.find((one) => rolesAlike(at(roles, one), role, alike));
      if (first === undefined) firsts.push(index);
      return first ?? index;
    });
  },
);

/** Whether two segments, by name, do the same, by name. */
function segmentsAlike(segments: readonly Segment[]): (one: string, other: string) => boolean {
  const graphs = new Map(segments.map(({ name, graph }) => [name, graph]));
  /** By segment another that it is like. */
  const known = new Map<string, string>();
  return (one, other) => {
    if (one === other || known.get(other) === one) return true;
    const [mine, theirs] = [graphs.get(one), graphs.get(other)];
    if (mine === undefined || theirs === undefined || !graphsAlike(mine, theirs)) return false;
    known.set(other, one);
    return true;
  };
}

const rolesAlike = (one: Role, other: Role, alike: (a: string, b: string) => boolean): boolean =>
  one.stage === other.stage &&
  pairwise(one.buffers, other.buffers, buffersAlike) &&
  pairwise(one.instructions, other.instructions, (mine, theirs) => instructionsAlike(mine, theirs, alike));

const buffersAlike = (one: NamedBuffer, other: NamedBuffer): boolean =>
  one === other ||
  (one.name === other.name &&
    one.value === other.value &&
    one.birth === other.birth &&
    one.death === other.death &&
    sameItems(one.part ?? [], other.part ?? []));

function instructionsAlike(
  one: Instruction,
  other: Instruction,
  alike: (a: string, b: string) => boolean,
): boolean {
  if (one === other) return true;
  if (one.do === 'run' && other.do === 'run')
    return (
      one.why === other.why &&
      one.micro === other.micro &&
      sameItems(one.reads, other.reads) &&
      sameItems(one.writes, other.writes) &&
      alike(one.segment, other.segment)
    );
  if (one.do === 'exchange' && other.do === 'exchange') return exchangesAlike(one, other);
  return isSameData(one, other);
}

type NamedExchange = Extract<NamedInstruction, { do: 'exchange' }>;

const exchangesAlike = (one: NamedExchange, other: NamedExchange): boolean =>
  one.name === other.name &&
  one.value === other.value &&
  one.back === other.back &&
  one.micro === other.micro &&
  one.from === other.from &&
  one.into === other.into;
