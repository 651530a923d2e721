/**
 * Ways of breaking a sound plan. A mutation lists the places where it can break one; what it changes beside
 * that (frees, lives, places in the arena) is made to fit again, so that the verifier cannot
 * notice by a stale number what it should notice by the meaning.
 */
import { at } from '../../../ir/box.ts';
import type { Graph, Op } from '../../../ir/graph.ts';
import type { Buffer, Instruction, Plan, Role } from '../../../ir/plan.ts';
import { usesOf } from '../../../ir/uses.ts';
import { allocate } from '../../../passes/lower/allocate.ts';

/** A broken plan in the making, for one place of one mutation. */
export type Site = () => Plan;

/** All places where a plan can be broken in one way. */
export type Mutation = (plan: Plan) => readonly Site[];

export type InstructionOf<D extends Instruction['do']> = Extract<Instruction, { do: D }>;

export const replaceAt = <T>(list: readonly T[], index: number, ...items: readonly T[]): T[] => [
  ...list.slice(0, index),
  ...items,
  ...list.slice(index + 1),
];

/** The element at `from` moved so that it comes right before the one at `to`. */
export const moved = <T>(list: readonly T[], from: number, to: number): T[] => {
  const rest = replaceAt(list, from);
  const place = to > from ? to - 1 : to;
  return [...rest.slice(0, place), at(list, from), ...rest.slice(place)];
};

export const isKind =
  <D extends Instruction['do']>(...kinds: readonly D[]) =>
  (one: Instruction): one is InstructionOf<D> =>
    kinds.some((kind) => kind === one.do);

/** The instructions of a role without its frees, which follow from the rest. */
export const workOf = ({ instructions }: Role): Instruction[] =>
  instructions.filter((one) => one.do !== 'free');

/** A change of what one role does; undefined where there is nothing to break. */
export type Change = (work: readonly Instruction[], role: Role) => readonly Instruction[] | undefined;

const withRole = (plan: Plan, index: number, role: Role): Plan => ({
  ...plan,
  roles: replaceAt(plan.roles, index, role),
});

/** The plan in which a role works otherwise: frees, lives and places are those of the new work. */
export const reworked = (plan: Plan, index: number, work: readonly Instruction[]): Plan =>
  placed(withRole(plan, index, lived(plan, withFrees(plan, at(plan.roles, index), work))));

/** Buffers have their places in the arena again, wherever instructions, sizes or segments changed. */
export function placed(plan: Plan): Plan {
  const result = allocate.run({ stage: 'plan', allocated: false, plan });
  if (!('plan' in result)) throw new Error('no plan');
  return result.plan;
}

const statesOf = ({ states }: Plan): Set<string> => new Set(states.map(({ buffer }) => buffer));

/** Each buffer is freed right after its last use. */
function withFrees(plan: Plan, role: Role, work: readonly Instruction[]): Role {
  const states = statesOf(plan);
  const last = new Map<string, number>();
  work.forEach((one, index) => {
    const { reads, writes } = usesOf(one);
    for (const name of [...reads, ...writes]) if (!states.has(name)) last.set(name, index);
  });
  const instructions = work.flatMap((one, index): Instruction[] => {
    const buffers = [...last].filter(([, end]) => end === index).map(([name]) => name);
    return buffers.length === 0 ? [one] : [one, { do: 'free', buffers }];
  });
  return { ...role, instructions };
}

/** Lives as the instructions make them; a buffer that none uses is gone. */
export function lived(plan: Plan, role: Role): Role {
  const states = statesOf(plan);
  const lives = new Map<string, Pick<Buffer, 'birth' | 'death'>>();
  role.instructions.forEach((one, index) => {
    const { reads, writes, frees } = usesOf(one);
    for (const name of [...reads, ...writes, ...frees])
      lives.set(name, { birth: lives.get(name)?.birth ?? index, death: index });
  });
  const buffers = role.buffers.flatMap((buffer) => {
    const life = lives.get(buffer.name);
    if (states.has(buffer.name)) return [{ ...buffer, birth: -1, death: role.instructions.length }];
    return life === undefined ? [] : [{ ...buffer, ...life }];
  });
  return { ...role, buffers };
}

