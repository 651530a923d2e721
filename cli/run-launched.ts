/** `run --launcher`: trainings that torchrun, Slurm or LSF start, by the PyTorch executor of the bundle. */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { bundlePaths } from '../ir/bundle.ts';
import { diagnose, failure, fault, type Result, success } from '../ir/diagnostics/diagnostic.ts';
import type { Launcher, Machine } from '../ir/machine.ts';
import { readMachine } from '../ir/text/machine.ts';
import { type Bundle, openBundle } from '../runtime/bundle.ts';
import { checkpointFound } from '../runtime/files/checkpoint.ts';
import { reasonOf } from '../runtime/files/reason.ts';
import { type Job, nodesOf } from '../runtime/launchers/job.ts';
import { lsfScript } from '../runtime/launchers/lsf.ts';
import { slurmScript } from '../runtime/launchers/slurm.ts';
import { torchrunCommandLine, torchrunEverywhere, torchrunHere } from '../runtime/launchers/torchrun.ts';
import { complain, type ExitCode, note, print, printJson } from './command.ts';
import { readSource, wholeNumber } from './inputs.ts';
import { checkpointFolder } from './run-inputs.ts';
import { followTorchrun } from './run-torchrun.ts';
import { stagedFolder, trainingData } from './staged-data.ts';

export type Remote = Exclude<Launcher, 'local'>;

export type LaunchOptions = {
  readonly data: string;
  readonly split: string;
  readonly steps?: string;
  readonly init?: string;
  readonly initNames?: string;
  readonly validation?: string;
  readonly curve?: string;
  readonly profile?: string;
  readonly checkpoint?: string;
  readonly checkpointEvery: string;
  readonly keep: string;
  readonly resume?: true;
  readonly timeout?: string;
  readonly dryRun?: true;
  readonly preamble?: string;
  readonly stage?: string;
  readonly job?: string;
  readonly python?: string;
  readonly perNode?: string;
  readonly cores?: string;
  readonly cpu?: true;
  readonly json?: true;
};

/** Seconds that a rank may wait for another where nobody says. */
const TIMEOUT = '60';

export async function runLaunched(
  launcher: Remote,
  folder: string,
  options: LaunchOptions,
): Promise<ExitCode> {
  const prepared = await prepare(launcher, folder, options);
  if (!prepared.ok) return complain(prepared.diagnostics);
  return launch[launcher](prepared.value, options);
}

const launch: { readonly [L in Remote]: (job: Job, options: LaunchOptions) => Promise<ExitCode> | ExitCode } =
  {
    torchrun: runTorchrun,
    slurm: (job, options) => submit(job, slurmScript(job), 'slurm', 'sbatch', options),
    lsf: (job, options) => submit(job, lsfScript(job), 'lsf', 'bsub', options),
  };

function runTorchrun(job: Job, { dryRun, json }: LaunchOptions): Promise<ExitCode> | ExitCode {
  if (nodesOf(job) === 1 && dryRun !== true) return followTorchrun(torchrunHere(job), json === true);
  if (nodesOf(job) > 1) note(`On each of ${nodesOf(job)} nodes, with HEAD the name of one of them:`);
  print(nodesOf(job) === 1 ? torchrunCommandLine(torchrunHere(job)) : torchrunEverywhere(job));
  return 0;
}

/** Writes the job script, and gives it to the batch system, which reads it from its input. */
function submit(
  { bundle, name }: Job,
  script: string,
  ending: string,
  program: string,
  { job = join(bundle, `job.${ending}`), dryRun, json }: LaunchOptions,
): ExitCode {
  try {
    writeFileSync(job, script, { mode: 0o755 });
  } catch (error) {
    return complain([diagnose(fault('write-failed', { file: job, reason: reasonOf(error) }))], new Map(), 3);
  }
  if (dryRun === true) {
    if (json) printJson({ script: job });
    else print(job);
    return 0;
  }
  const { status, stdout, stderr, error } = spawnSync(program, { input: script, encoding: 'utf8' });
  const reason = error === undefined ? stderr.trim() : reasonOf(error);
  if (status !== 0) return complain([diagnose(fault('submission-failed', { program, script: job, reason }))]);
  if (json) printJson({ script: job, submitted: stdout.trim() });
  else print(`${name}: ${stdout.trim()} (${job})`);
  return 0;
}

