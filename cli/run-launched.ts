/** `run --launcher`: trainings that torchrun, Slurm or LSF start, by the PyTorch executor of the bundle. */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { diagnose, failure, fault, type Result, success } from '../ir/diagnostics/diagnostic.ts';
import type { Launcher } from '../ir/machine.ts';
import type { Plan } from '../ir/plan.ts';
import { type Bundle, openBundle } from '../runtime/bundle.ts';
import { checkpointFound } from '../runtime/files/checkpoint.ts';
import { reasonOf } from '../runtime/files/reason.ts';
import { type Job, nodesOf } from '../runtime/launchers/job.ts';
import { lsfScript } from '../runtime/launchers/lsf.ts';
import { slurmScript } from '../runtime/launchers/slurm.ts';
import { torchrunCommandLine, torchrunEverywhere, torchrunHere } from '../runtime/launchers/torchrun.ts';
import { planningOf } from './bundle-planning.ts';
import { complain, type ExitCode, note, print, printJson } from './command.ts';
import { type InitOptions, initFile } from './first-weights.ts';
import { readSource, wholeNumber } from './inputs.ts';
import { mayWrite } from './may-write.ts';
import { checkpointFolder } from './run-inputs.ts';
import { followTorchrun } from './run-torchrun.ts';
import { type Validated, type ValidationOptions, validationAsked } from './run-validation.ts';
import { stagedFolder, trainingData } from './staged-data.ts';
import { stagePredictions } from './staged-predictions.ts';

export type Remote = Exclude<Launcher, 'local'>;

export type LaunchOptions = ValidationOptions &
  InitOptions & {
    readonly data: string;
    readonly split: string;
    readonly steps?: string;
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
    readonly anyOrder?: true;
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

/** A job, and the plan that it carries out. */
type Prepared = { readonly job: Job; readonly plan: Plan };

const launch: {
  readonly [L in Remote]: (prepared: Prepared, options: LaunchOptions) => Promise<ExitCode> | ExitCode;
} = {
  torchrun: runTorchrun,
  slurm: ({ job }, options) => submit(job, slurmScript(job), 'slurm', 'sbatch', options),
  lsf: ({ job }, options) => submit(job, lsfScript(job), 'lsf', 'bsub', options),
};

function runTorchrun(
  { job, plan }: Prepared,
  { dryRun, json, curve }: LaunchOptions,
): Promise<ExitCode> | ExitCode {
  if (nodesOf(job) === 1 && dryRun !== true)
    return followTorchrun(torchrunHere(job), { plan, json: json === true, curve });
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

/** A curve is drawn at the end of what this command follows. */
function curveFault(launcher: Remote, { nodes }: { readonly nodes: number }, options: LaunchOptions) {
  const { curve: value, dryRun } = options;
  if (value === undefined || (launcher === 'torchrun' && nodes === 1 && dryRun !== true)) return undefined;
  const expected =
    'no job that goes on after this command: with `--profile FILE` the run keeps its curves, and `unetc inspect BUNDLE --profile FILE --html PAGE` draws them';
  return fault('wrong-option', { option: '--curve', value, expected });
}

async function prepare(launcher: Remote, folder: string, options: LaunchOptions): Promise<Result<Prepared>> {
  const bundle = await openBundle(folder);
  if (!bundle.ok) return bundle;
  const validated = validationAsked(bundle.value, options);
  if (!validated.ok) return validated;
  const free = mayWrite(options.curve, options.profile);
  if (!free.ok) return free;
  const init = initFile(bundle.value, options);
  if (!init.ok) return init;
  complain(init.warnings);
  const job = jobOf(launcher, bundle.value, options, { init: init.value, validated: validated.value });
  if (!job.ok) return job;
  const undrawn = curveFault(launcher, { nodes: nodesOf(job.value) }, options);
  if (undrawn !== undefined) return failure(diagnose(undrawn));
  const { checkpoints, resume } = job.value;
  // Before anything waits in a queue.
  const found = resume ? undefined : checkpointFound(checkpoints);
  if (found !== undefined)
    return failure(diagnose(fault('checkpoints-exist', { directory: checkpoints, file: found })));
  const prepared = { job: job.value, plan: bundle.value.plan };
  if (options.dryRun) return success(prepared);
  const data = await trainingData(bundle.value, options.data, options.split);
  if (!data.ok) return data;
  const scored =
    validated.value === undefined
      ? success(undefined)
      : stagePredictions(bundle.value, data.value, validated.value.split);
  if (!scored.ok) return scored;
  const staged = await stagedFolder(data.value, options.data, job.value.data);
  return staged.ok ? success({ ...prepared, job: { ...job.value, data: staged.value } }) : staged;
}

/** Options that have been looked into: the file of the first weights, and what is scored. */
type Settled = { readonly init: string | undefined; readonly validated: Validated | undefined };

function jobOf(launcher: Remote, bundle: Bundle, options: LaunchOptions, settled: Settled): Result<Job> {
  const { plan, manifest } = bundle;
  const { machine } = planningOf(bundle);
  const ranks = plan.schedule.devices;
  const far = machine !== undefined && machine.launcher !== 'local';
  const gpus = far && options.cpu !== true;
  const perNode = wholeNumber('--per-node', options.perNode ?? String(far ? machine.devicesPerNode : ranks));
  if (!perNode.ok) return perNode;
  const cores = wholeNumber('--cores', options.cores ?? String(manifest.threads));
  if (!cores.ok) return cores;
  const args = executorArgs(options, gpus ? 1 : cores.value, settled);
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
function executorArgs(
  options: LaunchOptions,
  threads: number,
  { init, validated }: Settled,
): Result<string[]> {
  const { steps, checkpointEvery, keep, timeout = TIMEOUT, split, profile, anyOrder } = options;
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
  if (validated !== undefined)
    args.push('--validation', validated.split, '--validate-every', String(validated.every));
  if (init !== undefined) args.push('--init', init);
  if (profile !== undefined) args.push('--profile', resolve(profile));
  if (anyOrder === true) args.push('--any-order');
  return success(args);
}
