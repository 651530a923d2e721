/** The description of a machine from what was measured on it. */
import {
  type Device,
  type Efficiencies,
  type KernelClass,
  type KernelName,
  kernelClasses,
  type Link,
  type Machine,
  type OwnWork,
  ownWorks,
  type Provenance,
  slowerDevice,
} from '../../ir/machine.ts';
import { median } from '../../ir/median.ts';
import { noLink } from '../../ir/text/machine-assembly.ts';
import { fitShares, type Peaks, peaksOf, type Shares, type Timed, type Wanted } from './fit.ts';

export type Measured = {
  readonly name: string;
  readonly devices: number;
  /** Their launches counted. */
  readonly kernels: readonly Timed[];
  /** Updates, of which a device launches all together. */
  readonly updates: readonly Timed[];
  /** Numbers that a device moves itself. */
  readonly moved: { readonly [W in OwnWork]: readonly Meeting[] };
  /** A whole step in which every kernel is small: its seconds, and what the cost model says of it. */
  readonly smallest: { readonly taken: number; readonly ops: number; seconds(device: Device): number };
  /** Seconds that an instruction takes beside its kernels. */
  readonly dispatch: number;
  /** Bytes a second, read and written. */
  readonly copyRate: number;
  /** In which two devices give each other so many bytes, and all sum so many; sizes ascend. */
  readonly trades: readonly Meeting[];
  readonly sums: readonly Meeting[];
  /** Bytes that a device may use, and that it uses without any work. */
  readonly memory: number;
  readonly reserve: number;
  readonly hostMemory: number;
  /** Bytes a second from a file. */
  readonly storage: number;
};

export type Meeting = { readonly bytes: number; readonly seconds: number };

/** A machine of one node whose devices are processes. */
export function machineFrom(measured: Measured): Machine {
  const device = deviceFrom(measured);
  const inSocket = measured.devices > 1 ? linkFrom(measured.trades) : noLink(device);
  const none = noLink(device);
  const absent = { bandwidth: none.bandwidth, latency: none.latency };
  const machine: Machine = {
    name: measured.name,
    nodes: 1,
    devicesPerNode: measured.devices,
    device,
    sockets: [Array.from({ length: measured.devices }, (_, rank) => rank)],
    inSocket,
    betweenSockets: inSocket,
    network: none,
    allReduce: measured.devices > 1 ? sumsFrom(measured.sums, measured.devices) : absent,
    host: { memory: wholeMebibytes(measured.hostMemory), link: rounded(measured.copyRate) },
    storage: rounded(measured.storage),
    launcher: 'local',
  };
  return { ...machine, provenance: provenanceOf(machine) };
}

/** By how many times a machine falls short of each of some steps that were measured. */
type Misses = (machine: Machine) => readonly number[];

/** Of no steps it is not known to fall short. */
const meanOf = (misses: readonly number[]): number =>
  Math.exp(misses.reduce((sum, miss) => sum + Math.log(miss), 0) / Math.max(1, misses.length));

/**
 * How many times as long devices take in whole steps as their kernels by themselves: in a step caches hold other
 * numbers, they wait for garbage that is collected, and for the slower of them. Messages are no slower, so it is found in some
 * rounds.
 */
export function slownessOf(machine: Machine, missesOf: Misses): number {
  let times = 1;
  for (let round = 0; round < rounds; round++) times *= meanOf(missesOf(slowed(machine, times)));
  return times;
}

/** Latencies in plans are looked for up to so many times those of messages by themselves, to so small a part of them. */
const [longest, nearEnough] = [64, 1.03];

/**
 * How many times as long as by themselves devices take to meet in whole steps, whatever they give each other: who comes
 * first waits, and what devices take for equal work differs by more the longer it is. Never less than 1.
 */
export function latenessOf(machine: Machine, missesOf: Misses): number {
  let [low, high] = [1, longest];
  while (high / low > nearEnough) {
    const times = Math.sqrt(low * high);
    if (meanOf(missesOf(late(machine, times))) > 1) low = times;
    else high = times;
  }
  return low === 1 ? 1 : Math.sqrt(low * high);
}

/** A machine whose devices meet so many times as late. */
function late(machine: Machine, times: number): Machine {
  const of = <T extends { readonly latency: number }>(link: T): T => ({
    ...link,
    latency: rounded(link.latency * times),
  });
  const inSocket = of(machine.inSocket);
  return { ...machine, inSocket, betweenSockets: inSocket, allReduce: of(machine.allReduce) };
}

