import { availableParallelism } from 'node:os';
import { setFlagsFromString } from 'node:v8';

/** The V8 whose budget was measured; another may not know the flag, and would say so. */
const measured = process.versions.v8.startsWith('11.');

/**
 * V8 optimises hot functions in up to four threads. Where there are hardly more cores than the one that this process works
 * on, they take it away from that for a fifth of the time that a large plan takes; so a function has to be hotter there:
 * 300 kB of bytecode in place of 66.
 */
export function optimizeLessOnFewCores(): void {
  if (measured && availableParallelism() < 4) setFlagsFromString('--interrupt-budget=300000');
}
