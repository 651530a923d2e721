/** Whether a file is still the one that was looked at: what is read of it must belong together. */
import { type BigIntStats, closeSync, fstatSync, openSync, statSync } from 'node:fs';

/** Changes whenever the file is written to. */
const textOf = ({ size, mtimeNs }: BigIntStats): string => `${size} ${mtimeNs}`;

/** The state of a file. Throws what the system says where there is none. */
export const stateOf = (path: string): string => textOf(statSync(path, { bigint: true }));

export type OpenFile = { readonly descriptor: number; readonly size: number };

/**
 * Calls `use` with the open file. Throws an error where the file is not in the given state any more: it was
 * changed, or another one took its name.
 */
export function withFile<T>(path: string, state: string | undefined, use: (file: OpenFile) => T): T {
  const descriptor = openSync(path, 'r');
  try {
    const stats = fstatSync(descriptor, { bigint: true });
    if (!stats.isFile()) throw new Error('it is not a file');
    if (state !== undefined && textOf(stats) !== state) throw new Error(`${path} was changed while in use`);
    return use({ descriptor, size: Number(stats.size) });
  } finally {
    closeSync(descriptor);
  }
}
