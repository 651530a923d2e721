/** Meetings of groups, and messages between stages. */
import { at } from '../../../ir/box.ts';
import type { Group } from '../../../ir/ops/attributes.ts';
import type { Instruction, Plan, Role } from '../../../ir/plan.ts';
import { groupOf } from '../../../ir/ranks.ts';
import { stagesOf } from '../../../ir/schedule.ts';
import { usesOf } from '../../../ir/uses.ts';
import {
  atInstruction,
  everywhere,
  type InstructionOf,
  instead,
  isKind,
  type Mutation,
  moved,
  replaceAt,
} from './edit.ts';

const isReduce = isKind('all_reduce');
const isGather = isKind('all_gather', 'reduce_scatter');
const isGroup = isKind('all_reduce', 'all_gather', 'reduce_scatter');
const isMessage = isKind('send', 'receive');

/** Another group that has not the same members; of a plan where all groups are one, none. */
const otherGroups = (plan: Plan, over: Group): Group[] => {
  const seat = { replica: 0, stage: 0, place: plan.axes.map(() => 0) };
  const members = (group: Group) => groupOf(plan, seat, group).join();
  return (['grid', 'stage', 'all'] as const).filter((group) => members(group) !== members(over));
};

const overAnother = (one: InstructionOf<'all_reduce' | 'all_gather' | 'reduce_scatter'>, plan: Plan) =>
  otherGroups(plan, one.over).map((over): Instruction => ({ ...one, over }));

/** Every reduction of all roles of all stages, changed in the same way. */
const reductions = (
  change: (one: InstructionOf<'all_reduce'>, role: Role, plan: Plan) => readonly Instruction[],
): Mutation =>
  everywhere((work, role, plan) =>
    work.some(isReduce)
      ? work.flatMap((one) => (isReduce(one) ? change(one, role, plan) : [one]))
      : undefined,
  );

/** A part of a sum, as its own buffer. */
const partOf = (role: Role, sum: string): string | undefined =>
  role.buffers.find(({ name, value }) => value === sum && name !== sum)?.name;

