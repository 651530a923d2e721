/** Over which links of a machine the messages of a step go, counted from the instructions, device by device. */
import { at, volume } from '../../ir/box.ts';
import { type Link, linkBetween, type Machine, nodeOf } from '../../ir/machine.ts';
import type { Group } from '../../ir/ops/attributes.ts';
import type { Buffer, Instruction, Plan, Role } from '../../ir/plan.ts';
import { groupOf, placesOf, rankCount, type Seat, seatOf } from '../../ir/ranks.ts';
import type { Traffic } from '../../ir/traffic.ts';
import { product } from '../../ir/type.ts';

/** Sums of gradients are not among them: how they are carried out is the library's choice. */
export const linkKinds = ['exchange', 'gather', 'send'] as const;

export type LinkKind = (typeof linkKinds)[number];

export type LinkTraffic = {
  readonly link: Link;
  /** Of all devices together. */
  readonly given: Readonly<Record<LinkKind, Traffic>>;
};

/** Bytes that one device gives another in a step. */
export type Way = {
  readonly from: number;
  readonly to: number;
  readonly link: string;
  readonly bytes: number;
};

export type Topology = {
  readonly links: readonly LinkTraffic[];
  /** Of each node in use, the bytes that its devices give to other nodes. */
  readonly leaving: readonly number[];
  /** Of the node that gives most: between its devices, and out of it (`to` on another node). */
  readonly busiest: { readonly node: number; readonly ways: readonly Way[] };
};

/** Whom a device gives something: the device `offset` places away, at another stage, or each other of a group. */
type Receivers =
  | { readonly offset: readonly number[] }
  | { readonly stage: number }
  | { readonly over: Group };

type Gift = Traffic & { readonly kind: LinkKind; readonly to: Receivers };

type Sent = Traffic & { readonly kind: LinkKind; readonly from: number; readonly to: number };

type Sums = Record<LinkKind, { messages: number; bytes: number }>;

const noSums = (): Sums => ({
  exchange: { messages: 0, bytes: 0 },
  gather: { messages: 0, bytes: 0 },
  send: { messages: 0, bytes: 0 },
});

export function topologyOf(plan: Plan, machine: Machine): Topology {
  const links = [...new Set([machine.inSocket, machine.betweenSockets, machine.network])];
  const given = new Map(links.map((link) => [link, noSums()]));
  const nodes = Math.ceil(rankCount(plan) / machine.devicesPerNode);
  const leaving = Array.from({ length: nodes }, () => 0);
  const sentBy = messagesOf(plan, machine);
  const ranks = rankCount(plan);
  for (let rank = 0; rank < ranks; rank++)
    for (const one of sentBy(rank)) {
      const link = linkBetween(machine, one.from, one.to);
      const sums = link && given.get(link);
      if (link === undefined || sums === undefined) continue;
      sums[one.kind].messages += one.messages;
      sums[one.kind].bytes += one.bytes;
      const node = nodeOf(machine, one.from);
      if (link === machine.network) leaving[node] = at(leaving, node) + one.bytes;
    }
  const node = leaving.reduce((most, bytes, index) => (bytes > at(leaving, most) ? index : most), 0);
  const first = node * machine.devicesPerNode;
  const sent = Array.from({ length: Math.min(machine.devicesPerNode, ranks - first) }, (_, rank) =>
    sentBy(first + rank),
  ).flat();
  return {
    links: links.map((link) => ({ link, given: given.get(link) ?? noSums() })),
    leaving,
    busiest: { node, ways: waysOf(machine, sent) },
  };
}

