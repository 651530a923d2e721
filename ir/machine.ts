/** Where to compute: devices, memories and links, and what of them is attainable. */
import { at } from './box.ts';

/** Kinds of work that a device is differently good at. */
export type KernelClass =
  | 'conv'
  | 'conv_data'
  | 'conv_weight'
  | 'matmul'
  | 'pointwise'
  | 'reduction'
  | 'move'
  | 'update';

/** How a figure is known. */
export type Provenance = 'published' | 'measured' | 'assumed';

/**
 * The attainable share of a peak by size (FLOPs or bytes of one kernel or message): linear in the logarithm of the
 * size between points, flat beyond the ends. Sizes ascend.
 */
export type Curve = readonly { readonly size: number; readonly share: number }[];

export type Device = {
  readonly name: string;
  /** Bytes. */
  readonly memory: number;
  /** Bytes that the system and libraries keep. */
  readonly reserve: number;
  /** FLOP/s in fp32. */
  readonly peak: number;
  /** Bytes a second of its memory. */
  readonly bandwidth: number;
  /** Seconds that starting a kernel takes. */
  readonly launch: number;
  /** Shares of the peak that kernels attain; 1 where not given. */
  readonly arithmetic: { readonly [K in KernelClass]?: Curve };
  /** Shares of the bandwidth that kernels attain; 1 where not given. */
  readonly traffic: { readonly [K in KernelClass]?: Curve };
  /** Blocks of `pixels` x `channels` of a convolution's result are spread over `processors`; absent: no waves. */
  readonly wave?: { readonly processors: number; readonly pixels: number; readonly channels: number };
};

/** A message takes latency + bytes / (bandwidth * share). `shared`: all transfers of the link share its bandwidth. */
export type Link = {
  readonly name: string;
  /** Bytes a second, one way. */
  readonly bandwidth: number;
  /** Seconds. */
  readonly latency: number;
  readonly curve?: Curve;
  readonly shared: boolean;
};

export type Machine = {
  readonly name: string;
  readonly nodes: number;
  readonly devicesPerNode: number;
  readonly device: Device;
  /** Groups of devices of a node that are joined directly, by their index in the node. */
  readonly sockets: readonly (readonly number[])[];
  readonly inSocket: Link;
  readonly betweenSockets: Link;
  /** Bandwidth of a node into the network. */
  readonly network: Link;
  /** Bytes a second of the buffer that an all-reduce over nodes gets through, and seconds of latency. */
  readonly allReduce: { readonly bandwidth: number; readonly latency: number };
  readonly host: { readonly memory: number; readonly link: number };
  /** Bytes a second that a node reads from storage. */
  readonly storage: number;
  readonly launcher: 'local' | 'torchrun' | 'slurm' | 'lsf';
};

/** The share of a curve at a size; 1 where there is no curve. */
export function shareAt(curve: Curve | undefined, size: number): number {
  if (curve === undefined || curve.length === 0) return 1;
  const after = curve.findIndex((point) => point.size >= size);
  if (after <= 0) return at(curve, after < 0 ? curve.length - 1 : 0).share;
  const [low, high] = [at(curve, after - 1), at(curve, after)];
  const part = Math.log(size / low.size) / Math.log(high.size / low.size);
  return low.share + part * (high.share - low.share);
}

/** Seconds of one message that has the link to itself. */
export const messageSeconds = ({ bandwidth, latency, curve }: Link, bytes: number): number =>
  bytes === 0 ? latency : latency + bytes / (bandwidth * shareAt(curve, bytes));

const socketOf = ({ sockets }: Machine, device: number): number =>
  sockets.findIndex((socket) => socket.includes(device));

/** The link between two ranks, which fill the nodes in order; undefined for a device and itself. */
export function linkBetween(machine: Machine, a: number, b: number): Link | undefined {
  if (a === b) return undefined;
  const { devicesPerNode } = machine;
  if (Math.floor(a / devicesPerNode) !== Math.floor(b / devicesPerNode)) return machine.network;
  const same = socketOf(machine, a % devicesPerNode) === socketOf(machine, b % devicesPerNode);
  return same ? machine.inSocket : machine.betweenSockets;
}

export const machineDevices = ({ nodes, devicesPerNode }: Machine): number => nodes * devicesPerNode;
