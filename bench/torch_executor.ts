/**
 * Seconds of a training step: the PyTorch executor of plans, one rank, against hand-written PyTorch with autograd;
 * the same network, batch and threads, in one process, taking turns:
 *
 *   UNETC_PYTHON=.venv/bin/python npx tsx bench/torch_executor.ts [ROUNDS] [PART OF A NAME] [THREADS]
 *
 * A ratio above 1: the executor is faster; its median, and the least and the largest of all rounds. Where other
 * programs want the processors too, look at the ratio of processor time. Ends with 1 where one of processor time is
 * below 0.9.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { table } from '../cli/table.ts';
import { at } from '../ir/box.ts';
import { root, succeeding } from '../tests/support/command-line.ts';

const [rounds = '7', wanted = '', threads = '1'] = process.argv.slice(2);
const python = process.env.UNETC_PYTHON ?? 'python3';
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

type Rounds = readonly (readonly [clock: number, processor: number])[];
type Taken = { readonly ours: Rounds; readonly theirs: Rounds; readonly version: string };

const folder = mkdtempSync(join(tmpdir(), 'unetc-bench-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

async function measure({ file, torch }: Case, index: number): Promise<Taken> {
  const bundle = join(folder, `${index}.plan`);
  await succeeding(`compile ${file} --devices 1 --pin micro_batches=1 --threads ${threads} -o ${bundle}`);
  const words = [join(root, 'bench/torch_executor.py'), rounds, bundle, ...torch.split(' '), threads];
  const { status, stdout } = spawnSync(python, words, {
    encoding: 'utf8',
    env: { ...process.env, OMP_NUM_THREADS: threads },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (status !== 0) throw new Error(`${words.join(' ')} ended with ${status}`);
  return JSON.parse(stdout);
}

const median = (values: readonly number[]): number =>
  at(
    [...values].sort((a, b) => a - b),
    Math.floor(values.length / 2),
  );

const ratios = ({ ours, theirs }: Taken, kind: 0 | 1): number[] =>
  ours.map((mine, round) => at(theirs, round)[kind] / mine[kind]);

const range = (all: readonly number[]): string =>
  `${median(all).toFixed(2)}  ${Math.min(...all).toFixed(2)} .. ${Math.max(...all).toFixed(2)}`;

const rows: string[][] = [];
let [slow, version] = [0, ''];
for (const [index, one] of cases.entries()) {
  if (!one.name.includes(wanted)) continue;
  const taken = await measure(one, index);
  const seconds = (all: Rounds) => `${median(all.map(([clock]) => clock)).toFixed(3)} s`;
  const processor = ratios(taken, 1);
  if (median(processor) < LEAST) slow++;
  version = taken.version;
  rows.push([
    one.name,
    seconds(taken.ours),
    seconds(taken.theirs),
    range(ratios(taken, 0)),
    range(processor),
  ]);
}
console.log(
  table(
    [
      { title: `one training step, threads: ${threads}` },
      { title: 'executor', align: 'right' },
      { title: `PyTorch ${version}`, align: 'right' },
      { title: 'ratio, all rounds', align: 'right' },
      { title: 'of processor time', align: 'right' },
    ],
    rows,
  ),
);
process.exitCode = slow === 0 ? 0 : 1;
