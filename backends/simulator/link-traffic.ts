/** Over which links of a machine the messages of a step go, counted from the instructions, device by device. */
import { at, volume } from '../../ir/box.ts';
import { buffersByName } from '../../ir/buffers.ts';
import { type Link, linkBetween, type Machine, nodeOf } from '../../ir/machine.ts';
import type { Group, Piece } from '../../ir/ops/attributes.ts';
import type { Plan, Role } from '../../ir/plan.ts';
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

/** Those of one kind for the same receivers together. */
function giftsOf(role: Role): Gift[] {
  const buffers = buffersByName(role.buffers);
  const bytesOf = (name: string) => buffers.get(name)?.bytes ?? 0;
  const gifts = new Map<string, Gift & { messages: number; bytes: number }>();
  const give = (kind: LinkKind, to: Receivers, receivers: string, bytes: number): void => {
    const key = `${kind} ${receivers}`;
    const known = gifts.get(key);
    if (known === undefined) gifts.set(key, { kind, to, messages: 1, bytes });
    else {
      known.messages += 1;
      known.bytes += bytes;
    }
  };
  const cellsOf = cellsByOffset();
  for (const one of role.instructions) {
    if (one.do === 'exchange') {
      // The pieces for one neighbour are one message.
      const [samples = 0, channels = 0] = buffers.get(one.from ?? '')?.dims ?? [];
      for (const [key, { offset, cells }] of cellsOf(one.sends))
        give('exchange', { offset }, key, 4 * samples * channels * cells);
    } else if (one.do === 'all_gather') give('gather', { over: one.over }, one.over, bytesOf(one.from));
    else if (one.do === 'reduce_scatter') give('gather', { over: one.over }, one.over, bytesOf(one.into));
    else if (one.do === 'send') give('send', { stage: one.stage }, `${one.stage}`, bytesOf(one.from));
  }
  return [...gifts.values()];
}

type Given = ReadonlyMap<string, { readonly offset: readonly number[]; readonly cells: number }>;

/** By offset the cells of the pieces of an exchange; told once for those that micro-batches have in common. */
function cellsByOffset(): (pieces: readonly Piece[]) => Given {
  const known = new Map<readonly Piece[], Given>();
  return (pieces) => {
    const found = known.get(pieces);
    if (found !== undefined) return found;
    const sums = new Map<string, { readonly offset: readonly number[]; cells: number }>();
    for (const { offset, box } of pieces) {
      const key = offset.join();
      const sum = sums.get(key) ?? { offset, cells: 0 };
      sum.cells += volume(box);
      sums.set(key, sum);
    }
    known.set(pieces, sums);
    return sums;
  };
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
