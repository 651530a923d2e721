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
import { deviceEnvironment } from './device-environment.ts';
import { makePrivateFolder } from './folder.ts';
import type { ProbeOrder, ProbeReport, Trial } from './probe-protocol.ts';

export type Probes = {
  /** Seconds of one run in each probe while the others run the same. */
  time(trial: Trial): Promise<Result<number[]>>;
  /** Bytes a second, read and written, of copies in memory, all probes at once. */
  copyRate(bytes: number): Promise<Result<number>>;
  /** Seconds in which the first two give each other so many bytes. */
  trade(bytes: number): Promise<Result<number>>;
  /** Bytes of a process that has loaded its libraries and has no work. */
  resident(): Promise<Result<number>>;
  close(): Promise<void>;
};

/** Starts so many probes, connected. Errors: `write-failed`, `device-*`. */
export async function startProbes(size: number, threads: number): Promise<Result<Probes>> {
  const made = await makePrivateFolder();
  if (!made.ok) return made;
  const folder = made.value.path;
  const probes = Array.from({ length: size }, (_, rank) => startProbe(rank));
  const all = async (
    order: (rank: number) => ProbeOrder,
    ranks = probes.keys(),
  ): Promise<Result<number[]>> => {
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
  return success({
    time: (trial) => all(() => ({ do: 'time', trial })),
    async copyRate(bytes) {
      const seconds = await all(() => ({ do: 'copy', bytes }));
      return seconds.ok ? success((2 * bytes) / mean(seconds.value)) : seconds;
    },
    async trade(bytes) {
      const seconds = await all((rank) => ({ do: 'trade', peer: 1 - rank, bytes }), [0, 1].values());
      return seconds.ok ? success(mean(seconds.value)) : seconds;
    },
    async resident() {
      const bytes = await all(() => ({ do: 'resident' }));
      return bytes.ok ? success(Math.max(...bytes.value)) : bytes;
    },
    close,
  });
}

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

type Probe = { ask(order: ProbeOrder): Promise<Result<number>>; end(): Promise<void> };

/** A process as devices are: the same memory, the same environment. */
function startProbe(rank: number): Probe {
  const child = fork(probePath(), [], {
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
): Promise<Result<number>> {
  const reply = once(child, 'message');
  child.send(order, () => undefined);
  const [report] = (await reply) as [ProbeReport];
  return report.ok ? success(report.value) : failure(failedWith('device-failed', report.reason));
}

const probePath = (): string =>
  fileURLToPath(new URL(import.meta.url.endsWith('.ts') ? './probe.ts' : './probe.js', import.meta.url));
