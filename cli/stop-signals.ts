import { note } from './command.ts';

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
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGUSR1'] as const) process.on(signal, stop);
  return controller.signal;
}
