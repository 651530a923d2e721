/**
 * Job scripts and commands: golden files, the words that the launchers document, and what the scripts do when
 * ranks fail, with launchers of our own in their place. `BLESS=1` writes the golden files anew.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ATTEMPTS, type Job } from './job.ts';
import { lsfScript } from './lsf.ts';
import { slurmScript } from './slurm.ts';
import { torchrunCommandLine, torchrunEverywhere, torchrunHere } from './torchrun.ts';

const far: Job = {
  name: 'summit10k',
  ranks: 95,
  perNode: 6,
  gpus: true,
  python: 'python3',
  bundle: '/gpfs/me/summit10k.plan',
  data: '/gpfs/me/scenes',
  checkpoints: "/gpfs/me/it's mine",
  args: ['--split', 'train', '--steps', '100'],
  resume: false,
  preamble:
    '#!/bin/bash\nmodule load open-ce\n#BSUB -P ABC123\n#SBATCH --account=abc123\nexport NCCL_DEBUG=WARN\n',
};
const near: Job = {
  ...far,
  name: 'near',
  ranks: 4,
  perNode: 4,
  cores: 2,
  gpus: false,
  checkpoints: '/runs/1',
};

const scored = [
  ...far.args,
  ...['--validation', 'val', '--validate-every', '25'],
  ...['--init', '/gpfs/me/summit10k.plan/init-0123456789abcdef.safetensors', '--profile', '/gpfs/me/p.jsonl'],
];

const texts: Readonly<Record<string, string>> = {
  'summit10k.lsf': lsfScript(far),
  'summit10k.slurm': slurmScript(far),
  'near.slurm': slurmScript({ ...near, resume: true }),
  'scored.slurm': slurmScript({ ...far, args: scored }),
  'scored.torchrun': `${torchrunCommandLine(torchrunHere({ ...near, args: scored }))}\n`,
  'nodes.torchrun': `${torchrunEverywhere(far)}\n`,
  'near.torchrun': `${torchrunCommandLine(torchrunHere(near))}\n`,
};

for (const [name, text] of Object.entries(texts))
  test(`${name} is as it was`, () => {
    const file = join(import.meta.dirname, 'cases', name);
    if (process.env.BLESS) writeFileSync(file, text);
    assert.ok(existsSync(file), 'BLESS=1 writes it');
    assert.is(text, readFileSync(file, 'utf8'));
  });

/** Options with a value, as the launchers document them. */
const documented: Readonly<Record<string, readonly string[]>> = {
  // IBM, Job Step Manager 10.1: --nrs, --rs_per_host, --tasks_per_rs, --cpu_per_rs, --gpu_per_rs, --bind, --launch_distribution.
  jsrun: ['-n', '-r', '-a', '-c', '-g', '-b', '-d'],
  // IBM, Spectrum LSF 10.1, bsub; -nnodes with the CSM integration.
  '#BSUB': ['-J', '-nnodes', '-o', '-wa', '-wt', '-P'],
};

test("the script for LSF uses documented options only, and Summit's resource sets", () => {
  const lines = lsfScript(far).split('\n');
  const launch = lines.find((line) => line.includes('jsrun -n 95'))?.trim() ?? '';
  const [before = ''] = launch.split(' python3 ');
  assert.is(before, 'jsrun -n 95 -r 6 -a 1 -c 7 -g 1 -b rs -d packed');
  for (const [program, options] of Object.entries(documented))
    for (const line of lines.filter((one) => one.trim().startsWith(program)))
      for (const [, option = ''] of (line.split(' python3 ')[0] ?? '').matchAll(/ (-\w+)/g))
        assert.ok(options.includes(option), `${program} ${option}`);
});

test('directives of a preamble come before its commands', () => {
  for (const script of [lsfScript(far), slurmScript(far)]) {
    const lines = script.split('\n');
    const last = lines.findLastIndex((line) => /^#(SBATCH|BSUB)/.test(line));
    const first = lines.findIndex((line, i) => i > 0 && line !== '' && !line.startsWith('#'));
    assert.ok(last < first && lines.includes('module load open-ce'));
  }
});

const folder = mkdtempSync(join(tmpdir(), 'unetc-test-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

/** Runs a script with a launcher that ends as told, one code an attempt; gives what it was started with. */
function attempts(script: string, codes: readonly number[]): { status: number | null; starts: string[] } {
  const log = join(folder, 'log');
  writeFileSync(log, '');
  // It records its words and where rank 0 is, and ends with the next of the codes.
  const launcher = `#!/bin/bash
case "$*" in *hostname) echo n1; exit;; esac
codes=(${codes.join(' ')})
echo "$MASTER_ADDR $MASTER_PORT $*" >> ${log}
exit "\${codes[$(($(wc -l < ${log}) - 1))]}"`;
  for (const name of ['srun', 'jsrun']) writeFileSync(join(folder, name), launcher, { mode: 0o755 });
  writeFileSync(join(folder, 'scontrol'), '#!/bin/bash\necho n1; echo n2', { mode: 0o755 });
  writeFileSync(join(folder, 'module'), '#!/bin/bash', { mode: 0o755 });
  const jobs = { SLURM_JOB_ID: '7', SLURM_JOB_NODELIST: 'n[1-2]', LSB_JOBID: '7' };
  const { status } = spawnSync('bash', ['-s'], {
    input: script,
    encoding: 'utf8',
    env: { PATH: `${folder}:${process.env.PATH}`, ...jobs },
  });
  return { status, starts: readFileSync(log, 'utf8').trim().split('\n') };
}

for (const [name, script] of [
  ['Slurm', slurmScript(far)],
  ['LSF', lsfScript(far)],
] as const)
  test(`${name}: ranks that fail are started again, with --resume and another port`, () => {
    const { status, starts } = attempts(script, [137, 3, 0]);
    assert.is(status, 0);
    assert.equal(
      starts.map((one) => one.includes(' --resume')),
      [false, true, true],
    );
    assert.equal(
      starts.map((one) => one.split(' ').slice(0, 2).join(' ')),
      ['n1 20008', 'n1 20009', 'n1 20010'],
    );
    assert.match(
      starts[0] ?? '',
      /run\.py --data \/gpfs\/me\/scenes --checkpoint \/gpfs\/me\/it's mine --split/,
    );
    const hopeless = attempts(
      script,
      Array.from({ length: ATTEMPTS + 1 }, () => 3),
    );
    assert.is(hopeless.status, 3);
    assert.is(hopeless.starts.length, ATTEMPTS);
    const wrong = attempts(script, [1, 0]);
    assert.is(wrong.status, 1);
    assert.is(wrong.starts.length, 1);
  });

test.run();
