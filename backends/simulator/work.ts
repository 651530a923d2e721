/** Seconds that an instruction keeps a device at work by itself; what devices do together is in `transfers.ts`. */

import { buffersByName } from '../../ir/buffers.ts';
import { type Graph, typesAmong, typesOf } from '../../ir/graph.ts';
import { keptSegment } from '../../ir/kept-segment.ts';
import { bytesSeconds, opSeconds, piecemeal, strandsSeconds } from '../../ir/kernels.ts';
import {
  type KernelClass,
  type Machine,
  machineAtWork,
  type OwnWork,
  readSeconds,
} from '../../ir/machine.ts';
import { ops } from '../../ir/ops/table.ts';
import type { Buffer, Instruction, Plan, Role, Segment } from '../../ir/plan.ts';
import { bytesOf, type ValueType } from '../../ir/type.ts';

type InstructionOf<K extends Instruction['do']> = Extract<Instruction, { do: K }>;

/** What instructions are priced by: a machine as the plan finds it. */
export type Prices = {
  readonly machine: Machine;
  /** Seconds of one run of a segment, its results given out. */
  runSeconds(segment: string): number;
  /** Seconds in which the system clears what a run of a segment takes, where the machine says that it does. */
  clearSeconds(segment: string): number;
};

export function pricesOf(plan: Plan, described: Machine): Prices {
  const machine = machineAtWork(described, plan.schedule.devices);
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
    clearSeconds(name) {
      const cleared = segments.get(name)?.cleared ?? 0;
      if (cleared === 0 || !clears(machine)) return 0;
      return traffic(machine, 'move', 'clear', cleared) - machine.device.launch;
    },
  };
}

const clears = ({ device }: Machine): boolean => device.traffic.clear !== undefined;

const segmentSeconds = (machine: Machine, { graph, samples }: Segment): number => {
  const { device } = machine;
  const strands = piecemeal(machine, graph);
  if (strands !== undefined) return strandsSeconds(device, strands);
  const types = typesOf(graph);
  let total = 0;
  for (const op of graph.ops) total += opSeconds(device, op, typesAmong(types, op.inputs), samples);
  return (
    total -
    fusedLaunches(graph) * device.launch +
    givingSeconds(machine, typesAmong(types, graph.outputs), samples)
  );
};

/** Where the machine says that results which leave a segment are copied. Those of pieces are computed where they stay. */
export const givingSeconds = (machine: Machine, results: readonly ValueType[], samples: number): number =>
  machine.device.traffic.run === undefined
    ? 0
    : results.reduce(
        (sum, type) => sum + traffic(machine, 'move', 'run', bytesOf(type, samples)) - machine.device.launch,
        0,
      );

/** Launches saved because an optimizer updates all parameters in one kernel an op kind (multi-tensor kernels). */
export function fusedLaunches({ ops: all }: Graph): number {
  const updates = all.filter(({ kind }) => ops[kind].kernel === 'update');
  if (updates.length < 2) return 0;
  return updates.length - new Set(updates.map(({ kind }) => kind)).size;
}

/** Numbers that a device moves itself, so many bytes, each read or written once. */
const traffic = (
  { device }: Machine,
  kernel: KernelClass,
  kind: OwnWork | undefined,
  bytes: number,
): number => bytesSeconds(device, kernel, bytes, kind);

/** What the instructions of a role are priced by: its buffers by name, and the machine. */
export type Priced = {
  readonly buffers: ReadonlyMap<string, Buffer>;
  readonly prices: Prices;
  /** The segment whose memory is there from run to run. */
  readonly kept?: string | undefined;
  /** Runs of the update, where the machine says what it takes to look at the gradients that they read. */
  readonly checked?: readonly InstructionOf<'run'>[];
};

export function pricedRole({ purpose, segments }: Plan, role: Role, prices: Prices): Priced {
  const buffers = buffersByName(role.buffers);
  const { clear, check } = prices.machine.device.traffic;
  return {
    buffers,
    prices,
    ...(purpose === 'train' && clear !== undefined ? { kept: keptSegment(segments, role) } : {}),
    ...(check === undefined ? {} : { checked: updatesOf(role) }),
  };
}

