/**
 * Seconds of a training step: the PyTorch executor of plans, one rank, against hand-written PyTorch with autograd;
 * the same network, batch and threads, in one run, taking turns:
 *
 *   UNETC_PYTHON=.venv/bin/python npx tsx bench/torch_executor.ts [ROUNDS] [PART OF A NAME] [THREADS]
 *
 * A ratio above 1: the executor is faster; its median, and the least and the largest of all rounds. Where other
 * programs want the processors too, look at the ratio of processor time. Ends with 1 where one of processor time is
 * below 0.9.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { table } from '../cli/table.ts';
import { succeeding } from '../tests/support/command-line.ts';
import {
  conversation,
  median,
  pythonWithTorch,
  type Rounds,
  ratiosOf,
  root,
  type Seconds,
  stepsEach,
  timed,
} from './turns.ts';

const [rounds = '7', wanted = '', threads = '1'] = process.argv.slice(2);
const python = process.env.UNETC_PYTHON ?? pythonWithTorch();
const LEAST = 0.9;

type Case = {
  readonly name: string;
  readonly file: string;
  /** What is written by hand: network, channels, width, poolings, side, batch. */
  readonly torch: string;
};

const cases: readonly Case[] = [
  { name: 'coastline, 4 x 256²', file: 'examples/coastline.unet', torch: 'unet 3 16 3 256 4' },
  {
    name: 'classic (same), 1 x 128²',
    file: 'bench/networks/classic-same.unet',
    torch: 'unet 1 64 4 128 1',
  },
  { name: 'residual, 8 x 256²', file: 'examples/residual.unet', torch: 'residual 3 16 4 256 8' },
];

const folder = mkdtempSync(join(tmpdir(), 'unetc-bench-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

/** A program of this folder that reads lines, after its first one. */
async function started(program: string, line: string) {
  const env = { ...process.env, OMP_NUM_THREADS: threads };
  const child = spawn(python, [join(root, 'bench', program)], { env });
  child.stderr.pipe(process.stderr);
  const ask = conversation(child);
  await ask(line);
  const steps = async (count: number) => void (await ask(`run ${count}`));
  await steps(1);
  return { timed: () => timed(child.pid ?? 0, () => steps(stepsEach)), end: () => child.kill() };
}

async function measure({ file, torch }: Case, index: number): Promise<Rounds> {
  const bundle = join(folder, `${index}.plan`);
  await succeeding(`compile ${file} --devices 1 --pin micro_batches=1 --threads ${threads} -o ${bundle}`);
  const mine = await started('torch_executor.py', `${bundle} ${threads}`);
  const other = await started('torch_step.py', `${torch} ${threads}`);
  const [ours, theirs]: [Seconds[], Seconds[]] = [[], []];
  for (let round = 0; round < Number(rounds); round++) {
    ours.push(await mine.timed());
    theirs.push(await other.timed());
  }
  mine.end();
  other.end();
  return { ours, theirs };
}

const rows: string[][] = [];
let slow = 0;
for (const [index, one] of cases.entries()) {
  if (!one.name.includes(wanted)) continue;
  const { ours, theirs } = await measure(one, index);
  const seconds = (all: readonly Seconds[]) => `${median(all.map(({ clock }) => clock)).toFixed(3)} s`;
  const processor = ratiosOf({ ours, theirs }, 'processor');
  if (Number.parseFloat(processor) < LEAST) slow++;
  rows.push([one.name, seconds(ours), seconds(theirs), ratiosOf({ ours, theirs }, 'clock'), processor]);
}
console.log(
  table(
    [
      { title: `one training step, threads: ${threads}` },
      { title: 'executor', align: 'right' },
      { title: 'PyTorch by hand', align: 'right' },
      { title: 'ratio, all rounds', align: 'right' },
      { title: 'of processor time', align: 'right' },
    ],
    rows,
  ),
);
process.exitCode = slow === 0 ? 0 : 1;
