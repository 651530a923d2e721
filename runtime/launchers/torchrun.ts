import { ATTEMPTS, type Job, nodesOf, quoted } from './job.ts';

/** Port of the meeting place of several nodes. */
const PORT = 29400;

/** torchrun would else keep the addresses of ranks that are gone. */
const OWN_STORE = 'TORCH_DISABLE_SHARE_RDZV_TCP_STORE';

/** Words after the Python: torchrun as a module, so that it is that of the same Python. */
function words(job: Job, places: readonly string[]): string[] {
  const { bundle, data, checkpoints, args, resume } = job;
  return [
    ...['-m', 'torch.distributed.run', ...places, `--max-restarts=${ATTEMPTS - 1}`],
    ...[`${bundle}/torch/run.py`, '--data', data, '--checkpoint', checkpoints, ...args],
    ...(resume ? ['--resume'] : []),
  ];
}

export type Command = {
  readonly program: string;
  readonly args: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
};

/** Starts all ranks on this node. */
export const torchrunHere = (job: Job): Command => ({
  program: job.python,
  args: words(job, ['--standalone', `--nproc-per-node=${job.ranks}`]),
  environment: { [OWN_STORE]: '1', OMP_NUM_THREADS: `${job.cores ?? 1}` },
});

/** The same for a shell. */
export const torchrunCommandLine = ({ program, args, environment }: Command): string =>
  [
    ...Object.entries(environment).map(([name, value]) => `${name}=${value}`),
    quoted(program),
    ...args.map(quoted),
  ].join(' ');

/**
 * The command to be given on each of several nodes, with `HEAD` the name of one of them. Where a rank fails all
 * nodes meet again; any of them may then hold rank 0, so each is told to go on from checkpoints.
 */
export function torchrunEverywhere(job: Job): string {
  const meeting = ['--rdzv-backend=c10d', `--rdzv-id=${job.name}`];
  const nodes = [`--nnodes=${nodesOf(job)}`, `--nproc-per-node=${job.perNode}`, ...meeting];
  const all = words({ ...job, resume: true }, nodes).map(quoted);
  const endpoint = `--rdzv-endpoint="$HEAD:${PORT}"`;
  const [first = '', second = '', ...rest] = all;
  const threads = job.gpus ? '' : `OMP_NUM_THREADS=${job.cores ?? 1} `;
  return `${OWN_STORE}=1 ${threads}${quoted(job.python)} ${[first, second, endpoint, ...rest].join(' ')}`;
}
