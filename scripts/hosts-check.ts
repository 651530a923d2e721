/**
 * Plans across hosts: namespaces with addresses of their own (`hosts.sh`), joined by `torchrun --nnodes`. As root:
 *
 *   UNETC_PYTHON=.venv/bin/python npx tsx scripts/hosts-check.ts [STEPS]
 *
 * Two and three hosts train coastline in tiles, in stages and in replicas for STEPS (100) steps; each loss curve must
 * be that of one process within 1e-4, and no rank may listen at another address than its host's. Not part of
 * `npm test`.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { succeeding } from '../tests/support/command-line.ts';
import { listeningAddresses } from '../tests/support/listening.ts';
import { addressOf, type Host, hosts, ranksOnHost, startOnHosts } from '../tests/support/torch-hosts.ts';
import { brightData, compiled, lossesOf, runTorch, smoothNetwork } from '../tests/support/torch-runs.ts';

const python = process.env.UNETC_PYTHON ?? 'python3';
const [steps = '100'] = process.argv.slice(2);
const folder = mkdtempSync(join(tmpdir(), 'unetc-hosts-'));
const inFolder = (name: string): string => join(folder, name);

const network = smoothNetwork(folder);

/** A schedule as a file, for decisions of several words. */
async function scheduled(name: string, lines: string): Promise<string> {
  const file = inFolder(`${name}.schedule`);
  writeFileSync(file, `schedule coastline\n${lines}\n`);
  return compiled(network, `--schedule ${file}`, inFolder(`${name}.plan`));
}

const [first, last] = ['unet.down[0].avg_pool[0]', 'unet.decode[0].up_conv[0]'];
const pipeline = 'micro_batches 2\n  order 1f1b';
const grid = (devices: number, replicas: number, tiles: string) =>
  `  devices ${devices}\n  replicas ${replicas}\n  tiles ${tiles}\n`;
const cut = `  stages 0, 1 from ${first}\n  ${pipeline}`;

type Case = {
  readonly name: string;
  readonly hosts: number;
  readonly perNode: number;
  readonly lines: string;
};

const cases: readonly Case[] = [
  { name: '1 x 2 tiles', hosts: 2, perNode: 1, lines: grid(2, 1, '1 x 2') },
  { name: '2 stages', hosts: 2, perNode: 1, lines: grid(2, 1, '1 x 1') + cut },
  {
    name: '2 stages, folded',
    hosts: 2,
    perNode: 1,
    lines: `${grid(2, 1, '1 x 1')}  stages 0, 1 from ${first}, 0 from ${last}\n  ${pipeline}`,
  },
  { name: '2 replicas', hosts: 2, perNode: 1, lines: grid(2, 2, '1 x 1') },
  { name: '2 replicas of 2 x 1 tiles', hosts: 2, perNode: 2, lines: grid(4, 2, '2 x 1') },
  { name: '2 replicas of 2 stages', hosts: 2, perNode: 2, lines: grid(4, 2, '1 x 1') + cut },
  { name: '3 x 1 tiles', hosts: 3, perNode: 1, lines: grid(3, 1, '3 x 1') },
  {
    name: '3 stages',
    hosts: 3,
    perNode: 1,
    lines: `${grid(3, 1, '1 x 1')}  stages 0, 1 from ${first}, 2 from ${last}\n  ${pipeline}`,
  },
  { name: '2 stages of 3 x 1 tiles', hosts: 3, perNode: 2, lines: grid(6, 1, '3 x 1') + cut },
];

const one = await compiled(network, '--devices 1', inFolder('one.plan'));
await succeeding(`stage ${one} --data ${await brightData()} -o ${inFolder('data')}`);
const args = ['--data', inFolder('data'), '--steps', steps];
const right = lossesOf(await runTorch(python, { bundle: one, ranks: 1, args }));

/** Where ranks listen though they should not; looked at after a step. */
const strayed = (running: readonly Host[]): Promise<string[]> =>
  new Promise((found) => {
    let looked = false;
    const look = () => {
      if (looked) return;
      looked = true;
      found(
        running.flatMap((_, i) =>
          ranksOnHost(i + 1).flatMap((pid) =>
            listeningAddresses(pid).filter((address) => address !== addressOf(i + 1)),
          ),
        ),
      );
    };
    for (const host of running) {
      host.onStep(look);
      // Where no step is done there is nothing to look at.
      host.ended.then(look, look);
    }
  });

async function problemsOf(one: Case, bundle: string, id: string): Promise<string> {
  const words = [join(bundle, 'torch/run.py'), ...args];
  const running = startOnHosts({ ...one, id, python, words });
  const stray = await strayed(running);
  const ended = await Promise.all(running.map((host) => host.ended));
  const found = ended.flatMap(({ records }) => records.flatMap(({ loss }) => loss ?? []));
  const off = Math.max(...right.map((loss, step) => Math.abs((found[step] ?? Number.NaN) - loss)));
  console.log(`${one.hosts} hosts, ${one.name}: ${found.length} losses, at most ${off.toExponential(1)} off`);
  const lines = running.flatMap(({ said }) => said.map(({ line }) => line));
  return [
    ...ended.flatMap(({ status }) => (status === 0 ? [] : [`torchrun ended with ${status}`, ...lines])),
    ...(found.length === right.length && off < 1e-4 ? [] : ['another curve']),
    ...stray.map((address) => `a rank listens at ${address}`),
  ].join('\n  ');
}

let failed = 0;
hosts('up', 3);
try {
  for (const [index, one] of cases.entries()) {
    const problems = await problemsOf(one, await scheduled(`plan${index}`, one.lines), `case${index}`);
    if (problems === '') continue;
    failed++;
    console.log(`FAILED\n  ${problems}`);
  }
} finally {
  hosts('down');
  rmSync(folder, { recursive: true, force: true });
}
console.log(`${cases.length - failed} of ${cases.length} plans train as one process does, ${steps} steps`);
process.exitCode = failed === 0 ? 0 : 1;