/** A machine whose devices take so many times as long for everything that they do themselves. */
function slowed(machine: Machine, times: number): Machine {
  const device = slowerDevice(machine.device, times);
  const { peak, bandwidth, launch, dispatch } = device;
  return {
    ...machine,
    device: {
      ...device,
      peak: rounded(peak),
      bandwidth: rounded(bandwidth),
      launch: rounded(launch),
      ...(dispatch === undefined ? {} : { dispatch: rounded(dispatch) }),
    },
  };
}

/** How many times as long as by themselves kernels take in a step where all devices are at work, where one is, and meetings. */
export type Slowness = { readonly all: number; readonly alone: number; readonly meeting: number };

/** The machine as devices have it in whole plans. */
export function inPlans(measured: Machine, { all, alone, meeting }: Slowness): Machine {
  const machine = late(measured, meeting);
  // A device is not slower for being alone: then what was seen of the two are two measures of one thing.
  if (alone >= all) return slowed(machine, Math.sqrt(all * alone));
  const { device, provenance, ...rest } = slowed(machine, alone);
  const share = rounded(alone / all);
  return {
    ...rest,
    device: {
      ...device,
      contention: [
        { size: 1, share: 1 },
        { size: machine.devicesPerNode, share },
      ],
    },
    provenance: { ...provenance, 'device.contention': 'measured' },
  };
}

/** Of steps of plans where all devices are at work, where one is, and where all are and meet before each convolution. */
export type PlanMisses = { readonly all: Misses; readonly alone: Misses; readonly meeting: Misses };

/** What is slower for meeting often is found together with what is slower in any plan. */
export function slownessInPlans(machine: Machine, misses: PlanMisses): Slowness {
  let [all, meeting] = [1, 1];
  for (let round = 0; round < rounds; round++) {
    all = slownessOf(late(machine, meeting), misses.all);
    meeting = latenessOf(slowed(machine, all), misses.meeting);
  }
  // Where time was short for a plan of one device, it is taken to be like all.
  const isSeen = misses.alone(machine).length > 0;
  return { all, alone: isSeen ? slownessOf(machine, misses.alone) : all, meeting };
}

/** Three digits: no measurement of time is better. */
const rounded = (amount: number): number => Number(amount.toPrecision(3));

const wholeMebibytes = (bytes: number): number => Math.max(1, Math.round(bytes / 2 ** 20)) * 2 ** 20;

const rounds = 3;

/** The launch is what the smallest step takes beyond the rest of its kernels, an equal part for each of its ops. */
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
  const kernels = [
    ...whole.map((one) => ({ ...one, seconds: one.seconds - launch })),
    ...measured.updates,
  ].filter(({ seconds }) => seconds >= leastSeconds);
  const peaks = peaksOf(kernels, copyRate);
  const exact = { flops: rounded(peaks.flops), bytes: rounded(peaks.bytes) };
  const shares = [...sharesOf(kernels, exact), ...sharesOfMoved(measured.moved, exact)];
  const curves = (limit: keyof Shares): Efficiencies =>
    Object.fromEntries(
      shares.flatMap(({ name, [limit]: curve }) => (curve === undefined ? [] : [[name, curve]])),
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
    intensity: curves('intensity'),
    traffic: curves('traffic'),
  };
}

type Named = Shares & { readonly name: KernelName };

/** Classes whose kernels do much with a byte. */
const intense: ReadonlySet<KernelClass> = new Set(['conv', 'conv_data', 'conv_weight', 'matmul']);

/** Classes that hold kinds of ops which do more with a byte than others: where a kind is not known, FLOPs tell them apart. */
const mixed: ReadonlySet<KernelClass> = new Set(['pointwise', 'reduction']);

/** Kernels of a kind that were seen in so many sizes say what it takes; of fewer, what its class takes. */
const fewestSizes = 4;

