/**
 * What messages cost: which links they take, and how much of a shared link is left for each.
 *
 * Ranks fill the nodes in order. Devices of a role lie in different places of their nodes, and the time line knows
 * one of them: a message is charged the slowest link that any device of the role sends it over, and a link that
 * several share its worst-case share, every device of a node sending at once.
 */
import { type Link, linkBetween, type Machine, messageSeconds } from '../../ir/machine.ts';
import type { Group, Piece } from '../../ir/ops/attributes.ts';
import type { Plan, Role } from '../../ir/plan.ts';
import { neighbour, placesOf, rankOf, type Seat } from '../../ir/ranks.ts';
import { stagesOf } from '../../ir/schedule.ts';
import { tileIndices } from '../../ir/tiling.ts';
import { product } from '../../ir/type.ts';

/** The links that the devices of a stage use to reach those at an offset. */
type Ways = {
  readonly links: readonly Link[] /** Most devices of one node that send out of it. */;
  readonly leaving: number;
};

export type Transfers = {
  /** Seconds in which a device gives and gets the pieces of an exchange, all at once. */
  exchange(
    role: Role,
    bytesOf: (piece: Piece) => number,
    sends: readonly Piece[],
    receives: readonly Piece[],
  ): number;
  /** Seconds of one message to the device at the same place of another stage. */
  message(from: number, to: number, bytes: number): number;
  /** Seconds of an all-reduce of so many bytes. */
  allReduce(stage: number, over: Group, bytes: number): number;
  /** Seconds in which each of a group gives `bytes` to every other. */
  gather(stage: number, over: Group, bytes: number): number;
};

export function transfersOf(plan: Plan, machine: Machine): Transfers {
  const ways = new Map<string, Ways>();
  const waysOf = (stage: number, offset: readonly number[]): Ways => {
    const key = `${stage} ${offset.join()}`;
    const known = ways.get(key) ?? neighbourWays(plan, machine, stage, offset);
    ways.set(key, known);
    return known;
  };
  return {
    exchange(role, bytesOf, sends, receives) {
      const one = (pieces: readonly Piece[]) => {
        let [leaving, latency] = [0, 0];
        const within = new Map<Link, number>();
        for (const piece of pieces) {
          const { links, leaving: senders } = waysOf(role.stage, piece.offset);
          const bytes = bytesOf(piece);
          for (const link of links) {
            latency = Math.max(latency, link.latency);
            if (link === machine.network) leaving += bytes * senders;
            else
              within.set(
                link,
                (within.get(link) ?? 0) + bytes * (link.shared ? machine.devicesPerNode / 2 : 1),
              );
          }
        }
        const parallel = [...within].map(([link, bytes]) => bare(link, bytes));
        return latency + Math.max(bare(machine.network, leaving), 0, ...parallel);
      };
      return Math.max(one(sends), one(receives));
    },
    message(from, to, bytes) {
      const { link, sharing } = stageWay(plan, machine, from, to);
      return link === undefined ? 0 : messageSeconds(link, bytes) + (sharing - 1) * bare(link, bytes);
    },
    allReduce(stage, over, bytes) {
      const members = membersOf(plan, stage, over);
      if (members.count === 1) return 0;
      const nodes = nodesOf(machine, members);
      const inside = Math.min(members.count, machine.devicesPerNode, Math.ceil(members.count / nodes));
      const slowest = inside > largestSocket(machine) ? machine.betweenSockets : machine.inSocket;
      // A ring inside the node (Patarasu & Yuan 2009), then across nodes at the rate the machine states.
      const local =
        inside === 1 ? 0 : (2 * (inside - 1) * bare(slowest, bytes)) / inside + 2 * slowest.latency;
      if (nodes === 1) return local;
      const { bandwidth, latency } = machine.allReduce;
      return Math.max(local, bytes / bandwidth + latency * Math.ceil(Math.log2(nodes)));
    },
    gather(stage, over, bytes) {
      const members = membersOf(plan, stage, over);
      if (members.count === 1) return 0;
      const nodes = nodesOf(machine, members);
      const link = nodes > 1 ? machine.network : machine.betweenSockets;
      const sharing = nodes > 1 ? Math.min(members.count, machine.devicesPerNode) : 1;
      return (
        link.latency * Math.ceil(Math.log2(members.count)) + bare(link, bytes * (members.count - 1) * sharing)
      );
    },
  };
}

/** Without the latency. */
const bare = (link: Link, bytes: number): number =>
  bytes === 0 ? 0 : messageSeconds(link, bytes) - link.latency;

const largestSocket = ({ sockets }: Machine): number => Math.max(...sockets.map(({ length }) => length));

function neighbourWays(plan: Plan, machine: Machine, stage: number, offset: readonly number[]): Ways {
  const counts = placesOf(plan);
  const links = new Set<Link>();
  const leaving = new Map<number, number>();
  for (let place = 0; place < product(counts); place++) {
    const seat: Seat = { replica: 0, stage, place: tileIndices(counts, place) };
    const other = neighbour(plan, seat, offset);
    if (other === undefined) continue;
    const [a, b] = [rankOf(plan, seat), rankOf(plan, other)];
    const link = linkBetween(machine, a, b);
    if (link === undefined) continue;
    links.add(link);
    const node = Math.floor(a / machine.devicesPerNode);
    if (link === machine.network) leaving.set(node, (leaving.get(node) ?? 0) + 1);
  }
  return { links: [...links], leaving: Math.max(0, ...leaving.values()) };
}

/** The slowest link between the devices of two stages at one place, and how many devices of a node share it. */
function stageWay(plan: Plan, machine: Machine, from: number, to: number): { link?: Link; sharing: number } {
  const counts = placesOf(plan);
  const places = product(counts);
  const links = Array.from({ length: places }, (_, index) => {
    const place = tileIndices(counts, index);
    const rank = (stage: number) => rankOf(plan, { replica: 0, stage, place });
    return linkBetween(machine, rank(from), rank(to));
  });
  const found = links.filter((link) => link !== undefined);
  const [first] = found;
  if (first === undefined) return { sharing: 1 };
  const link = found.reduce((a, b) => (b.bandwidth < a.bandwidth ? b : a), first);
  const shared = link === machine.network || link.shared;
  return { link, sharing: shared ? Math.min(places, machine.devicesPerNode) : 1 };
}

/** How many devices take part, and how far apart in ranks they lie. */
type Members = { readonly count: number; readonly spacing: number; readonly first: number };

function membersOf(plan: Plan, stage: number, over: Group): Members {
  const places = product(placesOf(plan));
  const stages = stagesOf(plan.schedule);
  const { replicas } = plan.schedule;
  const groups: { readonly [G in Group]: Members } = {
    grid: { count: places, spacing: 1, first: stage * places },
    stage: { count: places * replicas, spacing: replicas === 1 ? 1 : stages, first: stage * places },
    all: { count: places * stages * replicas, spacing: 1, first: 0 },
  };
  return groups[over];
}

const nodesOf = ({ devicesPerNode }: Machine, { count, spacing, first }: Members): number =>
  Math.max(
    1,
    Math.floor((first + count * spacing - 1) / devicesPerNode) - Math.floor(first / devicesPerNode) + 1,
  );
