/** What the devices of a plan send each other in a step, counted from its instructions: no machine is assumed. */
import { volume } from './box.ts';
import type { Group } from './ops/attributes.ts';
import type { Buffer, Instruction, Plan, Role } from './plan.ts';
import { groupSize } from './ranks.ts';
import { stagesOf } from './schedule.ts';
import { chunkOfOps, stageOfChunks } from './stages.ts';
import { product } from './type.ts';
import { type Meaning, meaningsOf } from './verify/names.ts';

/** Messages and their bytes, of all devices in one step. A message to several devices counts once for each. */
export type Traffic = { readonly messages: number; readonly bytes: number };

/**
 * `exchange`: margins and their shares; `gather`: parts of statistics and sums, and their shares; `send`: values and
 * cotangents between stages; `skip`: those of them that are there for a later reader than the first; `all_reduce`:
 * gradients, denominators and the loss; `clip`: squares of norms.
 */
export const trafficKinds = ['exchange', 'gather', 'send', 'skip', 'all_reduce', 'clip'] as const;

export type TrafficKind = (typeof trafficKinds)[number];

const nothing: Traffic = { messages: 0, bytes: 0 };

const both = (a: Traffic, b: Traffic): Traffic => ({
  messages: a.messages + b.messages,
  bytes: a.bytes + b.bytes,
});

const times = ({ messages, bytes }: Traffic, count: number): Traffic => ({
  messages: messages * count,
  bytes: bytes * count,
});

/** The tiles of a prediction do not meet. */
export function trafficOf(plan: Plan): Readonly<Record<TrafficKind, Traffic>> {
  const roles = plan.purpose === 'predict' ? [] : plan.roles;
  const readers = stagesReading(plan);
  const meaningOf = meaningsOf(plan);
  const senders = roles.map((role) => senderOf(plan, role, readers, meaningOf(role)));
  const of = (kind: TrafficKind): Traffic =>
    senders.reduce((sum, sender) => {
      const devices = plan.schedule.replicas * placesWith(plan, sender.role);
      const each = sender.role.instructions.map((one) => sentBy(sender, one, kind)).reduce(both, nothing);
      return both(sum, times(each, devices));
    }, nothing);
  return {
    exchange: of('exchange'),
    gather: of('gather'),
    send: of('send'),
    skip: of('skip'),
    all_reduce: of('all_reduce'),
    clip: of('clip'),
  };
}

const placesWith = ({ axes }: Plan, { classes }: Role): number =>
  product(axes.map((axis, i) => axis.classes.filter((kind) => kind === classes[i]).length));

/** A role, and what its instructions are counted by. */
type Sender = {
  readonly plan: Plan;
  readonly role: Role;
  readonly buffers: ReadonlyMap<string, Buffer>;
  /** Whether the stage that gets a value of that name has none of the op that reads it first. */
  readonly isSkip: (name: string, stage: number) => boolean;
};

function senderOf(plan: Plan, role: Role, readers: ReadonlyMap<string, number>, meaning: Meaning): Sender {
  return {
    plan,
    role,
    buffers: new Map(role.buffers.map((buffer) => [buffer.name, buffer])),
    isSkip(name, stage) {
      const first = readers.get(meaning(name) ?? '');
      return first !== undefined && first !== stage;
    },
  };
}

/** What one device sends in one instruction, as far as it is of that kind. */
function sentBy({ plan, buffers, isSkip }: Sender, one: Instruction, kind: TrafficKind): Traffic {
  const bytes = (...names: readonly string[]): number =>
    names.reduce((sum, name) => sum + (buffers.get(name)?.bytes ?? 0), 0);
  const others = (over: Group) => groupSize(plan, over) - 1;
  const toEach = (count: number, size: number): Traffic => ({ messages: count, bytes: count * size });
  switch (one.do) {
    case 'exchange':
      return kind === 'exchange' ? exchanged(buffers, one) : nothing;
    case 'all_gather':
      return kind === 'gather' ? toEach(others(one.over), bytes(one.from)) : nothing;
    case 'reduce_scatter':
      return kind === 'gather' ? toEach(others(one.over), bytes(one.into)) : nothing;
    case 'send':
      return kind === 'send' || (kind === 'skip' && isSkip(one.name, one.stage))
        ? toEach(1, bytes(one.from))
        : nothing;
    case 'all_reduce': {
      // Each adds up its part of what all have, and gives all of them the sum.
      const count = others(one.over);
      const part = Math.round(bytes(...one.buffers) / (count + 1));
      return kind === 'all_reduce' ? toEach(2 * count, part) : nothing;
    }
    case 'clip':
      return kind === 'clip' ? toEach(stagesOf(plan.schedule) - 1, 8) : nothing;
    default:
      return nothing;
  }
}

/** The pieces for one neighbour are one message. */
function exchanged(
  buffers: Sender['buffers'],
  { from = '', sends }: Extract<Instruction, { do: 'exchange' }>,
): Traffic {
  const [samples = 0, channels = 0] = buffers.get(from)?.dims ?? [];
  const cells = sends.reduce((sum, { box }) => sum + volume(box), 0);
  return {
    messages: new Set(sends.map(({ offset }) => offset.join())).size,
    bytes: 4 * samples * channels * cells,
  };
}

/** For each value of the model the stage of the op that reads it first. */
function stagesReading({ model, schedule }: Plan): Map<string, number> {
  const stages = stageOfChunks(schedule);
  const chunks = chunkOfOps(model, schedule);
  const first = new Map<string, number>();
  model.ops.forEach(({ inputs }, index) => {
    for (const value of inputs) if (!first.has(value)) first.set(value, stages[chunks[index] ?? 0] ?? 0);
  });
  return first;
}
