import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism, cpus, hostname, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import {
  type CalibrationKernel,
  calibrationKernels,
  calibrationSteps,
  tinyChain,
} from '../../compiler/calibration/kernels.ts';
import { type Measured, machineFrom } from '../../compiler/calibration/machine.ts';
import { type Result, success } from '../../ir/diagnostics/diagnostic.ts';
import type { Device } from '../../ir/machine.ts';
import { printMachine } from '../../ir/text/machine.ts';
import { showCount } from '../../ir/units.ts';
import { writeSafely } from '../../runtime/files/write-safely.ts';
import { type Probes, startProbes } from '../../runtime/local/probes.ts';
import { advance, noProgress } from '../../runtime/progress.ts';
import { complain, type ExitCode, guarded, note, print } from '../command.ts';
import { memoryOfThisMachine, readMemory, threadsEach, wholeNumber } from '../inputs.ts';
import { mayWrite } from '../may-write.ts';
import { createProgressLine } from '../progress-line.ts';
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
      'Measures this machine as a plan would use it, in about two minutes, and writes its description: what kernels of each kind attain at each size, the bandwidth of the memory, what messages between device processes cost. All devices measure at the same time. Nothing else should run meanwhile.',
    )
    .option('-o, --output <file>', 'the description (`--machine` takes it); default: standard output')
    .option('--devices <n>', 'device processes (default: one for each core)')
    .option('--threads <n>', 'compute threads of each (default: the cores, shared out)')
    .option('--memory <size>', 'what a device may use (default: three quarters of the memory, shared out)')
    .option('--largest <cells>', 'side of the largest image that kernels are measured with', '512')
    .option('--each <ms>', 'milliseconds for each kernel, twice', '50')
    .action(guarded(runCalibrate));
}

type Setting = {
  readonly devices: number;
  readonly threads: number;
  readonly memory: number;
  readonly largest: number;
  readonly secondsEach: number;
};

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
  const probes = await startProbes(setting.value.devices, setting.value.threads);
  if (!probes.ok) return complain(probes.diagnostics, new Map(), 3);
  try {
    const measured = await measure(probes.value, setting.value);
    if (!measured.ok) return complain(measured.diagnostics, new Map(), 3);
    const machine = machineFrom(measured.value);
    const ratios = await checkSteps(probes.value, machine.device, setting.value);
    if (!ratios.ok) return complain(ratios.diagnostics, new Map(), 3);
    const seconds = ((performance.now() - begun) / 1000).toFixed(0);
    note(`${measured.value.kernels.length} kernels in ${seconds} s: ${inWords(machine.device)}`);
    note(ratiosInWords(ratios.value));
    return write(options.output, `${heading(setting.value)}${printMachine(machine)}`);
  } finally {
    await probes.value.close();
  }
}

const inWords = ({ peak, bandwidth }: Device): string =>
  `at best ${showCount(peak)}FLOP/s and ${showCount(bandwidth)}B/s a device`;

/** Whole steps as the cost model has them, as multiples of what they take. */
async function checkSteps(
  probes: Probes,
  device: Device,
  { largest, secondsEach }: Setting,
): Promise<Result<number[]>> {
  const ratios: number[] = [];
  for (const { file, inputs, outputs, seconds } of calibrationSteps(largest)) {
    const taken = await probes.time({ file, inputs, outputs, seconds: 2 * secondsEach });
    if (!taken.ok) return taken;
    ratios.push(seconds(device) / mean(taken.value));
  }
  return success(ratios);
}

const ratiosInWords = (ratios: readonly number[]): string =>
  `${ratios.length} whole steps, predicted by measured: ${ratios.map((ratio) => ratio.toFixed(2)).join(' ')}`;

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

/** Each kernel is timed in so many rounds, some seconds apart, for so long; the fastest round counts. */
const rounds = 2;

/** A round that is not the first ends here: on a busy machine one must do. */
const mostSeconds = 110;

/** Sizes of messages, each four times the one before. */
const messageSizes = Array.from({ length: 9 }, (_, i) => 2 ** (10 + 2 * i));

const copyBytes = 2 ** 26;