/** What the executor cannot do yet; undefined where nothing of it is asked for. */
function unknownOption({ validation, initNames, curve, profile }: LaunchOptions) {
  const asked = {
    '--validation': validation,
    '--init-names': initNames,
    '--curve': curve,
    '--profile': profile,
  };
  const found = Object.entries(asked).find(([, value]) => value !== undefined);
  return found === undefined
    ? undefined
    : fault('wrong-option', { option: found[0], value: found[1] ?? '', expected: 'no --launcher beside it' });
}

async function prepare(launcher: Remote, folder: string, options: LaunchOptions): Promise<Result<Job>> {
  const bundle = await openBundle(folder);
  if (!bundle.ok) return bundle;
  const unknown = unknownOption(options);
  if (unknown !== undefined) return failure(diagnose(unknown));
  const machine = machineOf(bundle.value);
  if (!machine.ok) return machine;
  const job = jobOf(launcher, bundle.value, machine.value, options);
  if (!job.ok) return job;
  const { checkpoints, resume } = job.value;
  // Before anything waits in a queue.
  const found = resume ? undefined : checkpointFound(checkpoints);
  if (found !== undefined)
    return failure(diagnose(fault('checkpoints-exist', { directory: checkpoints, file: found })));
  if (options.dryRun) return job;
  const data = await trainingData(bundle.value, options.data, options.split);
  if (!data.ok) return data;
  const staged = await stagedFolder(data.value, options.data, job.value.data);
  return staged.ok ? success({ ...job.value, data: staged.value }) : staged;
}

/** The machine that the bundle was compiled for, if there was one. */
function machineOf({ directory }: Bundle): Result<Machine | undefined> {
  const file = join(directory, bundlePaths.machine);
  return existsSync(file) ? readMachine(readFileSync(file, 'utf8'), file) : success(undefined);
}

function jobOf(
  launcher: Remote,
  bundle: Bundle,
  machine: Machine | undefined,
  options: LaunchOptions,
): Result<Job> {
  const { plan, manifest } = bundle;
  const ranks = plan.schedule.devices;
  const far = machine !== undefined && machine.launcher !== 'local';
  const gpus = far && options.cpu !== true;
  const perNode = wholeNumber('--per-node', options.perNode ?? String(far ? machine.devicesPerNode : ranks));
  if (!perNode.ok) return perNode;
  const cores = wholeNumber('--cores', options.cores ?? String(manifest.threads));
  if (!cores.ok) return cores;
  const args = executorArgs(options, gpus ? 1 : cores.value);
  if (!args.ok) return args;
  const preamble = options.preamble === undefined ? undefined : readSource(options.preamble);
  if (preamble?.ok === false) return preamble;
  const directory = resolve(bundle.directory);
  return success({
    name: plan.name,
    ranks,
    perNode: Math.min(ranks, perNode.value),
    // A site knows better how many cores go with a GPU; for LSF it has to be said.
    ...(gpus && options.cores === undefined ? {} : { cores: cores.value }),
    gpus,
    python: options.python ?? (launcher === 'torchrun' ? (process.env.UNETC_PYTHON ?? 'python3') : 'python3'),
    bundle: directory,
    data: resolve(options.stage ?? join(directory, 'data')),
    checkpoints: resolve(options.checkpoint ?? checkpointFolder(bundle)),
    args: args.value,
    resume: options.resume === true,
    ...(preamble === undefined ? {} : { preamble: preamble.value }),
  });
}

/** Options of `run` as the executor takes them. */
function executorArgs(options: LaunchOptions, threads: number): Result<string[]> {
  const { steps, checkpointEvery, keep, timeout = TIMEOUT, split, init } = options;
  const counts = {
    '--steps': steps,
    '--checkpoint-every': checkpointEvery,
    '--keep': keep,
    '--timeout': timeout,
  };
  const args = ['--split', split, '--threads', String(threads)];
  for (const [option, given] of Object.entries(counts)) {
    if (given === undefined) continue;
    const count = wholeNumber(option, given);
    if (!count.ok) return count;
    args.push(option, String(count.value));
  }
  return success(init === undefined ? args : [...args, '--init', resolve(init)]);
}
