/** What all faults have in common: the networks, undisturbed runs, and what is made of a try. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { table } from '../../cli/table.ts';
import { at } from '../../ir/box.ts';
import { philox } from '../../ir/philox.ts';
import { succeeding } from '../../tests/support/command-line.ts';
import {
  brightData,
  compiled,
  freePort,
  lossesOf,
  runTorch,
  smoothNetwork,
  startRanks,
  type TorchRun,
} from '../../tests/support/torch-runs.ts';

export const [kills = '20', seed = '1', wanted = ''] = process.argv.slice(2);
export const python = process.env.UNETC_PYTHON ?? 'python3';
export const [STEPS, EVERY, TIMEOUT] = [60, 7, 20];
export const folder = mkdtempSync(join(tmpdir(), 'unetc-faults-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
export const inFolder = (name: string): string => join(folder, name);

const words = new Uint32Array(4);
/** From 0 to 1, by (seed, fault, try, which). */
export function draw(fault: number, attempt: number, which: number): number {
  philox(words, fault, attempt, which, 0, Number(seed), 0);
  return at([...words], 0) / 2 ** 32;
}

export const network = smoothNetwork(folder);
writeFileSync(
  inFolder('stages.schedule'),
  'schedule coastline\n  devices 2\n  replicas 1\n  tiles 1 x 1\n  stages 0, 1 from unet.down[0].avg_pool[0]\n  micro_batches 2\n  order 1f1b\n',
);
export const one = await compiled(network, '--devices 1', inFolder('one.plan'));
await succeeding(`stage ${one} --data ${await brightData()} -o ${inFolder('data')}`);

export type Plan = {
  readonly name: string;
  readonly bundle: string;
  readonly ranks: number;
  readonly last: Buffer;
  readonly seconds: number;
};

export const lastOf = (checkpoints: string): Buffer => {
  const file = join(checkpoints, `step-${String(STEPS).padStart(6, '0')}.safetensors`);
  return existsSync(file) ? readFileSync(file) : Buffer.alloc(0);
};

export const withData = (checkpoints: string, ...more: string[]): string[] => [
  ...['--data', inFolder('data'), '--timeout', String(TIMEOUT), '--steps', String(STEPS)],
  ...['--checkpoint', checkpoints, '--checkpoint-every', String(EVERY), ...more],
];

/** Ranks that no launcher starts again. */
export const bare = async ({ bundle, ranks }: Pick<Plan, 'bundle' | 'ranks'>, args: readonly string[]) =>
  startRanks(python, { bundle, ranks, args }, { address: '127.0.0.1', port: await freePort() });

export const allEnded = (ranks: readonly TorchRun[]) => Promise.all(ranks.map(({ ended }) => ended));

/** Trains once without a disturbance. */
async function prepared(name: string, pins: string, ranks: number): Promise<Plan> {
  const bundle = await compiled(network, pins, inFolder(`${name}.plan`));
  const began = performance.now();
  const ended = await allEnded(await bare({ bundle, ranks }, withData(inFolder(`${name}-calm`))));
  for (const one of ended) lossesOf(one);
  return {
    name,
    bundle,
    ranks,
    last: lastOf(inFolder(`${name}-calm`)),
    seconds: (performance.now() - began) / 1000,
  };
}

export const plans = [
  await prepared('tiles', '--devices 2 --pin tiles=1x2', 2),
  await prepared('stages', `--schedule ${inFolder('stages.schedule')}`, 2),
  await prepared('replicas', '--devices 2 --pin replicas=2', 2),
];
export const tiles = at(plans, 0);

export type Try = { readonly says: string; readonly seconds?: number; readonly problems: readonly string[] };
const rows: { fault: string; tries: number; failed: number; longest: number }[] = [];

export async function fault(name: string, tries: readonly (() => Promise<Try>)[]): Promise<void> {
  if (!name.includes(wanted)) return;
  const row = { fault: name, tries: 0, failed: 0, longest: Number.NaN };
  for (const attempt of tries) {
    const { says, seconds, problems } = await attempt();
    console.log(`${problems.length === 0 ? 'well  ' : 'FAILED'} ${name}: ${says}`);
    for (const problem of problems) console.log(`       ${problem}`);
    row.tries++;
    if (problems.length > 0) row.failed++;
    if (seconds !== undefined) row.longest = Math.max(seconds, Number.isNaN(row.longest) ? 0 : row.longest);
  }
  rows.push(row);
}

export const same = (checkpoints: string, { last }: Plan): string[] =>
  lastOf(checkpoints).equals(last) ? [] : ['the last weights differ'];

/** Goes on, and compares. */
export async function resumed(plan: Plan, checkpoints: string, ...more: string[]): Promise<string[]> {
  const ended = await allEnded(await bare(plan, withData(checkpoints, '--resume', ...more)));
  const bad = ended
    .filter(({ status }) => status !== 0)
    .map(({ stderr }) => `--resume: ${stderr.slice(-400)}`);
  return [...bad, ...same(checkpoints, plan)];
}

/** A rank says where it stood. */
export const NAMED = /unetc_torch: rank \d+.*(instruction \d+|between two steps|before the first step)/;

export const times = <T>(count: number, make: (attempt: number) => T): T[] =>
  Array.from({ length: count }, (_, i) => make(i));

export const untiled: Plan = await (async () => {
  // Checkpoints of every fourth step of one process.
  const args = withData(inFolder('source'), '--checkpoint-every', '4', '--keep', '9');
  lossesOf(await runTorch(python, { bundle: one, ranks: 1, args }));
  return { name: 'one', bundle: one, ranks: 1, last: lastOf(inFolder('source')), seconds: 0 };
})();

const bound = (longest: number): string => (Number.isNaN(longest) ? '' : `${longest.toFixed(1)} s`);
/** The table of all faults; true where one failed. */
export function conclude(): boolean {
  console.log(
    table(
      [
        { title: 'fault' },
        { title: 'tries', align: 'right' },
        { title: 'bit-equal in the end', align: 'right' },
        { title: `ended within (timeout ${TIMEOUT} s)`, align: 'right' },
      ],
      rows.map(({ fault: name, tries, failed, longest }) => [
        name,
        String(tries),
        String(tries - failed),
        bound(longest),
      ]),
    ),
  );
  return rows.some(({ failed }) => failed > 0);
}