const updatesOf = ({ instructions }: Role): InstructionOf<'run'>[] =>
  instructions.filter((one): one is InstructionOf<'run'> => one.do === 'run' && one.why === 'update');

/** Gradients die in the step, the state that an update reads beside them does not. */
const gradientBytes = ({ buffers }: Priced, { reads }: InstructionOf<'run'>): number =>
  reads.reduce((sum, name) => {
    const buffer = buffers.get(name);
    return sum + (buffer === undefined || buffer.birth < 0 ? 0 : buffer.bytes);
  }, 0);

/** Before the first run of an update all gradients are looked at, before another one those that it reads. */
function checkSeconds(run: InstructionOf<'run'>, priced: Priced): number {
  const { checked = [], prices } = priced;
  if (!checked.includes(run)) return 0;
  const looked = run === checked[0] ? checked : [run];
  const bytes = looked.reduce((sum, one) => sum + gradientBytes(priced, one), 0);
  return traffic(prices.machine, 'reduction', 'check', bytes) - prices.machine.device.launch;
}

const sumOf = ({ buffers }: Priced, names: readonly string[]): number => {
  let sum = 0;
  for (const name of names) sum += buffers.get(name)?.bytes ?? 0;
  return sum;
};

type Work = { [K in Instruction['do']]: (instruction: InstructionOf<K>, priced: Priced) => number };

const none = () => 0;

const work: Work = {
  load: none,
  draw: ({ into }, priced) => traffic(priced.prices.machine, 'move', undefined, sumOf(priced, [into])),
  count: ({ from }, priced) => traffic(priced.prices.machine, 'reduction', 'count', sumOf(priced, [from])),
  run: (one, priced) =>
    priced.prices.runSeconds(one.segment) +
    (one.segment === priced.kept ? 0 : priced.prices.clearSeconds(one.segment)) +
    checkSeconds(one, priced) +
    (priced.prices.machine.device.dispatch ?? 0),
  accumulate: ({ first, into }, priced) =>
    traffic(
      priced.prices.machine,
      'move',
      first ? undefined : 'accumulate',
      (first ? 2 : 3) * sumOf(priced, [into]),
    ),
  paste: ({ from }, priced) => traffic(priced.prices.machine, 'move', 'paste', 3 * sumOf(priced, [from])),
  exchange: ({ from, into }, priced) =>
    into === undefined
      ? 0
      : traffic(
          priced.prices.machine,
          'move',
          'exchange',
          sumOf(priced, [into, ...(from === undefined ? [] : [from])]),
        ),
  send: none,
  receive: none,
  all_gather: none,
  reduce_scatter: none,
  all_reduce: none,
  clip: ({ buffers }, priced) =>
    traffic(priced.prices.machine, 'reduction', 'clip', 3 * sumOf(priced, buffers)),
  rate: none,
  metric: ({ predicted, labels }, priced) =>
    traffic(priced.prices.machine, 'reduction', 'metric', sumOf(priced, [predicted, labels])),
  store: none,
  report: none,
  free: none,
};

/** Seconds of the device's own work in an instruction. */
export const workSeconds = (instruction: Instruction, priced: Priced): number =>
  (work[instruction.do] as (one: Instruction, priced: Priced) => number)(instruction, priced);

/** What a process copies of a message to another stage, once for itself and once for whoever carries it. */
export const copySeconds = (instruction: Instruction, priced: Priced): number => {
  const copied =
    instruction.do === 'send'
      ? instruction.from
      : instruction.do === 'receive'
        ? instruction.into
        : undefined;
  return copied === undefined
    ? 0
    : traffic(priced.prices.machine, 'move', undefined, 2 * sumOf(priced, [copied]));
};

/** Seconds that loading takes from storage, all devices of a node at once. */
export const loadSeconds = (priced: Priced, into: string): number =>
  readSeconds(priced.prices.machine, sumOf(priced, [into]));
