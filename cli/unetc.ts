#!/usr/bin/env node
/** The command line. Exit codes: 0 done, 1 the input is wrong, 2 wrong usage, 3 the run failed, 70 our bug. */
import { createProgram } from './program.ts';

const program = createProgram();
/** A reader that goes away (`unetc ... | head`) is no error: long work ends in order, the rest at once. */
let readerIsGone = false;
const onError = (error: NodeJS.ErrnoException): void => {
  if (error.code !== 'EPIPE') throw error;
  if (readerIsGone) return;
  readerIsGone = true;
  if (!process.emit('SIGTERM')) process.exit(0);
};
process.stdout.on('error', onError);
process.stderr.on('error', onError);
await program.parseAsync();
