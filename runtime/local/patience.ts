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

/**
 * Waits for something that `peer` must do. A peer that works is given more time, however long it takes; one
 * that stands still for `seconds` is given up.
 */
export function awaitPeer<T>(
  promise: Promise<T>,
  peer: number,
  what: string,
  patience: Patience,
): Promise<T> {
  return new Promise((resolve, reject) => {
    let seen = patience.progressOf(peer);
    const look = () => {
      const now = patience.progressOf(peer);
      if (now === seen) return giveUp();
      seen = now;
      timer = setTimeout(look, patience.seconds * 1000);
    };
    const giveUp = () => {
      const args = { seconds: patience.seconds, what, peer, instruction: patience.whereIs(peer) };
      reject(new DeviceFault(fault('device-silent', args), peer));
    };
    let timer = setTimeout(look, patience.seconds * 1000);
    promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
