/**
 * A machine, as its `.machine` text describes it: nodes of equal devices, the links between them, and how much of
 * each peak can be had. What costs are counted with; nothing here is measured or assumed by the program itself.
 */
import type { OpKind } from './ops/attributes.ts';

/** How a figure is known. */
export const provenances = ['published', 'measured', 'assumed'] as const;
export type Provenance = (typeof provenances)[number];

/** Attainable share of a peak by size: linear over log2 of the size between two points, flat beyond the ends. */
export type Curve = readonly { readonly size: number; readonly share: number }[];

/** Kernels that use a device in the same way. `move` copies, crops and joins; `update` is the optimizer's. */
export const kernelClasses = [
  'conv',
  'conv_data',
  'conv_weight',
  'matmul',
  'pointwise',
  'reduction',
  'move',
  'update',
] as const;
export type KernelClass = (typeof kernelClasses)[number];

/**
 * Instructions in which a device moves numbers itself, outside of any kernel. `run`: giving out a segment's results; `clear`:
 * what the system does to memory that a segment is given; `check`: looking whether gradients are finite before they are used.
 */
export const ownWorks = [
  'accumulate',
  'paste',
  'exchange',
  'count',
  'metric',
  'clip',
  'run',
  'clear',
  'check',
] as const;
export type OwnWork = (typeof ownWorks)[number];

/** What efficiencies may be given for: a class, or a kind of op or instruction that is not like the others of its class. */
export type KernelName = KernelClass | OpKind | OwnWork;
export type Efficiencies = { readonly [N in KernelName]?: Curve };

export const precisions = ['fp16', 'bf16', 'tf32', 'fp64'] as const;
export type Precision = (typeof precisions)[number];

export type Device = {
  readonly name: string;
  /** Bytes. */
  readonly memory: number;
  /** Bytes that the system and libraries keep. */
  readonly reserve: number;
  /** FLOP/s in fp32. */
  readonly peak: number;
  /** FLOP/s in other precisions; for the reader, no cost is counted with them. */
  readonly otherPeaks?: { readonly [P in Precision]?: number };
  /** Bytes a second between the device and its memory. */
  readonly bandwidth: number;
  /** Seconds that a kernel takes whatever its size. */
  readonly launch: number;
  /** Seconds that an instruction of a plan takes beside its kernels; 0 where absent. */
  readonly dispatch?: number;
  /** Share of all its rates that a device keeps where a plan has so many of its node at work; 1 where absent. */
  readonly contention?: Curve;
  /** Share of the peak that kernels attain, by FLOPs of one kernel; 1 where absent. */
  readonly arithmetic: Efficiencies;
  /** A further factor of that share, by FLOPs for each byte of the kernel's maps; 1 where absent. */
  readonly intensity?: Efficiencies;
  /** Share of the bandwidth that kernels attain, by bytes of one kernel; 1 where absent. */
  readonly traffic: Efficiencies;
  /** Wave quantisation: blocks of `pixels` x `channels` of the output are spread over `processors`. Absent: none. */
  readonly wave?: { readonly processors: number; readonly pixels: number; readonly channels: number };
};

/** A message takes latency + bytes / (bandwidth x share of its size). */
export type Link = {
  readonly name: string;
  /** Bytes a second, one way. */
  readonly bandwidth: number;
  /** Seconds. */
  readonly latency: number;
  /** Share of the bandwidth by bytes of the message. */
  readonly curve?: Curve;
  /** All transfers of the same time share the bandwidth. */
  readonly shared: boolean;
};

