/** Seconds that an instruction keeps a device at work by itself; what devices do together is in `transfers.ts`. */
import { type Graph, typesOf } from '../../ir/graph.ts';
import { type Kernel, kernelSeconds, opSeconds } from '../../ir/kernels.ts';
import type { KernelClass, Machine } from '../../ir/machine.ts';
import { ops } from '../../ir/ops/table.ts';
import type { Instruction, Plan, Role, Segment } from '../../ir/plan.ts';
import type { ValueType } from '../../ir/type.ts';

type InstructionOf<K extends Instruction['do']> = Extract<Instruction, { do: K }>;

/** What instructions are priced by. */
export type Prices = {
  readonly machine: Machine;
  /** Seconds of one run of a segment. */
  runSeconds(segment: string): number;
};

export function pricesOf(plan: Plan, machine: Machine): Prices {
  const segments = new Map(plan.segments.map((segment) => [segment.name, segment]));
  const known = new Map<string, number>();
  return {
    machine,
    runSeconds(name) {
      const segment = segments.get(name);
      const seconds = known.get(name) ?? (segment === undefined ? 0 : segmentSeconds(machine, segment));
      known.set(name, seconds);
      return seconds;
    },
  };
}

/** Bytes of the buffers of a role, by name. */
export type BufferBytes = ReadonlyMap<string, number>;

export const bytesOfBuffers = ({ buffers }: Role): BufferBytes =>
  new Map(buffers.map(({ name, bytes }) => [name, bytes]));

const segmentSeconds = ({ device }: Machine, { graph, samples }: Segment): number => {
  const types = typesOf(graph);
  const operands = (names: readonly string[]): ValueType[] => names.flatMap((name) => types.get(name) ?? []);
  const seconds = graph.ops.map((op) => opSeconds(device, op, operands(op.inputs), samples));
  const total = seconds.reduce((sum, one) => sum + one, 0);
  return total - fusedLaunches(graph) * device.launch;
};

/** Launches saved because an optimizer updates all parameters in one kernel an op kind (multi-tensor kernels). */
export function fusedLaunches({ ops: all }: Graph): number {
  const updates = all.filter(({ kind }) => ops[kind].kernel === 'update');
  return updates.length - new Set(updates.map(({ kind }) => kind)).size;
}

/** One kernel that moves so many bytes, each read or written once. */
function traffic({ device }: Machine, kernel: KernelClass, bytes: number): number {
  const one: Kernel = {
    kernel,
    flops: { fixed: 0, perCell: 0 },
    bytes: { fixed: bytes, perCell: 0 },
    pixels: 0,
    channels: 0,
  };
  return kernelSeconds(device, one, 0);
}

type Priced = { readonly bytes: BufferBytes; readonly prices: Prices };

const sumOf = (bytes: BufferBytes, names: readonly string[]): number =>
  names.reduce((sum, name) => sum + (bytes.get(name) ?? 0), 0);

type Work = { [K in Instruction['do']]: (instruction: InstructionOf<K>, priced: Priced) => number };

const none = () => 0;

const moved =
  (times: number) =>
  ({ into }: { readonly into: string }, { bytes, prices }: Priced): number =>
    traffic(prices.machine, 'move', times * sumOf(bytes, [into]));

const work: Work = {
  load: none,
  draw: moved(1),
  count: ({ from }, { bytes, prices }) => traffic(prices.machine, 'reduction', sumOf(bytes, [from])),
  run: ({ segment }, { prices }) => prices.runSeconds(segment) + (prices.machine.device.dispatch ?? 0),
  accumulate: (one, priced) => moved(one.first ? 2 : 3)(one, priced),
  paste: (one, { bytes, prices }) => traffic(prices.machine, 'move', 3 * sumOf(bytes, [one.from])),
  exchange: ({ from, into }, { bytes, prices }) =>
    into === undefined
      ? 0
      : traffic(prices.machine, 'move', sumOf(bytes, [into, ...(from === undefined ? [] : [from])])),
  send: none,
  receive: none,
  all_gather: none,
  reduce_scatter: none,
  all_reduce: none,
  clip: ({ buffers }, { bytes, prices }) => traffic(prices.machine, 'reduction', 3 * sumOf(bytes, buffers)),
  rate: none,
  metric: ({ predicted, labels }, { bytes, prices }) =>
    traffic(prices.machine, 'reduction', sumOf(bytes, [predicted, labels])),
  store: none,
  report: none,
  free: none,
};

/** Seconds of the device's own work in an instruction. */
export const workSeconds = (instruction: Instruction, bytes: BufferBytes, prices: Prices): number =>
  (work[instruction.do] as (one: Instruction, priced: Priced) => number)(instruction, { bytes, prices });

/** Seconds that loading takes from storage, all devices of a node at once. */
export const loadSeconds = ({ storage, devicesPerNode }: Machine, bytes: BufferBytes, into: string): number =>
  (sumOf(bytes, [into]) * devicesPerNode) / storage;
