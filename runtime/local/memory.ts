/** Resident memory of this process, as the operating system counts it. */
import { readFileSync, writeFileSync } from 'node:fs';

/** Forgets the peak so far, so that the next one is of what comes; not every system can. */
export function resetPeak(): void {
  try {
    writeFileSync('/proc/self/clear_refs', '5');
  } catch {
    // Without it the peak covers the whole life of the process: an upper bound.
  }
}

/** Largest resident set since the last reset, in bytes. */
export function peakBytes(): number {
  try {
    const line = /^VmHWM:\s+(\d+) kB/m.exec(readFileSync('/proc/self/status', 'utf8'));
    if (line?.[1] !== undefined) return Number(line[1]) * 1024;
  } catch {
    // No /proc here.
  }
  return process.resourceUsage().maxRSS * 1024;
}

export const residentBytes = (): number => process.memoryUsage.rss();

/** Below this, what has gathered is not worth the milliseconds of a whole collection. */
const worthCollecting = 4 * 2 ** 20;

let gathered = 0;

/**
 * Frees what the last instruction left behind, about `bytes`, where nobody lets go of it (`let-go.ts`): windows are read
 * through buffers of their own, and the collector would let hundreds of megabytes of them gather, since its own heap
 * stays small. A small collection takes well under a millisecond, but large arrays outlive it; a whole one takes some.
 * Device processes run with `--expose-gc`, and free arrays before the collection returns.
 */
export function collectCopies(bytes: number): void {
  gathered += bytes;
  const all = gathered >= worthCollecting;
  if (all) gathered = 0;
  globalThis.gc?.(all ? { type: 'major' } : { type: 'minor' });
}

/** Frees everything that nobody holds any more; takes a few milliseconds. */
export const collectAll = (): void => void globalThis.gc?.();
