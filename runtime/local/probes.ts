/** Probe processes, one for each device of this machine, and what they measure all at the same time. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import {
  type Diagnostic,
  diagnose,
  failure,
  fault,
  type Result,
  success,
} from '../../ir/diagnostics/diagnostic.ts';
import type { OwnWork } from '../../ir/machine.ts';
import { median } from '../../ir/median.ts';
import { deviceArguments, deviceEnvironment } from './device-environment.ts';
import { makePrivateFolder } from './folder.ts';
import type { MeetingKind, ProbeOrder, ProbeReport, Running, Trial } from './probe-protocol.ts';

export type Probes = {
  /**
   * Seconds of one run while all probes run the same: the median over the runs of the slower of the probes, since the
   * devices of a plan wait for each other.
   */
  time(trial: Trial): Promise<Result<number>>;
  /** Of each probe the seconds of each op inside a run, and the nodes of each. */
  kernels(trial: Trial): Promise<Result<Kernels[]>>;
  /** Bytes a second, read and written, of copies in memory, all probes at once. */
  copyRate(bytes: number): Promise<Result<number>>;
  /** Seconds in which devices move numbers themselves, all at once, and the bytes that plans are charged for. */
  own(work: OwnWork, bytes: number, seconds: number): Promise<Result<Moved>>;
  /**
   * By how many seconds rounds are longer than the run of a segment in them if after it two give each other so many bytes,
   * or all sum them: waiting for the slower one, and waking up, are in it.
   */
  meet(kind: MeetingKind, bytes: number, rounds: number, between: Running): Promise<Result<number>>;
  /** Bytes of a process that has loaded its libraries and has no work. */
  resident(): Promise<Result<number>>;
  close(): Promise<void>;
};

export type Kernels = { readonly seconds: readonly number[]; readonly nodes: readonly number[] };
export type Moved = { readonly bytes: number; readonly seconds: number };

/** Starts so many probes, connected. Errors: `write-failed`, `device-*`. */
export async function startProbes(size: number, threads: number): Promise<Result<Probes>> {
  const made = await makePrivateFolder();
  if (!made.ok) return made;
  const folder = made.value.path;
  const probes = Array.from({ length: size }, (_, rank) => startProbe(rank));
  const all = async (
    order: (rank: number) => ProbeOrder,
    ranks = probes.keys(),
  ): Promise<Result<(readonly number[])[]>> => {
    const answers = await Promise.all([...ranks].map((rank) => probes[rank]?.ask(order(rank))));
    const failed = answers.find((answer) => answer?.ok === false);
    if (failed?.ok === false) return failed;
    return success(answers.flatMap((answer) => (answer?.ok ? [answer.value] : [])));
  };
  const close = async () => {
    await Promise.all(probes.map((probe) => probe.end()));
    made.value.remove();
  };
  const opened = await all((rank) => ({ do: 'open', folder, rank, size, threads }));
  const connected = opened.ok ? await all(() => ({ do: 'connect' })) : opened;
  if (!connected.ok) {
    await close();
    return connected;
  }
  const each = async (order: ProbeOrder): Promise<Result<number[]>> => {
    const answers = await all(() => order);
    return answers.ok ? success(answers.value.map(([first = 0]) => first)) : answers;
  };
  return success({
    async time(trial) {
      const answers = await all(() => ({ do: 'time', trial }));
      return answers.ok ? success(slowestSeconds(answers.value)) : answers;
    },
    async kernels(trial) {
      const answers = await all(() => ({ do: 'kernels', trial }));
      const { length } = trial.segment.graph.ops;
      return answers.ok
        ? success(
            answers.value.map((both) => ({ seconds: both.slice(0, length), nodes: both.slice(length) })),
          )
        : answers;
    },
    async copyRate(bytes) {
      const seconds = await each({ do: 'copy', bytes });
      return seconds.ok ? success((2 * bytes) / mean(seconds.value)) : seconds;
    },
    async own(work, bytes, seconds) {
      const answers = await all(() => ({ do: 'own', work, bytes, seconds }));
      if (!answers.ok) return answers;
      const column = (index: number) => mean(answers.value.map((both) => both[index] ?? 0));
      return success({ seconds: column(0), bytes: column(1) });
    },
    async meet(kind, bytes, rounds, between) {
      const members = kind === 'trade' ? [0, 1] : [...probes.keys()];
      const order: ProbeOrder = { do: 'meet', kind, members, bytes, rounds, between };
      const times = await all(() => order, members.values());
      if (!times.ok) return times;
      return success(Math.max(leastMeeting, meetingSeconds(times.value, rounds)));
    },
    async resident() {
      const bytes = await each({ do: 'resident' });
      return bytes.ok ? success(Math.max(...bytes.value)) : bytes;
    },
    close,
  });
}

/** Of the runs that all probes have made: in each the slowest probe counts. */
function slowestSeconds(times: readonly (readonly number[])[]): number {
  const runs = Math.min(...times.map(({ length }) => length));
  return median(Array.from({ length: runs }, (_, run) => Math.max(...times.map((own) => own[run] ?? 0))));
}

/** No meeting is shorter, whatever clocks say. */
const leastMeeting = 1e-6;

/**
 * From the end of a round to the end of the next one, less the run in it: the mean of the members, the median of the rounds.
 * What runs take differs more from one to another than a message takes, so each round has its own taken off.
 */
function meetingSeconds(times: readonly (readonly number[])[], rounds: number): number {
  const inRound = (index: number) => mean(times.map((own) => own[index] ?? 0));
  const grown = Array.from({ length: rounds - 1 }, (_, before) => {
    const [from, to] = [inRound(rounds + before), inRound(rounds + before + 1)];
    return to - from - inRound(before + 1);
  });
  return median(grown);
}

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

type Probe = { ask(order: ProbeOrder): Promise<Result<readonly number[]>>; end(): Promise<void> };

/** A process as devices are: the same memory, the same environment. */
function startProbe(rank: number): Probe {
  const child = fork(probePath(), [], {
    execArgv: deviceArguments(),
    serialization: 'advanced',
    env: deviceEnvironment(),
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  });
  const failedWith = (code: 'device-failed' | 'device-died', reason: string): Diagnostic =>
    diagnose(fault(code, { rank, instruction: 'calibrate', reason }));
  const gone = once(child, 'exit').then(([code, signal]) =>
    failure(failedWith('device-died', signal ?? `exit code ${code}`)),
  );
  return {
    ask: (order) => Promise.race([answer(child, order, failedWith), gone]),
    async end() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill('SIGKILL');
      await gone;
    },
  };
}

async function answer(
  child: ChildProcess,
  order: ProbeOrder,
  failedWith: (code: 'device-failed', reason: string) => Diagnostic,
): Promise<Result<readonly number[]>> {
  const reply = once(child, 'message');
  child.send(order, () => undefined);
  const [report] = (await reply) as [ProbeReport];
  return report.ok ? success(report.values) : failure(failedWith('device-failed', report.reason));
}

const probePath = (): string =>
  fileURLToPath(new URL(import.meta.url.endsWith('.ts') ? './probe.ts' : './probe.js', import.meta.url));
