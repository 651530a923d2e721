import { readFileSync } from 'node:fs';

/** True for a process that somebody has stopped (`kill -STOP`, a debugger). Only Linux tells; false elsewhere. */
export function isStopped(pid: number): boolean {
  try {
    // The name of the program is in brackets, and may hold anything; the state follows.
    const state = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.[0];
    return state === 'T' || state === 't';
  } catch {
    return false;
  }
}
