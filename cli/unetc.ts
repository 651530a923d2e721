#!/usr/bin/env node
/** The command line. Exit codes: 0 done, 1 the input is wrong, 2 wrong usage, 3 the run failed, 70 our bug. */
import { setFlagsFromString } from 'node:v8';
import { diagnose, fault } from '../ir/diagnostics/diagnostic.ts';
import { reasonOf } from '../runtime/files/reason.ts';
import { complain } from './command.ts';
import { createProgram } from './program.ts';
import { askToStop } from './stop-signals.ts';

// V8 compiles a function once more, for speed, after so many bytes of its bytecode. At its own 132 KiB that takes a command
// of a second longer than it saves: a fifth of its time, and two fifths where there is no core to spare.
setFlagsFromString('--interrupt-budget=1000000');

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
