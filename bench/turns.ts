/** Two programs that take turns in training steps, so that a machine whose speed drifts slows both. */
import { type ChildProcessWithoutNullStreams, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { at } from '../ir/box.ts';

export const root = join(dirname(fileURLToPath(import.meta.url)), '..');

export const stepsEach = 2;

/** A Python of our own that has PyTorch; installed when it is asked for first. */
export function pythonWithTorch(): string {
  const venv = join(root, 'out/bench-venv');
  const python = join(venv, 'bin/python');
  const run = (command: string, ...args: string[]) => {
    const { status } = spawnSync(command, args, { stdio: ['ignore', 2, 2] });
    if (status !== 0) throw new Error(`${command} ${args.join(' ')} failed`);
  };
  if (spawnSync(python, ['-c', 'import torch']).status === 0) return python;
  if (!existsSync(python)) run('python3', '-m', 'venv', venv);
  run(python, '-m', 'pip', 'install', '--quiet', 'torch==2.13.0', 'numpy');
  return python;
}

/** A process that answers each line with one line. */
export function conversation(child: ChildProcessWithoutNullStreams) {
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return async (line: string): Promise<string> => {
    child.stdin.write(`${line}\n`);
    const answer = await lines.next();
    if (answer.done) throw new Error(`no answer to "${line}"`);
    return answer.value;
  };
}

export const median = (values: readonly number[]): number => {
  const sorted = [...values].sort((a, b) => a - b);
  return at(sorted, Math.floor(sorted.length / 2));
};

/** Seconds in which a process has had a processor, all its threads together; NaN where the system does not say. */
export function processorSeconds(pid: number): number {
  try {
    const folder = `/proc/${pid}/task`;
    const nanoseconds = readdirSync(folder).map((task) =>
      Number(readFileSync(`${folder}/${task}/schedstat`, 'utf8').split(' ')[0]),
    );
    return nanoseconds.reduce((a, b) => a + b, 0) / 1e9;
  } catch {
    return Number.NaN;
  }
}

/** Seconds of a step, by the clock and of a processor. */
export type Seconds = { readonly clock: number; readonly processor: number };

/** The mean of `stepsEach` steps of a process. */
export async function timed(pid: number, steps: () => Promise<void>): Promise<Seconds> {
  const [clock, processor] = [performance.now(), processorSeconds(pid)];
  await steps();
  const each = (total: number) => total / stepsEach;
  return {
    clock: each((performance.now() - clock) / 1000),
    processor: each(processorSeconds(pid) - processor),
  };
}

export type Rounds = { readonly ours: readonly Seconds[]; readonly theirs: readonly Seconds[] };

/** The median, and from the least to the largest. */
export const spreadOf = (ratios: readonly number[]): string =>
  `${median(ratios).toFixed(2)}  ${Math.min(...ratios).toFixed(2)} .. ${Math.max(...ratios).toFixed(2)}`;

/** Ratios of all rounds, as `spreadOf` shows them. */
export function ratiosOf({ ours, theirs }: Rounds, key: keyof Seconds): string {
  const ratios = ours.map((mine, round) => at(theirs, round)[key] / mine[key]);
  return spreadOf(ratios);
}
