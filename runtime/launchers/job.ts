/** A training that a launcher starts: what job scripts and commands are made of. */

export type Job = {
  readonly name: string;
  readonly ranks: number;
  /** Ranks of a node; the last node may have fewer. */
  readonly perNode: number;
  /** Cores of a rank; absent: what the site gives. */
  readonly cores?: number;
  /** One GPU a rank; else cores only. */
  readonly gpus: boolean;
  /** The Python that has torch and numpy, as the nodes call it. */
  readonly python: string;
  /** Paths as the nodes see them. */
  readonly bundle: string;
  readonly data: string;
  readonly checkpoints: string;
  /** What else the executor is told; not `--resume`. */
  readonly args: readonly string[];
  readonly resume: boolean;
  /** Shell lines of the user: modules, accounts, further directives. */
  readonly preamble?: string;
};

/** How often a run is started in all, if ranks fail. */
export const ATTEMPTS = 4;

/** Seconds before the time limit at which a run is told to end, with a checkpoint. */
export const WARNING = 120;

export const nodesOf = ({ ranks, perNode }: Job): number => Math.ceil(ranks / perNode);

/** A word as the shell takes it. */
export const quoted = (word: string): string =>
  /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;

/** The executor's file and what it is told, with the paths as variables of the script. */
export const executorWords = ({ args }: Job): string =>
  ['"$BUNDLE/torch/run.py" --data "$DATA" --checkpoint "$CHECKPOINTS"', ...args.map(quoted)].join(' ');

/** Batch systems read their lines only before the first command, so those of a preamble come first. */
function preambleOf({ preamble }: Job): { readonly directives: string[]; readonly commands: string[] } {
  const lines = (preamble ?? '').trimEnd().split('\n');
  const isDirective = (line: string) => /^#(SBATCH|BSUB) /.test(line);
  const commands = lines.filter((line) => !isDirective(line) && !line.startsWith('#!'));
  return { directives: lines.filter(isDirective), commands };
}

export type Script = {
  readonly job: Job;
  /** Lines for the batch system. */
  readonly directives: readonly string[];
  /** Lines that find the node of rank 0. */
  readonly head: readonly string[];
  /** Variable of the job's number. */
  readonly jobNumber: string;
  /** Starts all ranks. */
  readonly launch: string;
};

/**
 * A job script. Where a rank fails the others end by themselves, and all are started again, from the last
 * checkpoint; what is wrong in itself (exit 1) is not tried again.
 */
export function scriptOf({ job, directives, head, jobNumber, launch }: Script): string {
  const resume = job.resume ? '--resume' : '';
  const own = preambleOf(job);
  const lines = [
    '#!/bin/bash',
    ...directives,
    ...own.directives,
    '',
    ...(own.commands.join('').trim() === '' ? [] : [own.commands.join('\n').trim(), '']),
    `BUNDLE=${quoted(job.bundle)}`,
    `DATA=${quoted(job.data)}`,
    `CHECKPOINTS=${quoted(job.checkpoints)}`,
    `resume=${resume}`,
    '',
    ...(job.gpus ? [] : [`export OMP_NUM_THREADS=${job.cores ?? 1}`]),
    ...head,
    `for attempt in $(seq ${ATTEMPTS}); do`,
    `  export MASTER_PORT=$((20000 + (${jobNumber} + attempt) % 20000))`,
    `  ${launch} ${quoted(job.python)} ${executorWords(job)} $resume`,
    '  status=$?',
    '  [ "$status" -le 1 ] && exit "$status"',
    '  echo "attempt $attempt ended with $status" >&2',
    '  resume=--resume',
    'done',
    'exit "$status"',
  ];
  return `${lines.join('\n')}\n`;
}