/** Breaks the work of one role, at one place. `changes` lists what can be done at an instruction. */
export const atInstruction =
  <T extends Instruction>(
    chosen: (one: Instruction) => one is T,
    change: (
      one: T,
      index: number,
      work: readonly Instruction[],
      role: Role,
      plan: Plan,
    ) => readonly Instruction[] | undefined,
  ): Mutation =>
  (plan) =>
    plan.roles.flatMap((role, r) => {
      const work = workOf(role);
      return work.flatMap((one, index): Site[] => {
        if (!chosen(one)) return [];
        const changed = change(one, index, work, role, plan);
        return changed === undefined ? [] : [() => reworked(plan, r, changed)];
      });
    });

/** Puts other instructions in the place of one. */
export const instead = <T extends Instruction>(
  chosen: (one: Instruction) => one is T,
  change: (one: T, role: Role, plan: Plan) => readonly Instruction[] | undefined,
): Mutation =>
  atInstruction(chosen, (one, index, work, role, plan) => {
    const others = change(one, role, plan);
    return others && replaceAt(work, index, ...others);
  });

export const anything = (one: Instruction): one is Instruction => one !== undefined;

/** Breaks every role in the same way; the roles that `change` has nothing for stay as they are. */
export const everywhere =
  (
    change: (work: readonly Instruction[], role: Role, plan: Plan) => readonly Instruction[] | undefined,
  ): Mutation =>
  (plan) => {
    const works = plan.roles.map((role) => change(workOf(role), role, plan));
    if (works.every((work) => work === undefined)) return [];
    return [
      () =>
        works.reduce<Plan>(
          (broken, work, index) => (work === undefined ? broken : reworked(broken, index, work)),
          plan,
        ),
    ];
  };

/** Breaks the full list of instructions, frees included; lives are made to fit, places are not. */
export const inList =
  (
    change: (instructions: readonly Instruction[], index: number) => readonly Instruction[] | undefined,
  ): Mutation =>
  (plan) =>
    plan.roles.flatMap((role, r) =>
      role.instructions.flatMap((_, index): Site[] => {
        const instructions = change(role.instructions, index);
        if (instructions === undefined) return [];
        return [() => withRole(plan, r, lived(plan, { ...role, instructions }))];
      }),
    );

/** Breaks what a role says of one buffer, or of itself; `fit` gives the buffers their places again. */
export const atBuffer =
  (change: (buffer: Buffer, role: Role) => Buffer | undefined, fit = false): Mutation =>
  (plan) =>
    plan.roles.flatMap((role, r) =>
      role.buffers.flatMap((buffer, index): Site[] => {
        const changed = change(buffer, role);
        if (changed === undefined) return [];
        const broken = () => withRole(plan, r, { ...role, buffers: replaceAt(role.buffers, index, changed) });
        return [fit ? () => placed(broken()) : broken];
      }),
    );

export const atRole =
  (change: (role: Role, plan: Plan) => Role | undefined): Mutation =>
  (plan) =>
    plan.roles.flatMap((role, r): Site[] => {
      const changed = change(role, plan);
      return changed === undefined ? [] : [() => withRole(plan, r, changed)];
    });

/** Breaks an op of a segment, for all who run it. */
export const atOp =
  (change: (op: Op, graph: Graph, plan: Plan) => Op | undefined): Mutation =>
  (plan) =>
    plan.segments.flatMap((segment, s) =>
      segment.graph.ops.flatMap((op, index): Site[] => {
        const changed = change(op, segment.graph, plan);
        if (changed === undefined) return [];
        const graph = { ...segment.graph, ops: replaceAt(segment.graph.ops, index, changed) };
        const broken = { ...segment, graph };
        return [() => placed({ ...plan, segments: replaceAt(plan.segments, s, broken) })];
      }),
    );

/** One way of breaking the plan as a whole. */
export const whole =
  (change: (plan: Plan) => Plan | undefined): Mutation =>
  (plan) => {
    const broken = change(plan);
    return broken === undefined ? [] : [() => broken];
  };
