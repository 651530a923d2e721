/** What the devices of a plan send each other in a step, counted from its instructions: no machine is assumed. */
import { volume } from './box.ts';
import { buffersByName } from './buffers.ts';
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

type Sum = { messages: number; bytes: number };

const noTraffic = (): Record<TrafficKind, Sum> => ({
  exchange: { messages: 0, bytes: 0 },
  gather: { messages: 0, bytes: 0 },
  send: { messages: 0, bytes: 0 },
  skip: { messages: 0, bytes: 0 },
  all_reduce: { messages: 0, bytes: 0 },
  clip: { messages: 0, bytes: 0 },
});

function add(sum: Sum, { messages, bytes }: Traffic, times: number): void {
  sum.messages += times * messages;
  sum.bytes += times * bytes;
}

/** The tiles of a prediction do not meet. */
export function trafficOf(plan: Plan): Readonly<Record<TrafficKind, Traffic>> {
  const roles = plan.purpose === 'predict' ? [] : plan.roles;
  const readers = stagesReading(plan);
  const meaningOf = meaningsOf(plan);
  const others = othersIn(plan);
  const all = noTraffic();
  for (const role of roles) {
    const sender = senderOf(plan, role, others, readers, meaningOf(role));
    const own = noTraffic();
    for (const one of role.instructions) addSent(own, sender, one);
    const devices = plan.schedule.replicas * placesWith(plan, role);
    for (const kind of trafficKinds) add(all[kind], own[kind], devices);
  }
  return all;
}

/** How many others a device of a group meets. */
const othersIn = (plan: Plan): Readonly<Record<Group, number>> => ({
  grid: groupSize(plan, 'grid') - 1,
  stage: groupSize(plan, 'stage') - 1,
  all: groupSize(plan, 'all') - 1,
});

const placesWith = ({ axes }: Plan, { classes }: Role): number =>
  product(axes.map((axis, i) => axis.classes.filter((kind) => kind === classes[i]).length));

/** What the instructions of a role are counted by. */
type Sender = {
  readonly stages: number;
  readonly others: Readonly<Record<Group, number>>;
  readonly buffers: ReadonlyMap<string, Buffer>;
  /** Whether the stage that gets a value of that name has none of the op that reads it first. */
  readonly isSkip: (name: string, stage: number) => boolean;
};

function senderOf(
  plan: Plan,
  role: Role,
  others: Sender['others'],
  readers: ReadonlyMap<string, number>,
  meaning: Meaning,
): Sender {
  return {
    stages: stagesOf(plan.schedule),
    others,
    buffers: buffersByName(role.buffers),
    isSkip(name, stage) {
      const first = readers.get(meaning(name) ?? '');
      return first !== undefined && first !== stage;
    },
  };
}

/** Adds what one device sends in one instruction. */
function addSent(
  sums: Record<TrafficKind, Sum>,
  { stages, others, buffers, isSkip }: Sender,
  one: Instruction,
): void {
  const bytes = (name: string): number => buffers.get(name)?.bytes ?? 0;
  const toEach = (kind: TrafficKind, count: number, size: number): void =>
    add(sums[kind], { messages: count, bytes: count * size }, 1);
  switch (one.do) {
    case 'exchange':
      add(sums.exchange, exchanged(buffers, one), 1);
      break;
    case 'all_gather':
      toEach('gather', others[one.over], bytes(one.from));
      break;
    case 'reduce_scatter':
      toEach('gather', others[one.over], bytes(one.into));
      break;
    case 'send':
      toEach('send', 1, bytes(one.from));
      if (isSkip(one.name, one.stage)) toEach('skip', 1, bytes(one.from));
      break;
    case 'all_reduce': {
      // Each adds up its part of what all have, and gives all of them the sum.
      const count = others[one.over];
      const summed = one.buffers.reduce((sum, name) => sum + bytes(name), 0);
      toEach('all_reduce', 2 * count, Math.round(summed / (count + 1)));
      break;
    }
    case 'clip':
      toEach('clip', stages - 1, 8);
      break;
    default:
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
