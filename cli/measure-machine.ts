/** What this machine takes for the work of plans: what `unetc calibrate` makes a description of. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { hostname, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import type { Timed } from '../compiler/calibration/fit.ts';
import {
  type CalibrationStep,
  calibrationSteps,
  linearSegments,
  resultBytes,
  timedKernels,
  timedUpdate,
  tinyChain,
  updateSegments,
  type Work,
} from '../compiler/calibration/kernels.ts';
import type { Measured, Meeting } from '../compiler/calibration/machine.ts';
import { type Result, success } from '../ir/diagnostics/diagnostic.ts';
import { keptSegment } from '../ir/kept-segment.ts';
import { ownWorks, shareAt } from '../ir/machine.ts';
import { writeSafely } from '../runtime/files/write-safely.ts';
import type { MeetingKind, Running, Trial } from '../runtime/local/probe-protocol.ts';
import type { Kernels, Probes } from '../runtime/local/probes.ts';
import { advance, noProgress } from '../runtime/progress.ts';
import { createProgressLine } from './progress-line.ts';

export type Setting = {
  readonly devices: number;
  readonly threads: number;
  readonly memory: number;
  readonly largest: number;
  readonly secondsEach: number;
};

/** A whole step, and the seconds that its kernels took together. */
export type MeasuredStep = { readonly step: CalibrationStep; readonly taken: number };

export type Found = { readonly measured: Measured; readonly steps: readonly MeasuredStep[] };

/** The smallest image that kernels are measured with. */
export const smallestSide = 16;

/** Sizes of messages and sums, each four times the one before, and of buffers. */
const messageSizes = Array.from({ length: 9 }, (_, i) => 2 ** (10 + 2 * i));
const bufferSizes = Array.from({ length: 5 }, (_, i) => 2 ** (12 + 3 * i));

/** Bytes of the largest buffer that is moved: 64 channels of the largest image. */
const largestBytes = ({ largest }: Setting): number => 4 * 64 * largest ** 2;

const upTo = (sizes: readonly number[], setting: Setting): number[] =>
  sizes.filter((size) => size <= largestBytes(setting));

const copyBytes = 2 ** 26;

/** Errors: `device-*`. */
export async function measureMachine(probes: Probes, setting: Setting): Promise<Result<Found>> {
  const base = await measureBase(probes, setting);
  if (!base.ok) return base;
  const trades = await measureMeetings(probes, 'trade', setting);
  if (!trades.ok) return trades;
  const sums = await measureMeetings(probes, 'sum', setting);
  if (!sums.ok) return sums;
  const moved = await measureMoved(probes, setting);
  if (!moved.ok) return moved;
  const updates = await measureUpdates(probes, setting);
  if (!updates.ok) return updates;
  const kernels = await measureKernels(probes, base.value, moved.value.run, setting);
  if (!kernels.ok) return kernels;
  const { timed, steps } = kernels.value;
  const [smallest] = steps;
  if (smallest === undefined) throw new Error('no network is small enough');
  return success({
    steps,
    measured: {
      dispatch: base.value.dispatch,
      copyRate: base.value.copyRate,
      reserve: base.value.reserve,
      name: hostname().replace(/[^A-Za-z0-9_]/g, '_') || 'local',
      devices: setting.devices,
      smallest: {
        taken: smallest.taken,
        ops: smallest.step.segment.graph.ops.length,
        seconds: smallest.step.seconds,
      },
      kernels: timed,
      updates: updates.value,
      moved: moved.value,
      trades: trades.value,
      sums: sums.value,
      memory: setting.memory,
      hostMemory: totalmem(),
      storage: readingRate(),
    },
  });
}

/** A segment that is nothing beside what else a plan has. */
const trialOf = ({ segment, file }: Work, seconds: number, keeping = false): Trial => ({
  segment,
  file,
  keeping,
  seconds,
});

type Base = Pick<Measured, 'dispatch' | 'copyRate' | 'reserve'> & {
  /** Seconds that it takes to write down when a node begins and ends. */
  readonly writing: number;
};

const chainLength = 33;

