import { note } from './command.ts';

/**
 * Ctrl-C, and the warnings of batch systems before a time limit: Slurm sends what `--signal` says, mostly USR1,
 * LSF USR2, others TERM; USR1 would else open Node's debugger. A hang-up is left alone, or `nohup` were in vain.
 */
const signals = ['SIGINT', 'SIGTERM', 'SIGUSR1', 'SIGUSR2', 'SIGXCPU'] as const;

/**
 * The first signal (Ctrl-C, a batch system's warning) asks for an orderly end; a second one ends at once.
 * Either way the process leaves through `exit`, so that what is to be cleaned up is.
 */
export function stopOnSignals(words: string): AbortSignal {
  const controller = new AbortController();
  const stop = () => {
    if (controller.signal.aborted) process.exit(3);
    note(`\n${words}`);
    controller.abort();
  };
  for (const signal of signals) process.on(signal, stop);
  running = stop;
  return controller.signal;
}

let running: (() => void) | undefined;

/** Asks long work for its orderly end, as a signal does; false where there is none. */
export function askToStop(): boolean {
  running?.();
  return running !== undefined;
}
