/**
 * A plan in files, so that a device of a large one reads what it does itself and no more. `plan.json` has all but the
 * programs: the Plan, of its roles their heads. `roles/NAME.json` has the program of a role: its buffers, its
 * instructions, and the segments that it runs.
 *
 * Roles that do the same, by name, on other cells have programs that are nearly the same text. Of these the first is
 * written as it is, and each other one as what differs from it (`difference.ts`):
 *
 *   { "like": "role_0_0", "but": { "buffers": { "17": { "offset": [4096] } } } }
 *
 * Who reads it need not know why two are alike: what is written is the difference, whatever it is.
 */
import { at } from './box.ts';
import { bundlePaths, rolePath } from './bundle.ts';
import { type Difference, differenceOf, differing } from './difference.ts';
import type { Group } from './ops/attributes.ts';
import type { Instruction, Plan, Role, Segment } from './plan.ts';
import { isSameData } from './same-data.ts';
import { firstsAlike } from './verify/alike.ts';

/** A kind of instruction that takes others: which of them it meets, or the stage. */
export type Talk = {
  readonly do: Instruction['do'];
  readonly over?: Group;
  readonly stage?: number;
};

/** What others have to know of a role's program. */
type Told = {
  /** Each kind once, in the order in which they come first. */
  readonly talks: readonly Talk[];
  /** Which of the plan's states it holds, by their index. */
  readonly states: readonly number[];
};

type Head = Pick<Role, 'name' | 'stage' | 'classes' | 'arenaBytes' | 'peakBytes'> & Told;

/** Segments in the order in which they are run first. */
type Program = Pick<Role, 'buffers' | 'instructions'> & { readonly segments: readonly Segment[] };

type PlanHead = Omit<Plan, 'segments' | 'roles'> & { readonly roles: readonly Head[] };

type Written = Program | { readonly like: string; readonly but: Difference };

export type PlanFile = { readonly path: string; readonly content: PlanHead | Written };

/** The files of a plan, `plan.json` first. */
export function* planFiles(plan: Plan): Generator<PlanFile> {
  const { segments, roles, ...others } = plan;
  const tell = tellerOf(plan);
  const heads = roles.map((role): Head => {
    const { name, stage, classes, arenaBytes, peakBytes } = role;
    return { name, stage, classes, arenaBytes, peakBytes, ...tell(role) };
  });
  yield { path: bundlePaths.plan, content: { ...others, roles: heads } };
  const named = new Map(segments.map((segment) => [segment.name, segment]));
  const firsts = new Map<number, Program>();
  for (const [index, first] of firstsAlike(plan).entries()) {
    const [role, like] = [at(roles, index), at(roles, first)];
    const program = programOf(role, named);
    if (first === index) firsts.set(index, program);
    const one = firsts.get(first);
    const content = first === index ? program : { like: like.name, but: differenceOf(one, program) ?? {} };
    yield { path: rolePath(role.name), content };
  }
}

function tellerOf({ states }: Plan): (role: Role) => Told {
  const indices = new Map(states.map(({ buffer }, index) => [buffer, index]));
  return ({ buffers, instructions }) => ({
    talks: talksOf(instructions),
    states: buffers.flatMap(({ name }) => indices.get(name) ?? []).sort((a, b) => a - b),
  });
}

function programOf({ buffers, instructions }: Role, named: ReadonlyMap<string, Segment>): Program {
  const run = new Set(instructions.flatMap((one) => (one.do === 'run' ? [one.segment] : [])));
  return { buffers, instructions, segments: [...run].flatMap((name) => named.get(name) ?? []) };
}

function talksOf(instructions: readonly Instruction[]): Talk[] {
  const talks = new Map<string, Talk>();
  for (const one of instructions) {
    const talk = talkOf(one);
    if (talk !== undefined) talks.set(Object.values(talk).join(' '), talk);
  }
  return [...talks.values()];
}

function talkOf(one: Instruction): Talk | undefined {
  switch (one.do) {
    case 'all_reduce':
    case 'all_gather':
    case 'reduce_scatter':
      return { do: one.do, over: one.over };
    case 'send':
    case 'receive':
      return { do: one.do, stage: one.stage };
    case 'exchange':
    case 'clip':
      return { do: one.do };
    default:
      return undefined;
  }
}

/** What was read, or why it was not. */
export type Read<T = unknown> = { readonly value: T } | { readonly file: string; readonly problem: string };

/** What ought to be a Plan, and what others are told of each role; whether it is that remains to be seen. */
export type ReadPlan = { readonly plan: unknown; readonly told: readonly unknown[] };

type Data = Readonly<Record<string, unknown>>;

const dataOf = (value: unknown): Data => (typeof value === 'object' && value !== null ? (value as Data) : {});

/** `parsed`: what `JSON.parse` gives of a file. */
export function planInFiles(parsed: (path: string) => Read): Read<ReadPlan> {
  const head = parsed(bundlePaths.plan);
  if ('problem' in head) return head;
  const { roles: heads, states, ...others } = dataOf(head.value);
  if (!Array.isArray(heads)) return { file: bundlePaths.plan, problem: 'plan.roles is not a list' };
  const programs = new Map<string, unknown>();
  const segments = new Map<unknown, unknown>();
  const roles: unknown[] = [];
  for (const { name, stage, classes, arenaBytes, peakBytes } of heads.map(dataOf)) {
    const file = rolePath(String(name));
    const program = programIn(file, parsed, programs);
    if ('problem' in program) return program;
    programs.set(String(name), program.value);
    const { buffers, instructions, segments: own } = dataOf(program.value);
    if (!Array.isArray(own)) return { file, problem: 'its segments are not a list' };
    for (const segment of own) {
      const key = dataOf(segment).name;
      if (segments.has(key) && !isSameData(segments.get(key), segment))
        return { file, problem: `another role has another segment ${key}` };
      segments.set(key, segment);
    }
    roles.push({ name, stage, classes, buffers, instructions, arenaBytes, peakBytes });
  }
  const plan = { ...others, segments: [...segments.values()], roles, states };
  const told = heads.map(dataOf).map(({ talks, states: held }) => ({ talks, states: held }));
  return { value: { plan, told } };
}

/** `programs`: those of the roles before it, by their names. */
function programIn(
  file: string,
  parsed: (path: string) => Read,
  programs: ReadonlyMap<string, unknown>,
): Read {
  const read = parsed(file);
  if ('problem' in read || !Object.hasOwn(dataOf(read.value), 'like')) return read;
  const { like, but } = dataOf(read.value);
  const one = typeof like === 'string' ? programs.get(like) : undefined;
  if (one === undefined) return { file, problem: 'it is like no role before it' };
  const program = differing(one, but, 'but');
  return 'problem' in program ? { file, problem: program.problem } : program;
}

/** The first role of which others are told something else than its program says. */
export function roleMistold(plan: Plan, told: readonly unknown[]): Role | undefined {
  const tell = tellerOf(plan);
  return plan.roles.find((role, index) => !isSameData(told[index], tell(role)));
}