export type Machine = {
  readonly name: string;
  readonly nodes: number;
  readonly devicesPerNode: number;
  readonly device: Device;
  /** Devices of a node (from 0) that are joined directly. One group: all. */
  readonly sockets: readonly (readonly number[])[];
  readonly inSocket: Link;
  /** That of `inSocket` where there is one group. */
  readonly betweenSockets: Link;
  /** Its bandwidth is that of a node. */
  readonly network: Link;
  /** Bytes a second that an all-reduce over nodes moves for each node (bus bandwidth), a share of it by the bytes that are summed, and its seconds a step. */
  readonly allReduce: { readonly bandwidth: number; readonly latency: number; readonly curve?: Curve };
  /** Bytes of a node's own memory, and bytes a second between it and a device. */
  readonly host: { readonly memory: number; readonly link: number };
  /** Bytes a second that a node reads. */
  readonly storage: number;
  readonly launcher: Launcher;
  /** How each figure is known, by its place in the text, such as `device.memory`. */
  readonly provenance?: { readonly [place: string]: Provenance };
};

export const launchers = ['local', 'torchrun', 'slurm', 'lsf'] as const;
export type Launcher = (typeof launchers)[number];

/** Bytes of a device that a plan may have. */
export const usableMemory = ({ memory, reserve }: Pick<Device, 'memory' | 'reserve'>): number =>
  memory - reserve;

export const machineDevices = ({ nodes, devicesPerNode }: Machine): number => nodes * devicesPerNode;

/** The device where everything that it does itself takes so many times as long. */
export const slowerDevice = (device: Device, times: number): Device => ({
  ...device,
  peak: device.peak / times,
  bandwidth: device.bandwidth / times,
  launch: device.launch * times,
  ...(device.dispatch === undefined ? {} : { dispatch: device.dispatch * times }),
});

/** The machine as a plan on so many devices finds it: they fill one node after another, and are in each other's way there. */
export function machineAtWork(machine: Machine, devices: number): Machine {
  const { device, devicesPerNode } = machine;
  const { contention, ...alone } = device;
  if (contention === undefined) return machine;
  const share = shareAt(contention, Math.min(devices, devicesPerNode));
  return { ...machine, device: slowerDevice(alone, 1 / share) };
}

/** What at most so many devices of the machine do together, in devices that are alone. */
export function devicesWorth({ device, devicesPerNode }: Machine, devices: number): number {
  const { contention } = device;
  if (contention === undefined) return devices;
  const counts = [...Array(Math.min(devices, devicesPerNode)).keys()].map((index) => index + 1);
  return Math.max(
    ...[...counts, devices].map((count) => count * shareAt(contention, Math.min(count, devicesPerNode))),
  );
}

/** Ranks fill one node after another. */
export const nodeOf = ({ devicesPerNode }: Machine, rank: number): number =>
  Math.floor(rank / devicesPerNode);

/** Which group of its node a rank belongs to. */
export const socketOf = ({ sockets, devicesPerNode }: Machine, rank: number): number =>
  sockets.findIndex((devices) => devices.includes(rank % devicesPerNode));

/** What a message between two ranks goes over; nothing for a device and itself. */
export function linkBetween(machine: Machine, a: number, b: number): Link | undefined {
  if (a === b) return undefined;
  if (nodeOf(machine, a) !== nodeOf(machine, b)) return machine.network;
  return socketOf(machine, a) === socketOf(machine, b) ? machine.inSocket : machine.betweenSockets;
}

/** Seconds in which a device reads so many bytes from storage, all devices of its node as many at once. */
export const readSeconds = ({ storage, devicesPerNode }: Machine, bytes: number): number =>
  (bytes * devicesPerNode) / storage;

/** The share of a curve at a size; 1 without a curve. */
export function shareAt(curve: Curve | undefined, size: number): number {
  const first = curve?.[0];
  if (curve === undefined || first === undefined) return 1;
  let after = 0;
  while (after < curve.length && (curve[after]?.size ?? 0) <= size) after++;
  const high = curve[after];
  const low = curve[after - 1];
  if (low === undefined) return first.share;
  if (high === undefined) return low.share;
  const part = Math.log2(size / low.size) / Math.log2(high.size / low.size);
  return low.share + part * (high.share - low.share);
}

/** Seconds of one message that has the link for itself. */
export const messageSeconds = ({ bandwidth, latency, curve }: Link, bytes: number): number =>
  latency + bytes / (bandwidth * shareAt(curve, bytes));