/** What comes before any kernel has a size. */
async function measureBase(probes: Probes, { secondsEach }: Setting): Promise<Result<Base>> {
  const tinySeconds = 10 * secondsEach;
  const reserve = await probes.resident();
  if (!reserve.ok) return reserve;
  const copyRate = await probes.copyRate(copyBytes);
  if (!copyRate.ok) return copyRate;
  const one = await probes.time(trialOf(tinyChain(1), tinySeconds));
  if (!one.ok) return one;
  const many = await probes.time(trialOf(tinyChain(chainLength), tinySeconds));
  if (!many.ok) return many;
  const node = Math.max(0, (many.value - one.value) / (chainLength - 1));
  const writing = await measureWriting(probes, tinySeconds);
  if (!writing.ok) return writing;
  const loaded = await probes.resident();
  if (!loaded.ok) return loaded;
  return success({
    writing: writing.value,
    dispatch: Math.max(0, one.value - node),
    copyRate: copyRate.value,
    reserve: Math.max(reserve.value, loaded.value),
  });
}

/** What the step of the smallest network, which is hundreds of nodes, takes longer when they are written down. */
async function measureWriting(probes: Probes, seconds: number): Promise<Result<number>> {
  const [smallest] = calibrationSteps(smallestSide);
  if (smallest === undefined) throw new Error('no network is small enough');
  const trial = trialOf(smallest, seconds);
  const whole = await probes.time(trial);
  if (!whole.ok) return whole;
  const kernels = await probes.kernels(trial);
  if (!kernels.ok) return kernels;
  const of = (numbers: readonly number[]) => numbers.reduce((sum, one) => sum + one, 0);
  const all = kernels.value.map(({ seconds, nodes }) => (of(seconds) - whole.value) / of(nodes));
  return success(Math.max(0, mean(all)));
}

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

/** Bytes that rounds of meeting move in all, and the fewest and most rounds, the latter for each second of a kernel. */
const [meetingBytes, fewestRounds, mostRounds] = [2 ** 28, 4, 3000];

/**
 * Between two messages devices compute, as they do in a step: then caches are full of other numbers, threads that carry
 * messages have slept, and processors have other work. For a millisecond or two: after longer runs one device waits for the
 * other longer than for its message, by a few hundredths of the run.
 */
function stepBetween(): Running {
  const [step] = calibrationSteps(smallestSide);
  if (step === undefined) throw new Error('no network is small enough');
  return { segment: step.segment, file: step.file, keeping: false };
}

async function measureMeetings(
  probes: Probes,
  kind: MeetingKind,
  setting: Setting,
): Promise<Result<Meeting[]>> {
  const { devices, secondsEach } = setting;
  const between = stepBetween();
  const found: Meeting[] = [];
  for (const bytes of devices > 1 ? upTo(messageSizes, setting) : []) {
    const most = Math.min(mostRounds * secondsEach, meetingBytes / bytes);
    const rounds = Math.max(fewestRounds, Math.floor(most));
    const seconds = await probes.meet(kind, bytes, rounds, between);
    if (!seconds.ok) return seconds;
    found.push({ bytes, seconds: seconds.value });
  }
  return success(found);
}

async function measureMoved(probes: Probes, setting: Setting): Promise<Result<Measured['moved']>> {
  const { secondsEach } = setting;
  const sizes = upTo(bufferSizes, setting);
  const moved = new Map<keyof Measured['moved'], Meeting[]>();
  for (const work of ownWorks)
    for (const size of sizes) {
      const one = await probes.own(work, size, 4 * secondsEach);
      if (!one.ok) return one;
      moved.set(work, [...(moved.get(work) ?? []), one.value]);
    }
  const of = (work: keyof Measured['moved']) => moved.get(work) ?? [];
  return success({
    accumulate: of('accumulate'),
    paste: of('paste'),
    exchange: of('exchange'),
    count: of('count'),
    metric: of('metric'),
    clip: of('clip'),
    run: of('run'),
    clear: of('clear'),
    check: of('check'),
  });
}

async function measureUpdates(probes: Probes, setting: Setting): Promise<Result<Timed[]>> {
  const { secondsEach } = setting;
  const updates: Timed[] = [];
  for (const work of updateSegments(largestBytes(setting))) {
    const taken = await probes.time({ ...trialOf(work, 2 * secondsEach), cold: true });
    if (!taken.ok) return taken;
    updates.push(...timedUpdate(work.segment, taken.value));
  }
  return success(updates);
}