/** Of each class, and of each kind in it that is not the only one and was seen often enough. */
function sharesOf(kernels: readonly Timed[], peaks: Peaks): Named[] {
  return kernelClasses.flatMap((kernel): Named[] => {
    const all = kernels.filter((one) => one.kernel === kernel);
    const own = all.filter(({ kind }) => kind === kernel);
    const timed = own.length > 0 ? own : all;
    if (timed.length === 0) return [];
    const wanted: Wanted = {
      arithmetic: intense.has(kernel) || mixed.has(kernel),
      intensity: intense.has(kernel),
    };
    const kinds = kernel === 'update' ? [] : [...new Set(all.map(({ kind }) => kind))];
    const seen = kinds.flatMap((kind): Named[] => {
      const alike = all.filter((one) => one.kind === kind);
      if (kind === kernel || alike.length < fewestSizes) return [];
      const also = { ...wanted, arithmetic: intense.has(kernel) };
      return [{ name: kind, ...fitShares(alike, peaks, also) }];
    });
    return [{ name: kernel, ...fitShares(timed, peaks, wanted) }, ...seen];
  });
}

const sharesOfMoved = (moved: Measured['moved'], peaks: Peaks): Named[] =>
  ownWorks.flatMap((name) => {
    const timed = moved[name].map(({ bytes, seconds }): Timed => {
      // What was not seen at all has passed at the peak.
      const seen = Math.max(seconds, bytes / peaks.bytes);
      return { kernel: 'move', kind: name, flops: 0, bytes, intensity: 0, times: 1, seconds: seen };
    });
    return timed.length === 0
      ? []
      : [{ name, ...fitShares(timed, peaks, { arithmetic: false, intensity: false }) }];
  });

/** Messages below this size are latency. */
const smallMessage = 32_768;

/** No message is slower than a larger one: where one was, it is taken to be as its neighbours. */
function ascending(measured: Measured['trades']): Meeting[] {
  const smooth = measured.map(({ bytes, seconds }, i) => {
    const [before, after] = [measured[i - 1]?.seconds ?? 0, measured[i + 1]?.seconds ?? seconds];
    return { bytes, seconds: median([before, seconds, after]) };
  });
  return smooth.map(({ bytes }, i) => ({
    bytes,
    seconds: Math.max(...smooth.slice(0, i + 1).map(({ seconds }) => seconds)),
  }));
}

/** Latency of the small ones; of the large ones what is left, as shares of the best rate. */
export function linkFrom(measured: Measured['trades']): Link {
  const trades = ascending(measured);
  const small = trades.filter(({ bytes }) => bytes < smallMessage).map(({ seconds }) => seconds);
  const latency = rounded(median(small));
  const rates = trades
    .filter(({ bytes }) => bytes >= smallMessage)
    .map(({ bytes, seconds }) => ({ size: bytes, rate: bytes / Math.max(seconds - latency, seconds / 10) }));
  const bandwidth = rounded(Math.max(...rates.map(({ rate }) => rate)));
  const curve = rates.map(({ size, rate }) => ({ size, share: Math.min(1, rounded(rate / bandwidth)) }));
  return { name: 'sockets', bandwidth, latency, curve, shared: false };
}

/** All-reduces in which every device of the machine takes part: what each gives and gets back. */
function sumsFrom(sums: readonly Meeting[], devices: number): Machine['allReduce'] {
  const { bandwidth, latency, curve } = linkFrom(sums);
  return {
    bandwidth: rounded((bandwidth * 2 * (devices - 1)) / devices),
    latency: rounded(latency / Math.ceil(Math.log2(devices))),
    ...(curve === undefined ? {} : { curve }),
  };
}

/** All is measured but how the memory is shared out. */
function provenanceOf({ device, devicesPerNode }: Machine): { [place: string]: Provenance } {
  const limits = (['arithmetic', 'intensity', 'traffic'] as const).flatMap((limit) =>
    Object.keys(device[limit] ?? {}).map((kernel) => `device.efficiency.${kernel}.${limit}`),
  );
  const figures = ['reserve', 'fp32', 'bandwidth', 'launch', 'dispatch'].map((word) => `device.${word}`);
  const link =
    devicesPerNode > 1
      ? ['link', 'all_reduce'].flatMap((place) =>
          ['bandwidth', 'latency', 'share'].map((word) => `${place}.${word}`),
        )
      : [];
  const measured = [...figures, ...limits, ...link, 'host.memory', 'host.link', 'storage'];
  return {
    'device.memory': 'assumed',
    ...Object.fromEntries(measured.map((place) => [place, 'measured'] as const)),
  };
}
