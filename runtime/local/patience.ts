import { fault } from '../../ir/diagnostics/diagnostic.ts';
import { DeviceFault } from './fault.ts';

/** How a wait ends when nothing comes. */
export type Patience = {
  /** Seconds without any sign of life before a wait is given up. */
  readonly seconds: number;
  /** A number that changes while device `rank` makes progress. */
  progressOf(rank: number): number;
  /** What device `rank` is at, for people. */
  whereIs(rank: number): string;
};

/** Seconds allowed at least until a process runs, its libraries are loaded and its door is open. */
export const startSeconds = 60;

/** A wait is counted in so many looks, so that only time counts in which the one who waits was running. */
const looks = 8;

/**
 * Waits for something that `peer` must do. A peer that works is given more time, however long it takes; one
 * that stands still for `seconds` is given up. Where the whole run was stopped for a while (a batch system
 * suspends jobs), nobody is to blame: each goes on, and has waited for one look only.
 */
export function awaitPeer<T>(
  promise: Promise<T>,
  peer: number,
  what: string,
  patience: Patience,
): Promise<T> {
  return new Promise((resolve, reject) => {
    let seen = patience.progressOf(peer);
    let still = 0;
    const look = () => {
      const now = patience.progressOf(peer);
      still = now === seen ? still + 1 : 0;
      seen = now;
      if (still < looks) return;
      clearInterval(timer);
      const args = { seconds: patience.seconds, what, peer, instruction: patience.whereIs(peer) };
      reject(new DeviceFault(fault('device-silent', args), peer));
    };
    const timer = setInterval(look, (patience.seconds * 1000) / looks);
    promise.then(resolve, reject).finally(() => clearInterval(timer));
  });
}
