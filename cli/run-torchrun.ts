/** Follows a training that torchrun starts on this machine: its records become a line of progress, or go on as they are. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { diagnose, fault } from '../ir/diagnostics/diagnostic.ts';
import type { Command } from '../runtime/launchers/torchrun.ts';
import { advance, noProgress } from '../runtime/progress.ts';
import { complain, type ExitCode, print } from './command.ts';
import { createProgressLine } from './progress-line.ts';
import { stopOnSignals } from './stop-signals.ts';

/** What the executor prints: one a step, and one at the end. */
type Record = {
  readonly step?: number;
  readonly total?: number;
  readonly loss?: number | null;
  readonly seconds?: number;
  readonly metrics?: { readonly [target: string]: { readonly accuracy: number | null } };
  readonly done?: boolean;
  readonly checkpoint?: string | null;
};

export async function followTorchrun(command: Command, json: boolean): Promise<ExitCode> {
  const { program, args, environment } = command;
  if (spawnSync(program, ['-c', 'import torch, numpy']).status !== 0)
    return complain([diagnose(fault('torch-missing', { python: program }))]);
  // A process group of its own: a Ctrl-C reaches the ranks once, through torchrun.
  const child = spawn(program, [...args], {
    detached: true,
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const stop = stopOnSignals('Ending after this step, with a checkpoint ...');
  stop.addEventListener('abort', () => child.kill('SIGTERM'));
  const end = (): void => endGroup(child);
  process.once('exit', end);
  const last = await follow(child, json);
  process.off('exit', end);
  if (last === undefined) return complain([diagnose(fault('ranks-failed', {}))], new Map(), 3);
  if (!json) {
    print(`${last.done ? 'Trained' : 'Stopped'}.`);
    if (last.checkpoint) print(`Weights: ${last.checkpoint}`);
  }
  return 0;
}

/** Nothing is left behind, however this process ends. */
function endGroup({ pid }: ChildProcess): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL');
  } catch {
    // It has ended.
  }
}

/** Shows all records; gives the last one, if the run came to an end of its own. */
async function follow(child: ChildProcess, json: boolean): Promise<Record | undefined> {
  if (child.stdout === null) throw new TypeError('torchrun has no output');
  const line = createProgressLine();
  let progress = noProgress(0, 0);
  let last: Record | undefined;
  const ended = once(child, 'close');
  for await (const text of createInterface({ input: child.stdout })) {
    const record = recordOf(text);
    if (json || record === undefined) print(text);
    if (record?.done !== undefined) last = record;
    if (record?.step === undefined || json) continue;
    if (progress.total === 0 || record.step < progress.done)
      progress = noProgress(record.step, record.total ?? 0);
    progress = advance(progress, record.seconds ?? 0);
    line.show(progress, wordsOf(record));
  }
  await ended;
  line.clear();
  return last;
}

function recordOf(text: string): Record | undefined {
  try {
    return text.startsWith('{') ? JSON.parse(text) : undefined;
  } catch {
    return undefined;
  }
}

function wordsOf({ loss, metrics = {} }: Record): string {
  const scores = Object.entries(metrics).map(
    ([name, { accuracy }]) => `${name} ${accuracy === null ? '-' : `${(100 * accuracy).toFixed(1)} %`}`,
  );
  return [`loss ${loss?.toFixed(4) ?? '-'}`, ...scores].join('  ');
}
