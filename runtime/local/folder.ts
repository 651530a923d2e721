/** The private folder of a run. Paths of sockets may not be longer than about 100 bytes. */
import { rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const longestSocketPath = 100;

export const boardPath = (folder: string): string => join(folder, 'board');

export const socketPath = (folder: string, rank: number): string => join(folder, `${rank}`);

/** Makes it, for this user only; gone when the process is. Falls back to `/tmp` where the temporary folder has too long a name. */
export async function makeRunFolder(): Promise<string> {
  const base = tmpdir().length > longestSocketPath - 30 ? '/tmp' : tmpdir();
  const folder = await mkdtemp(join(base, 'unetc-'));
  // It goes with the process, however that ends; a run that ends in order removes it earlier.
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