export const onMeetings: Readonly<Record<string, Mutation>> = {
  'reduce twice': reductions((one) => [one, one]),
  'miss every reduction': reductions(() => []),
  'miss one buffer of each reduction': reductions((one) => [{ ...one, buffers: one.buffers.slice(1) }]),
  'miss one buffer of a reduction on one device': instead(isReduce, (one) =>
    one.buffers.length > 0 ? [{ ...one, buffers: one.buffers.slice(1) }] : undefined,
  ),
  'reduce over another group on one device': instead(isReduce, (one, _role, plan) =>
    overAnother(one, plan).slice(0, 1),
  ),
  'reduce over another group everywhere': (plan) =>
    otherGroups(plan, 'stage').flatMap((over) => reductions((one) => [{ ...one, over }])(plan)),
  'reduce a weight too': reductions((one, _role, { states }) => [
    { ...one, buffers: [...one.buffers, ...states.slice(0, 1).map(({ buffer }) => buffer)] },
  ]),
  'reduce the parts of a sum before they are added': everywhere((work, role) => {
    const sum = work.find((one) => one.do === 'accumulate');
    const part = sum && (partOf(role, sum.into) ?? sum.from);
    const index = work.findIndex((one) => part !== undefined && usesOf(one).reads.includes(part));
    if (part === undefined || index < 0 || !work.some(isReduce)) return undefined;
    const early: Instruction = { do: 'all_reduce', over: 'stage', micro: 0, buffers: [part] };
    return [...work.slice(0, index), early, ...work.slice(index)];
  }),
  // The same role of all replicas is one program: another must be there that reduces in the old order.
  'reduce in another order on one device': instead(isReduce, (one, { stage }, { roles }) =>
    one.buffers.length > 1 && roles.filter((role) => role.stage === stage).length > 1
      ? [{ ...one, buffers: [...one.buffers].reverse() }]
      : undefined,
  ),
  'reduce two buckets in another order on one device': atInstruction(
    isReduce,
    (one, index, work, { stage }, { roles }) => {
      const next = work.findIndex((other, i) => i > index && isReduce(other));
      const others = roles.filter((role) => role.stage === stage).length > 1;
      if (!others || next < 0 || one.buffers.length === 0) return undefined;
      return replaceAt(replaceAt(work, index, at(work, next)), next, one);
    },
  ),
  'reduce before the last part is there': everywhere((work) => {
    const index = work.findLastIndex(isReduce);
    const reduce = work[index];
    const last = work.findLastIndex(
      (one, i) =>
        i < index &&
        reduce?.do === 'all_reduce' &&
        usesOf(one).writes.some((name) => reduce.buffers.includes(name)),
    );
    return last < 0 ? undefined : moved(work, index, last);
  }),
  // Who is alone in its stage, or one with its copies, only takes longer.
  'meet once more than the others': instead(isGroup, (one, { stage }, { roles }) =>
    one.do === 'all_reduce' || roles.filter((role) => role.stage === stage).length > 1
      ? [one, one]
      : undefined,
  ),
  'gather over another group': instead(isGather, (one, _role, plan) => overAnother(one, plan).slice(0, 1)),
  'gather over another group everywhere': (plan) =>
    (['grid', 'stage', 'all'] as const).flatMap((over) =>
      everywhere((work) =>
        work.some((one) => isGather(one) && otherGroups(plan, one.over).includes(over))
          ? work.map((one) => (isGather(one) ? { ...one, over } : one))
          : undefined,
      )(plan),
    ),
  'give home none of the shares of what was gathered': everywhere((work) =>
    work.some(isKind('reduce_scatter'))
      ? work.map((one): Instruction => {
          if (one.do !== 'reduce_scatter') return one;
          // The buffer is written all the same, as if the share of this device alone were all of it.
          return { do: 'accumulate', from: one.from, into: one.into, first: true };
        })
      : undefined,
  ),
  'gather in another order on one device': atInstruction(isGather, (_one, index, work) => {
    const next = work.findIndex((other, i) => i > index && isGroup(other));
    if (next < 0) return undefined;
    return replaceAt(replaceAt(work, index, at(work, next)), next, at(work, index));
  }),
  'send to another stage': instead(isKind('send'), (one, role, { schedule }) =>
    otherStage(one, role, stagesOf(schedule)),
  ),
  'receive from another stage': instead(isKind('receive'), (one, role, { schedule }) =>
    otherStage(one, role, stagesOf(schedule)),
  ),
  'send twice': instead(isKind('send'), (one) => [one, one]),
  'receive twice': instead(isKind('receive'), (one) => [one, one]),
  'swap the names of two messages': atInstruction(isMessage, (one, index, work) => {
    const other = work.findIndex((twin) => twin.do === one.do && twin.name !== one.name);
    const twin = work[other];
    if (twin === undefined || !isMessage(twin)) return undefined;
    return replaceAt(replaceAt(work, index, { ...one, name: twin.name }), other, { ...twin, name: one.name });
  }),
  'make a send a receive': instead(isKind('send'), ({ from, ...one }) => [
    { ...one, do: 'receive', into: from },
  ]),
  'make a receive a send': instead(isKind('receive'), ({ into, ...one }) => [
    { ...one, do: 'send', from: into },
  ]),
  // The other stage makes its answer from what it is sent, so it waits for this device, which waits for it.
  'wait for an answer before asking': atInstruction(isKind('receive'), (one, index, work) => {
    const asked = work.findIndex(
      (sent) => sent.do === 'send' && sent.micro === one.micro && sent.stage === one.stage,
    );
    return asked < 0 || asked > index ? undefined : moved(work, index, asked);
  }),
};

function otherStage(one: InstructionOf<'send' | 'receive'>, { stage }: Role, stages: number): Instruction[] {
  // Of two stages the other one is its own.
  const others = Array.from({ length: stages }, (_, other) => other).filter((other) => other !== one.stage);
  return [{ ...one, stage: others.find((other) => other !== stage) ?? stage }];
}