/** What each rank gives the others. */
function messagesOf(plan: Plan, machine: Machine): (from: number) => Sent[] {
  const gifts = new Map(plan.roles.map((role) => [`${role.stage} ${role.classes.join()}`, giftsOf(role)]));
  const counts = placesOf(plan);
  const places = product(counts);
  const isInside = (place: readonly number[], offset: readonly number[]): boolean =>
    place.every((index, axis) => {
      const other = index + (offset[axis] ?? 0);
      return other >= 0 && other < at(counts, axis);
    });
  /** How far apart ranks are whose places are `offset` apart. */
  const steps = (offset: readonly number[]): number =>
    counts.reduce((all, count, axis) => all * count + (offset[axis] ?? 0), 0);
  const delivered = (from: number, seat: Seat, { to, kind, messages, bytes }: Gift): Sent[] => {
    if ('over' in to)
      return othersOf(plan, machine, from, seat, to.over).map(({ rank, count }) => ({
        kind,
        from,
        to: rank,
        messages: messages * count,
        bytes: bytes * count,
      }));
    if ('stage' in to) return [{ kind, from, to: from + (to.stage - seat.stage) * places, messages, bytes }];
    return isInside(seat.place, to.offset)
      ? [{ kind, from, to: from + steps(to.offset), messages, bytes }]
      : [];
  };
  return (from) => {
    const seat = seatOf(plan, from);
    const classes = seat.place.map((index, axis) => at(at(plan.axes, axis).classes, index));
    const own = gifts.get(`${seat.stage} ${classes.join()}`) ?? [];
    return own.flatMap((gift) => delivered(from, seat, gift));
  };
}

/** The others of a group, counted by the link that leads to them; one rank stands for all of a link. */
function othersOf(plan: Plan, machine: Machine, from: number, seat: Seat, over: Group) {
  const counts = new Map<Link, { readonly rank: number; count: number }>();
  for (const rank of groupOf(plan, seat, over)) {
    const link = linkBetween(machine, from, rank);
    if (link === undefined) continue;
    const known = counts.get(link) ?? { rank, count: 0 };
    known.count += 1;
    counts.set(link, known);
  }
  return [...counts.values()];
}

function giftsOf(role: Role): Gift[] {
  const buffers = new Map(role.buffers.map((buffer) => [buffer.name, buffer]));
  const bytes = (name: string) => buffers.get(name)?.bytes ?? 0;
  const gifts = role.instructions.flatMap((one): Gift[] => {
    if (one.do === 'exchange') return exchanged(buffers, one);
    if (one.do === 'all_gather')
      return [{ kind: 'gather', to: { over: one.over }, messages: 1, bytes: bytes(one.from) }];
    if (one.do === 'reduce_scatter')
      return [{ kind: 'gather', to: { over: one.over }, messages: 1, bytes: bytes(one.into) }];
    if (one.do === 'send')
      return [{ kind: 'send', to: { stage: one.stage }, messages: 1, bytes: bytes(one.from) }];
    return [];
  });
  return merged(gifts);
}

/** The pieces for one neighbour are one message. */
function exchanged(
  buffers: ReadonlyMap<string, Buffer>,
  { from = '', sends }: Extract<Instruction, { do: 'exchange' }>,
): Gift[] {
  const [samples = 0, channels = 0] = buffers.get(from)?.dims ?? [];
  const pieces = sends.map(
    ({ offset, box }): Gift => ({
      kind: 'exchange',
      to: { offset },
      messages: 1,
      bytes: 4 * samples * channels * volume(box),
    }),
  );
  return merged(pieces).map((gift) => ({ ...gift, messages: 1 }));
}

function receiversInWords(to: Receivers): string {
  if ('over' in to) return `over ${to.over}`;
  return 'stage' in to ? `stage ${to.stage}` : `offset ${to.offset.join()}`;
}

/** Those of one kind for the same receivers together. */
function merged(gifts: readonly Gift[]): Gift[] {
  const sums = new Map<string, Gift>();
  for (const gift of gifts) {
    const key = `${gift.kind} ${receiversInWords(gift.to)}`;
    const { messages, bytes } = sums.get(key) ?? { messages: 0, bytes: 0 };
    sums.set(key, { ...gift, messages: messages + gift.messages, bytes: bytes + gift.bytes });
  }
  return [...sums.values()];
}

function waysOf(machine: Machine, sent: readonly Sent[]): Way[] {
  const ways = new Map<string, Way>();
  for (const { from, to, bytes } of sent) {
    const link = linkBetween(machine, from, to);
    if (link === undefined) continue;
    const key = link === machine.network ? `${from}` : `${from} ${to}`;
    const known = ways.get(key);
    ways.set(key, { from, to: known?.to ?? to, link: link.name, bytes: bytes + (known?.bytes ?? 0) });
  }
  return [...ways.values()];
}
