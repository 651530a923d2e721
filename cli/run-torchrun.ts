/** Follows a training that torchrun starts on this machine: its records become a line of progress, or go on as they are. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { diagnose, fault } from '../ir/diagnostics/diagnostic.ts';
import type { Plan } from '../ir/plan.ts';
import type { Command } from '../runtime/launchers/torchrun.ts';
import { advance, noProgress } from '../runtime/progress.ts';
import { thinnedCurves } from '../runtime/run-curves.ts';
import { curvesOf, meanIouOf, type Told, toldIn } from '../runtime/told.ts';
import { complain, type ExitCode, note, print } from './command.ts';
import { createProgressLine } from './progress-line.ts';
import { drawRun } from './run-curve.ts';
import { percent, type Validated, validationInWords } from './run-words.ts';
import { stopOnSignals } from './stop-signals.ts';

export type FollowOptions = {
  readonly plan: Plan;
  readonly json: boolean;
  /** Where the curves of the run are drawn. */
  readonly curve?: string | undefined;
};

export async function followTorchrun(
  command: Command,
  { plan, json, curve }: FollowOptions,
): Promise<ExitCode> {
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
  const began = performance.now();
  const told = await follow(child, json);
  process.off('exit', end);
  const last = told.findLast(({ done }) => done !== undefined);
  if (last === undefined) return complain([diagnose(fault('ranks-failed', {}))], new Map(), 3);
  const curves = curvesOf(told);
  const steps = curves.losses.length;
  const seconds = (performance.now() - began) / 1000;
  const drawn = await drawRun(curve, plan, thinnedCurves(curves, curves.split), { steps, seconds });
  if (!drawn.ok) return complain(drawn.diagnostics, new Map(), 3);
  if (!json) {
    print(`${last.done ? 'Trained' : 'Stopped'}.`);
    if (last.checkpoint) print(`Weights: ${last.checkpoint}`);
    if (curve !== undefined && steps > 1) print(`Loss curve: ${curve}`);
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

/** Shows all that is told, and gives it; the last tells of the end, if the run came to one of its own. */
async function follow(child: ChildProcess, json: boolean): Promise<Told[]> {
  if (child.stdout === null) throw new TypeError('torchrun has no output');
  const line = createProgressLine();
  let progress = noProgress(0, 0);
  const all: Told[] = [];
  const ended = once(child, 'close');
  for await (const text of createInterface({ input: child.stdout })) {
    const told = toldIn(text);
    if (json || told === undefined) print(text);
    if (told === undefined) continue;
    all.push(told);
    if (told.step === undefined || json) continue;
    if (told.validation !== undefined) {
      line.clear();
      note(validationInWords(scoresIn(told, told.step, told.validation)));
      continue;
    }
    if (progress.total === 0 || told.step < progress.done) progress = noProgress(told.step, told.total ?? 0);
    progress = advance(progress, told.seconds ?? 0);
    line.show(progress, wordsOf(told));
  }
  await ended;
  line.clear();
  return all;
}

const scoresIn = (told: Told, step: number, split: string): Validated => ({
  step,
  split,
  accuracy: told.accuracy ?? Number.NaN,
  mean: meanIouOf(told),
  best: told.best === true,
});

function wordsOf({ loss, metrics = {} }: Told): string {
  const scores = Object.entries(metrics).map(
    ([name, { accuracy }]) => `${name} ${percent(accuracy ?? Number.NaN)}`,
  );
  return [`loss ${loss?.toFixed(4) ?? '-'}`, ...scores].join('  ');
}
