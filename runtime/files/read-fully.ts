import { readSync } from 'node:fs';

/** Fills `into` from a position of an open file; one call of the system may read less, above 2 GiB always. */
export function readFully(descriptor: number, into: Uint8Array, position: number, path: string): void {
  const most = 2 ** 30;
  for (let done = 0; done < into.length; ) {
    const count = readSync(descriptor, into, done, Math.min(most, into.length - done), position + done);
    if (count === 0) throw new Error(`${path} ends at byte ${position + done}: it was changed while in use`);
    done += count;
  }
}
