/**
 * Faults of a training by the PyTorch executor. What is disturbed must end in bounded time, every rank within twice
 * the timeout and with the instruction named at which it stood; what goes on from the last checkpoint must end with
 * the weights of an undisturbed run, bit for bit:
 *
 *   UNETC_PYTHON=.venv/bin/python npx tsx scripts/faults-check.ts [KILLS] [SEED] [NAME OF A FAULT]
 *
 * As root on Linux, because of disks that fill up and of hosts (`hosts.sh`). Prints a line for each try, then a table;
 * ends with 1 if anything failed. Not part of `npm test`.
 */
import { fileFaults } from './faults/files.ts';
import { hostFaults } from './faults/hosts.ts';
import { processFaults } from './faults/processes.ts';
import { conclude } from './faults/setup.ts';

await processFaults();
await fileFaults();
await hostFaults();
process.exitCode = conclude() ? 1 : 0;
