/** The description of a machine from what was measured on it. */
import {
  type Curve,
  type Device,
  type KernelClass,
  kernelClasses,
  type Link,
  type Machine,
  type Provenance,
} from '../../ir/machine.ts';
import { noLink } from '../../ir/text/machine-assembly.ts';
import { fitShares, peaksOf, type Timed } from './fit.ts';

export type Measured = {
  readonly name: string;
  readonly devices: number;
  /** Their launches counted. */
  readonly kernels: readonly Timed[];
  /** A whole step in which every kernel is small: its seconds, and what the cost model says of it. */
  readonly smallest: { readonly taken: number; readonly ops: number; seconds(device: Device): number };
  /** Seconds that an instruction takes beside its kernels. */
  readonly dispatch: number;
  /** Bytes a second, read and written. */
  readonly copyRate: number;
  /** Seconds in which two devices give each other so many bytes; sizes ascend. */
  readonly trades: readonly { readonly bytes: number; readonly seconds: number }[];
  /** Bytes that a device may use, and that it uses without any work. */
  readonly memory: number;
  readonly reserve: number;
  readonly hostMemory: number;
  /** Bytes a second from a file. */
  readonly storage: number;
};

/** A machine of one node whose devices are processes. */
export function machineFrom(measured: Measured): Machine {
  const device = deviceFrom(measured);
  const inSocket = measured.devices > 1 ? linkFrom(measured.trades) : noLink(device);
  const none = noLink(device);
  const machine: Machine = {
    name: measured.name,
    nodes: 1,
    devicesPerNode: measured.devices,
    device,
    sockets: [Array.from({ length: measured.devices }, (_, rank) => rank)],
    inSocket,
    betweenSockets: inSocket,
    network: none,
    allReduce: { bandwidth: none.bandwidth, latency: none.latency },
    host: { memory: wholeMebibytes(measured.hostMemory), link: rounded(measured.copyRate) },
    storage: rounded(measured.storage),
    launcher: 'local',
  };
  return { ...machine, provenance: provenanceOf(machine) };
}

/** Three digits: no measurement of time is better. */
const rounded = (amount: number): number => Number(amount.toPrecision(3));

const wholeMebibytes = (bytes: number): number => Math.max(1, Math.round(bytes / 2 ** 20)) * 2 ** 20;

const rounds = 3;

/**
 * Kernels run alone cost less than those of a step, which find caches full of others' data: the launch is what the
 * smallest step takes beyond the rest of its kernels, an equal part for each of its ops.
 */
function deviceFrom(measured: Measured): Device {
  const { taken, ops, seconds } = measured.smallest;
  let device = deviceWith(taken / ops, measured);
  for (let round = 0; round < rounds; round++)
    device = deviceWith(Math.max(0, device.launch + (taken - seconds(device)) / ops), measured);
  return device;
}

/** What is shorter was not seen through the clock and the launch. */
const leastSeconds = 5e-6;

function deviceWith(launch: number, { kernels: whole, copyRate, ...measured }: Measured): Device {
  const kernels = whole
    .map((one) => ({ ...one, seconds: one.seconds - launch }))
    .filter(({ seconds }) => seconds >= leastSeconds);
  const peaks = peaksOf(kernels, copyRate);
  const exact = { flops: rounded(peaks.flops), bytes: rounded(peaks.bytes) };
  const shares = kernelClasses.flatMap((kernel) => {
    const timed = kernels.filter((one) => one.kernel === kernel);
    return timed.length === 0 ? [] : [{ kernel, ...fitShares(timed, exact) }];
  });
  const curves = (limit: 'arithmetic' | 'traffic'): { [K in KernelClass]?: Curve } =>
    Object.fromEntries(
      shares.flatMap(({ kernel, [limit]: curve }) => (curve === undefined ? [] : [[kernel, curve]])),
    );
  return {
    name: 'cpu',
    memory: wholeMebibytes(measured.memory),
    reserve: wholeMebibytes(measured.reserve),
    peak: exact.flops,
    bandwidth: exact.bytes,
    launch: rounded(launch),
    dispatch: rounded(measured.dispatch),
    arithmetic: curves('arithmetic'),
    traffic: curves('traffic'),
  };
}

/** Messages below this size are latency. */
const smallMessage = 32_768;

/** Latency of the small ones; of the large ones what is left, as shares of the best rate. */
export function linkFrom(trades: Measured['trades']): Link {
  const small = trades.filter(({ bytes }) => bytes < smallMessage).map(({ seconds }) => seconds);
  const latency = rounded(Math.min(...small));
  const rates = trades
    .filter(({ bytes }) => bytes >= smallMessage)
    .map(({ bytes, seconds }) => ({ size: bytes, rate: bytes / Math.max(seconds - latency, seconds / 10) }));
  const bandwidth = rounded(Math.max(...rates.map(({ rate }) => rate)));
  const curve = rates.map(({ size, rate }) => ({ size, share: Math.min(1, rounded(rate / bandwidth)) }));
  return { name: 'sockets', bandwidth, latency, curve, shared: false };
}

/** All is measured but how the memory is shared out. */
function provenanceOf({ device, devicesPerNode }: Machine): { [place: string]: Provenance } {
  const limits = (['arithmetic', 'traffic'] as const).flatMap((limit) =>
    Object.keys(device[limit]).map((kernel) => `device.efficiency.${kernel}.${limit}`),
  );
  const figures = ['reserve', 'fp32', 'bandwidth', 'launch', 'dispatch'].map((word) => `device.${word}`);
  const link = devicesPerNode > 1 ? ['link.bandwidth', 'link.latency', 'link.share'] : [];
  const measured = [...figures, ...limits, ...link, 'host.memory', 'host.link', 'storage'];
  return {
    'device.memory': 'assumed',
    ...Object.fromEntries(measured.map((place) => [place, 'measured'] as const)),
  };
}
