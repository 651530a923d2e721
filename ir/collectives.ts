/** What messages among several devices cost: shared by planner and simulator. */
import { type Link, type Machine, messageSeconds, shareAt } from './machine.ts';

/** Ranks `first`, `first + spacing`, ...: `count` of them. */
export type Members = { readonly count: number; readonly spacing: number; readonly first: number };

/** Seconds of a message without its latency. */
export const bareSeconds = (link: Link, bytes: number): number =>
  bytes === 0 ? 0 : messageSeconds(link, bytes) - link.latency;

/** Nodes that the ranks lie on, which fill them in order. */
const nodesOf = ({ devicesPerNode }: Machine, { count, spacing, first }: Members): number => {
  const last = first + (count - 1) * spacing;
  return Math.floor(last / devicesPerNode) - Math.floor(first / devicesPerNode) + 1;
};

const largestSocket = ({ sockets }: Machine): number => Math.max(...sockets.map(({ length }) => length));

/** The slowest link inside a node that so many of its devices use among them. */
const linkAmong = (machine: Machine, devices: number): Link =>
  devices > largestSocket(machine) ? machine.betweenSockets : machine.inSocket;

/**
 * All-reduce: rings (Patarasu & Yuan 2009), which move each byte twice but for the own part, inside a node over
 * its links and across nodes at the bus bandwidth that the machine states; the latency once for each doubling of nodes.
 * A machine of one node may state what its devices attain, software and all.
 */
export function allReduceSeconds(machine: Machine, members: Members, bytes: number): number {
  if (members.count === 1) return 0;
  const nodes = nodesOf(machine, members);
  const inside = Math.ceil(members.count / nodes);
  if (machine.nodes === 1 && statesAllReduce(machine)) return statedSeconds(machine, inside, bytes);
  const link = linkAmong(machine, inside);
  const local = inside === 1 ? 0 : (2 * (inside - 1) * bareSeconds(link, bytes)) / inside + 2 * link.latency;
  return nodes === 1 ? local : Math.max(local, statedSeconds(machine, nodes, bytes));
}

function statedSeconds({ allReduce }: Machine, count: number, bytes: number): number {
  const { bandwidth, latency, curve } = allReduce;
  const across = (2 * (count - 1) * bytes) / count / (bandwidth * shareAt(curve, bytes));
  return across + latency * Math.ceil(Math.log2(count));
}

/** A machine of one node that says nothing of it has what its network, which it has no need of, is filled in with. */
const statesAllReduce = ({ allReduce, network }: Machine): boolean =>
  allReduce.bandwidth !== network.bandwidth || allReduce.latency !== network.latency;

/** Each member gives `bytes` to every other; on a network all devices of a node do at once. */
export function gatherSeconds(machine: Machine, members: Members, bytes: number): number {
  if (members.count === 1) return 0;
  const nodes = nodesOf(machine, members);
  const link = nodes > 1 ? machine.network : linkAmong(machine, members.count);
  const sharing = nodes > 1 ? Math.min(members.count, machine.devicesPerNode) : 1;
  const steps = Math.ceil(Math.log2(members.count));
  return link.latency * steps + bareSeconds(link, bytes * (members.count - 1) * sharing);
}

/**
 * A device gives its neighbours in a grid `bytes[axis]` along each axis in all, and gets as many. Ranks fill the nodes
 * row by row: neighbours along the last axis are mostly in the same node, of those along the others all devices of
 * a node may send out of it at once, and of those that are several tiles away more. The slowest link in use is what counts.
 */
export function exchangeSeconds(
  machine: Machine,
  grid: readonly number[],
  bytes: readonly number[],
  away: readonly number[] = [],
): number {
  const { devicesPerNode, network, inSocket, betweenSockets } = machine;
  const count = grid.reduce((all, one) => all * one, 1);
  let [latency, leaving] = [0, 0];
  const within = new Map<Link, number>();
  grid.forEach((tiles, axis) => {
    const given = bytes[axis] ?? 0;
    if (tiles === 1 || given === 0) return;
    const step = grid.slice(axis + 1).reduce((all, one) => all * one, 1);
    const distance = step * Math.max(1, away[axis] ?? 1);
    if (count > devicesPerNode) {
      latency = Math.max(latency, network.latency);
      leaving += given * Math.min(devicesPerNode, distance);
    }
    const links = new Set<Link>();
    if (step < Math.min(count, devicesPerNode, largestSocket(machine))) links.add(inSocket);
    if (Math.min(count, devicesPerNode) > Math.max(distance, largestSocket(machine)))
      links.add(betweenSockets);
    for (const link of links) {
      latency = Math.max(latency, link.latency);
      const sharing = link.shared ? devicesPerNode / 2 : 1;
      within.set(link, (within.get(link) ?? 0) + given * sharing);
    }
  });
  const parallel = [...within].map(([link, all]) => bareSeconds(link, all));
  return latency + Math.max(bareSeconds(network, leaving), 0, ...parallel);
}