/** Each step is timed in so many rounds, some seconds apart. */
const rounds = 2;

/** Two rounds that differ by more were not both undisturbed. */
const alike = 1.15;

/** The mean of two rounds; the faster where another program disturbed the other one. */
function together(a: Inside, b: Inside): Inside {
  const [fast, slow] = a.taken < b.taken ? [a, b] : [b, a];
  if (slow.taken > alike * fast.taken) return fast;
  return {
    taken: mean([fast.taken, slow.taken]),
    seconds: fast.seconds.map((seconds, op) => mean([seconds, slow.seconds[op] ?? seconds])),
  };
}

/** A round that is not the first ends here: on a busy machine one must do. */
const mostSeconds = 60;

async function measureKernels(
  probes: Probes,
  base: Base,
  giving: readonly Meeting[],
  { largest, secondsEach }: Setting,
): Promise<Result<{ readonly timed: readonly Timed[]; readonly steps: readonly MeasuredStep[] }>> {
  const all = calibrationSteps(largest);
  const known = new Map<CalibrationStep, Inside>();
  const line = createProgressLine();
  const start = performance.now();
  let progress = noProgress(0, rounds * all.length);
  for (let round = 0; round < rounds; round++)
    for (const step of all) {
      const begun = performance.now();
      if (round > 0 && begun - start > mostSeconds * 1000) break;
      const found = await measureSegment(probes, base, giving, step, keptIn(step), 10 * secondsEach);
      if (!found.ok) return found;
      const before = known.get(step);
      known.set(step, before === undefined ? found.value : together(before, found.value));
      progress = advance(progress, (performance.now() - begun) / 1000);
      line.show(progress, step.name);
    }
  line.clear();
  const timed = [...known].flatMap(([step, { seconds }]) => timedKernels(step.segment, seconds));
  const steps = [...known].map(([step, { taken }]) => ({ step, taken }));
  for (const work of linearSegments()) {
    const found = await measureSegment(probes, base, giving, work, false, secondsEach);
    if (!found.ok) return found;
    timed.push(...timedKernels(work.segment, found.value.seconds));
  }
  return success({ timed, steps });
}

const keptIn = ({ plan, segment }: CalibrationStep): boolean =>
  plan.roles.some((role) => keptSegment(plan.segments, role) === segment.name);

/** Seconds of all kernels of a segment together, and of each op. */
type Inside = { readonly taken: number; readonly seconds: readonly number[] };

/** The kernels inside a run; what comes around them is taken off. */
async function measureSegment(
  probes: Probes,
  { dispatch, writing }: Base,
  giving: readonly Meeting[],
  work: Work,
  keeping: boolean,
  seconds: number,
): Promise<Result<Inside>> {
  const trial = trialOf(work, seconds, keeping);
  const whole = await probes.time(trial);
  if (!whole.ok) return whole;
  const kernels = await probes.kernels(trial);
  if (!kernels.ok) return kernels;
  const around = dispatch + secondsOf(giving, resultBytes(work.segment));
  const taken = Math.max(whole.value / 2, whole.value - around);
  return success({ taken, seconds: shared(taken, kernels.value, writing) });
}

/** Seconds of so many bytes, at the rate of the sizes that were measured. */
function secondsOf(measured: readonly Meeting[], bytes: number): number {
  const rates = measured.map((one) => ({ size: one.bytes, share: one.bytes / Math.max(one.seconds, 1e-9) }));
  return bytes / shareAt(rates, bytes);
}

/** Seconds of each op, the writing down of its nodes taken off, as parts of what all take. */
function shared(taken: number, all: readonly Kernels[], writing: number): number[] {
  const own = (all[0]?.seconds ?? []).map((_, op) =>
    mean(
      all.map(({ seconds, nodes }) => {
        const [raw = 0, count = 0] = [seconds[op], nodes[op]];
        return Math.max(raw / 4, raw - count * writing);
      }),
    ),
  );
  const total = own.reduce((a, b) => a + b, 0);
  return own.map((seconds) => (seconds * taken) / total);
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
