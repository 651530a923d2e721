#!/usr/bin/env node
/** The command line. Exit codes: 0 done, 1 the input is wrong, 2 wrong usage, 3 the run failed, 70 our bug. */
import { diagnose, fault } from '../ir/diagnostics/diagnostic.ts';
import { reasonOf } from '../runtime/files/reason.ts';
import { complain } from './command.ts';
import { optimizeLessOnFewCores } from './optimizing-threads.ts';
import { createProgram } from './program.ts';
import { askToStop } from './stop-signals.ts';

optimizeLessOnFewCores();
const program = await createProgram(process.argv[2]);
/**
 * What is printed can be printed no more: long work ends in order, the rest at once. A reader that goes away
 * (`unetc ... | head`) is no error, a full disk is.
 */
let ending = false;
const onError = (error: NodeJS.ErrnoException): void => {
  if (ending) return;
  ending = true;
  if (error.code !== 'EPIPE') {
    complain([diagnose(fault('write-failed', { file: 'standard output', reason: reasonOf(error) }))]);
    process.on('exit', () => {
      process.exitCode ||= 3;
    });
  }
  if (!askToStop()) process.exit();
};
process.stdout.on('error', onError);
process.stderr.on('error', onError);
await program.parseAsync();
