/**
 * Jobs for the Slurm that `slurm-check.sh` starts: `unetc run --launcher slurm` writes the script and gives it to
 * `sbatch`. One job nobody disturbs; of one a rank is killed with SIGKILL, so that the script starts all of them
 * again; one gets USR1, as before its time limit, and is submitted again with `--resume`. All three score while they train,
 * and must end with the same weights and the same best weights, bit for bit.
 *
 *   node --import tsx scripts/slurm-jobs.ts FOLDER
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { succeeding } from '../tests/support/command-line.ts';
import { brightData, compiled, smoothNetwork } from '../tests/support/torch-runs.ts';

const [folder = ''] = process.argv.slice(2);
const inFolder = (name: string): string => join(folder, name);
const python = process.env.UNETC_PYTHON ?? 'python3';
const STEPS = 300;

const bundle = await compiled(
  smoothNetwork(folder),
  '--devices 2 --pin tiles=1x2',
  inFolder('coastline.plan'),
);
const data = await brightData();
writeFileSync(inFolder('site.sh'), `#SBATCH --time=10\n#SBATCH --chdir=${folder}\n`);

const call = (program: string, ...words: string[]): string =>
  execFileSync(program, words, { encoding: 'utf8' });

/** Submits a run and gives the job's number. */
async function submitted(checkpoints: string, more = ''): Promise<string> {
  const cores = `--cpu --cores 1 --python ${python} --preamble ${inFolder('site.sh')}`;
  const run = `run ${bundle} --data ${data} --steps ${STEPS} --checkpoint-every 20 --timeout 30 --validation train --validate-every ${STEPS / 3}`;
  const said = await succeeding(
    `${run} --launcher slurm ${cores} --stage ${inFolder('data')} --checkpoint ${inFolder(checkpoints)}${more}`,
  );
  const id = /Submitted batch job (\d+)/.exec(said)?.[1];
  if (id === undefined) throw new Error(said);
  return id;
}

const state = (id: string): string => /JobState=(\w+)/.exec(call('scontrol', 'show', 'job', id))?.[1] ?? '';

const logOf = (id: string): string => {
  const name = readdirSync(folder).find((one) => one.endsWith(`-${id}.log`));
  return name === undefined ? '' : readFileSync(inFolder(name), 'utf8');
};

/** Waits until something holds, five minutes at most. */
async function until(what: string, id: string, holds: () => boolean): Promise<void> {
  for (let i = 0; i < 1500; i++) {
    if (holds()) return;
    await sleep(200);
  }
  throw new Error(`job ${id}, ${what}: in vain\n${logOf(id)}`);
}

const ended = (id: string): Promise<void> =>
  until('its end', id, () => !['PENDING', 'RUNNING', 'COMPLETING', 'CONFIGURING'].includes(state(id)));
const atStep = (id: string, step: number): Promise<void> =>
  until(`step ${step}`, id, () => logOf(id).includes(`{"step": ${step},`));

/** Processes of the ranks that write to these checkpoints. */
const ranksOf = (checkpoints: string): number[] =>
  call('ps', '-A', '-o', 'pid=,comm=,args=')
    .split('\n')
    .filter((line) => line.includes(inFolder(checkpoints)) && /^\s*\d+ python/.test(line))
    .map((line) => Number.parseInt(line, 10));

const problems: string[] = [];
const expect = (right: boolean, words: string): void => {
  console.log(`${right ? 'ok    ' : 'FAILED'} ${words}`);
  if (!right) problems.push(words);
};

const fileOf = (checkpoints: string, name: string): Buffer | undefined => {
  const file = join(inFolder(checkpoints), `${name}.safetensors`);
  return existsSync(file) ? readFileSync(file) : undefined;
};
const expectSame = (checkpoints: string): void => {
  for (const [name, words] of [
    [`step-${String(STEPS).padStart(6, '0')}`, 'weights'],
    ['best', 'best weights by validation'],
  ] as const) {
    const [found, right] = [fileOf(checkpoints, name), fileOf('calm', name)];
    const same = found !== undefined && right !== undefined && found.equals(right);
    expect(same, `  the same ${words}, bit for bit`);
  }
};

const calm = await submitted('calm');
await ended(calm);
const losses = [...logOf(calm).matchAll(/"loss": ([\d.e-]+)/g)].map(([, loss]) => Number(loss));
expect(
  state(calm) === 'COMPLETED' && losses.length === STEPS && (losses.at(-1) ?? 1) < (losses[0] ?? 0),
  `job ${calm}: ${state(calm)}, ${losses.length} steps, loss ${losses[0]?.toFixed(4)} to ${losses.at(-1)?.toFixed(4)}`,
);

const scores = [...logOf(calm).matchAll(/"validation": "train", "step": (\d+), "accuracy": ([\d.]+)/g)];
expect(
  scores.map(([, step]) => step).join() === [STEPS / 3, (2 * STEPS) / 3, STEPS].join(),
  `  scored after ${scores.map(([, step, accuracy]) => `${step} steps (accuracy ${accuracy})`).join(', ')}`,
);

const killed = await submitted('killed');
await atStep(killed, 50);
process.kill(ranksOf('killed')[1] ?? 0, 'SIGKILL');
await ended(killed);
const [attempt = 'no second attempt'] = /attempt 1 ended with \d+/.exec(logOf(killed)) ?? [];
const [from = 'from the beginning'] = /going on from step \d+/.exec(logOf(killed)) ?? [];
expect(
  state(killed) === 'COMPLETED' && attempt.startsWith('attempt') && from.startsWith('going'),
  `job ${killed}, a rank killed: ${state(killed)}, ${attempt}, ${from}`,
);
expectSame('killed');

const warned = await submitted('warned');
await atStep(warned, 50);
call('scancel', '--signal=USR1', warned);
await ended(warned);
const [done = ''] = /"done": false, "checkpoint": "[^"]*step-\d+/.exec(logOf(warned)) ?? [];
const again = await submitted('warned', ' --resume');
await ended(again);
expect(
  state(warned) === 'COMPLETED' && done !== '' && state(again) === 'COMPLETED',
  `job ${warned}, warned by USR1: ${state(warned)}, ${/step-\d+/.exec(done)?.[0]}; job ${again}, --resume: ${state(again)}`,
);
expectSame('warned');

if (problems.length > 0) for (const id of [calm, killed, warned, again]) console.log(`${id}:\n${logOf(id)}`);
process.exitCode = problems.length === 0 ? 0 : 1;