async function measure(probes: Probes, setting: Setting): Promise<Result<Measured>> {
  const base = await measureBase(probes);
  if (!base.ok) return base;
  const trades = await measureTrades(probes, setting.devices);
  if (!trades.ok) return trades;
  const smallest = await measureSmallest(probes, base.value);
  if (!smallest.ok) return smallest;
  const kernels = await measureKernels(probes, base.value, setting);
  if (!kernels.ok) return kernels;
  return success({
    ...base.value,
    name: hostname().replace(/[^A-Za-z0-9_]/g, '_') || 'local',
    devices: setting.devices,
    smallest: smallest.value,
    kernels: kernels.value,
    trades: trades.value,
    memory: setting.memory,
    hostMemory: totalmem(),
    storage: readingRate(),
  });
}

type Base = Pick<Measured, 'dispatch' | 'copyRate' | 'reserve'> & {
  /** Seconds of a run without its kernels, and of one more of the cheapest kernels in it. */
  readonly call: number;
  readonly node: number;
};

const tinySeconds = 0.5;
const chainLength = 33;
const smallestSide = 16;

/** What comes before any kernel has a size. */
async function measureBase(probes: Probes): Promise<Result<Base>> {
  const reserve = await probes.resident();
  if (!reserve.ok) return reserve;
  const copyRate = await probes.copyRate(copyBytes);
  if (!copyRate.ok) return copyRate;
  const one = await probes.time({ ...tinyChain(1), seconds: tinySeconds });
  if (!one.ok) return one;
  const many = await probes.time({ ...tinyChain(chainLength), seconds: tinySeconds });
  if (!many.ok) return many;
  const whole = await probes.time({ ...tinyChain(1), seconds: tinySeconds, around: true });
  if (!whole.ok) return whole;
  const single = mean(one.value);
  const node = Math.max(0, (mean(many.value) - single) / (chainLength - 1));
  const loaded = await probes.resident();
  if (!loaded.ok) return loaded;
  return success({
    node,
    call: Math.max(0, single - node),
    dispatch: Math.max(0, mean(whole.value) - node),
    copyRate: copyRate.value,
    reserve: Math.max(reserve.value, loaded.value),
  });
}

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

/** The step of the smallest network, for what a kernel costs whatever its size. */
async function measureSmallest(probes: Probes, { call }: Base): Promise<Result<Measured['smallest']>> {
  const [smallest] = calibrationSteps(smallestSide);
  if (smallest === undefined) throw new Error('no network is small enough');
  const { file, inputs, outputs, ops, seconds } = smallest;
  const taken = await probes.time({ file, inputs, outputs, seconds: tinySeconds });
  return taken.ok ? success({ taken: Math.max(0, mean(taken.value) - call), ops, seconds }) : taken;
}

async function measureTrades(probes: Probes, devices: number): Promise<Result<Measured['trades']>> {
  const trades: { bytes: number; seconds: number }[] = [];
  for (const bytes of devices > 1 ? messageSizes : []) {
    const seconds = await probes.trade(bytes);
    if (!seconds.ok) return seconds;
    trades.push({ bytes, seconds: seconds.value });
  }
  return success(trades);
}

async function measureKernels(
  probes: Probes,
  base: Base,
  { largest, secondsEach }: Setting,
): Promise<Result<Measured['kernels']>> {
  const kernels = calibrationKernels(largest);
  const fastest = new Map<CalibrationKernel, number>();
  const line = createProgressLine();
  const start = performance.now();
  let progress = noProgress(0, rounds * kernels.length);
  for (let round = 0; round < rounds; round++)
    for (const kernel of kernels) {
      const begun = performance.now();
      if (round > 0 && begun - start > mostSeconds * 1000) break;
      const { file, inputs, outputs } = kernel;
      const seconds = await probes.time({ file, inputs, outputs, seconds: secondsEach });
      if (!seconds.ok) return seconds;
      fastest.set(kernel, Math.min(fastest.get(kernel) ?? Number.POSITIVE_INFINITY, mean(seconds.value)));
      progress = advance(progress, (performance.now() - begun) / 1000);
      line.show(progress, kernel.kind);
    }
  line.clear();
  return success(
    kernels.map((kernel) => ({
      ...kernel,
      seconds: (fastest.get(kernel) ?? 0) - base.call - kernel.beside * base.node,
    })),
  );
}

const fileBytes = 2 ** 26;

/** Bytes a second from a file that was just written. */
function readingRate(): number {
  const folder = mkdtempSync(join(tmpdir(), 'unetc-storage-'));
  try {
    const file = join(folder, 'bytes');
    const written = writeSafely(file, [new Uint8Array(fileBytes).fill(1)]);
    const begun = performance.now();
    const read = written.ok ? readFileSync(file).length : fileBytes;
    return read / ((performance.now() - begun) / 1000);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
