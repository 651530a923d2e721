/**
 * What messages cost: which links they take, and how much of a shared link is left for each.
 *
 * Ranks fill the nodes in order. Devices of a role lie in different places of their nodes, and the time line knows
 * one of them: a message is charged the slowest link that any device of the role sends it over, and a link that
 * several share its worst-case share, every device of a node sending at once.
 */
import { allReduceSeconds, bareSeconds, gatherSeconds, type Members } from '../../ir/collectives.ts';
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
  const between = new Map<string, StageWay>();
  const stageWayOf = (from: number, to: number): StageWay => {
    const key = `${from} ${to}`;
    const known = between.get(key) ?? stageWay(plan, machine, from, to);
    between.set(key, known);
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
        const parallel = [...within].map(([link, bytes]) => bareSeconds(link, bytes));
        return latency + Math.max(bareSeconds(machine.network, leaving), 0, ...parallel);
      };
      return Math.max(one(sends), one(receives));
    },
    message(from, to, bytes) {
      const { link, sharing } = stageWayOf(from, to);
      return link === undefined ? 0 : messageSeconds(link, bytes) + (sharing - 1) * bareSeconds(link, bytes);
    },
    allReduce: (stage, over, bytes) => allReduceSeconds(machine, membersOf(plan, stage, over), bytes),
    gather: (stage, over, bytes) => gatherSeconds(machine, membersOf(plan, stage, over), bytes),
  };
}

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
type StageWay = { readonly link?: Link; readonly sharing: number };

function stageWay(plan: Plan, machine: Machine, from: number, to: number): StageWay {
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
