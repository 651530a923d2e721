import { availableParallelism, cpus } from 'node:os';
import type { Command } from 'commander';
import { simulate } from '../../backends/simulator/simulate.ts';
import { calibrationPlans } from '../../compiler/calibration/kernels.ts';
import {
  inPlans,
  machineFrom,
  type PlanMisses,
  slownessInPlans,
} from '../../compiler/calibration/machine.ts';
import { type Result, success } from '../../ir/diagnostics/diagnostic.ts';
import type { Device, Machine } from '../../ir/machine.ts';
import type { Schedule } from '../../ir/schedule.ts';
import { printMachine } from '../../ir/text/machine.ts';
import { showCount } from '../../ir/units.ts';
import { writeSafely } from '../../runtime/files/write-safely.ts';
import { startProbes } from '../../runtime/local/probes.ts';
import { complain, type ExitCode, guarded, note, print } from '../command.ts';
import { memoryOfThisMachine, readMemory, threadsEach, wholeNumber } from '../inputs.ts';
import { mayWrite } from '../may-write.ts';
import {
  type Found,
  type MeasuredStep,
  measureMachine,
  type Setting,
  smallestSide,
} from '../measure-machine.ts';
import { measureSteps, type PlanSteps } from '../measure-steps.ts';
import { version } from '../version.ts';

type Options = {
  readonly output?: string;
  readonly devices?: string;
  readonly threads?: string;
  readonly memory?: string;
  readonly largest: string;
  readonly each: string;
};

export function registerCalibrate(program: Command): void {
  program
    .command('calibrate')
    .summary('measure this machine: kernels, memory, messages between devices')
    .description(
      'Measures this machine as a plan would use it, in two to three minutes, and writes its description: what kernels of each kind attain at each size, the bandwidth of the memory, what messages between device processes cost. All devices measure at the same time. Nothing else should run meanwhile.',
    )
    .option('-o, --output <file>', 'the description (`--machine` takes it); default: standard output')
    .option('--devices <n>', 'device processes (default: one for each core)')
    .option('--threads <n>', 'compute threads of each (default: the cores, shared out)')
    .option('--memory <size>', 'what a device may use (default: three quarters of the memory, shared out)')
    .option('--largest <cells>', 'side of the largest image that kernels are measured with', '512')
    .option('--each <ms>', 'milliseconds for each small kernel', '50')
    .action(guarded(runCalibrate));
}

function readSetting({ devices: given, threads, memory, largest, each }: Options): Result<Setting> {
  const devices = wholeNumber('--devices', given ?? String(availableParallelism()));
  if (!devices.ok) return devices;
  const threadCount = wholeNumber('--threads', threads ?? String(threadsEach(devices.value)));
  if (!threadCount.ok) return threadCount;
  const bytes = memory === undefined ? success(memoryOfThisMachine(devices.value)) : readMemory(memory);
  if (!bytes.ok) return bytes;
  const side = wholeNumber('--largest', largest, smallestSide);
  if (!side.ok) return side;
  const milliseconds = wholeNumber('--each', each);
  if (!milliseconds.ok) return milliseconds;
  return success({
    devices: devices.value,
    threads: threadCount.value,
    memory: bytes.value,
    largest: side.value,
    secondsEach: milliseconds.value / 1000,
  });
}

async function runCalibrate(options: Options): Promise<ExitCode> {
  const setting = readSetting(options);
  if (!setting.ok) return complain(setting.diagnostics, new Map(), 2);
  const free = mayWrite(options.output);
  if (!free.ok) return complain(free.diagnostics);
  const begun = performance.now();
  const found = await measuredByProbes(setting.value);
  if (!found.ok) return complain(found.diagnostics, new Map(), 3);
  const { measured, steps } = found.value;
  const machine = machineFrom(measured);
  const seconds = ((performance.now() - begun) / 1000).toFixed(0);
  note(`${measured.kernels.length} kernels in ${seconds} s: ${inWords(machine.device)}`);
  note(ratiosInWords(machine.device, steps));
  const held = await heldAgainst(machine, setting.value);
  if (!held.ok) return complain(held.diagnostics, new Map(), 3);
  return write(options.output, `${heading(setting.value)}${printMachine(held.value)}`);
}

async function measuredByProbes(setting: Setting): Promise<Result<Found>> {
  const probes = await startProbes(setting.devices, setting.threads);
  if (!probes.ok) return probes;
  try {
    return await measureMachine(probes.value, setting);
  } finally {
    await probes.value.close();
  }
}

/** Plans are carried out for so long: on a slow machine fewer must do. */
const mostSecondsOfPlans = 60;

/** The machine as devices have it that carry out whole plans. */
async function heldAgainst(
  machine: Machine,
  { devices, threads, largest }: Setting,
): Promise<Result<Machine>> {
  const plans = calibrationPlans(largest, devices);
  const measured = await measureSteps(plans, threads, mostSecondsOfPlans);
  if (!measured.ok || measured.value.length === 0) return measured.ok ? success(machine) : measured;
  const slowness = slownessInPlans(machine, missesIn(measured.value, machine.devicesPerNode));
  const [all, alone, meeting] = [slowness.all, slowness.alone, slowness.meeting].map((times) =>
    times.toFixed(2),
  );
  note(
    `${measured.value.length} plans carried out: they take ${all} times what kernels take by themselves, with one device at work ${alone} times; to meet they take ${meeting} times as long`,
  );
  return success(inPlans(machine, slowness));
}

/** By how many times a machine falls short of the plans of each kind: replicas on all devices, one alone, tiles. */
function missesIn(measured: readonly PlanSteps[], count: number): PlanMisses {
  const of = (kept: (schedule: Schedule) => boolean) => (held: Machine) =>
    measured
      .filter(({ plan }) => kept(plan.schedule))
      .map(({ plan, seconds }) => seconds / simulate(plan, held).stepSeconds);
  return {
    all: of(({ replicas, devices }) => devices === count && replicas === devices),
    alone: of(({ devices }) => devices === 1),
    meeting: of(({ replicas, devices }) => replicas < devices),
  };
}

const inWords = ({ peak, bandwidth }: Device): string =>
  `at best ${showCount(peak)}FLOP/s and ${showCount(bandwidth)}B/s a device`;

/** Whole steps as the cost model has them, as parts of what they took. */
const ratiosInWords = (device: Device, steps: readonly MeasuredStep[]): string => {
  const ratios = steps.map(({ step, taken }) => (step.seconds(device) / taken).toFixed(2));
  return `${ratios.length} whole steps, predicted by measured: ${ratios.join(' ')}`;
};

function write(file: string | undefined, text: string): ExitCode {
  if (file === undefined) {
    print(text.trimEnd());
    return 0;
  }
  const written = writeSafely(file, [Buffer.from(text)]);
  if (!written.ok) return complain(written.diagnostics, new Map(), 3);
  print(file);
  return 0;
}

/** What the figures hold for, as a comment: other threads, another processor need others. */
const heading = ({ devices, threads }: Setting): string =>
  [
    `// Measured by unetc calibrate ${version()} on ${cpus()[0]?.model.trim() ?? 'an unknown processor'}, Node ${process.version}:`,
    `// ${devices} device processes of ${threads} compute threads each, all at work at the same time. A device's memory`,
    '// is what it was given. Messages go both ways at once. Storage is a file that was just written, so cached.',
    '',
  ].join('\n');
