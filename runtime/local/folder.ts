/**
 * Private folders of a process: for sockets, boards, bundles that are needed for a while. They go with the
 * process. One that is killed leaves its folders, so who makes one first clears away those of the dead.
 *
 * A folder is in use while somebody listens at its socket `alive`: that holds across containers that share the
 * temporary folder, which process ids do not.
 */
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { createConnection, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { diagnose, failure, fault, type Result, success } from '../../ir/diagnostics/diagnostic.ts';
import { reasonOf } from '../files/reason.ts';

/** Paths of sockets may not be longer than about 100 bytes. */
const longestSocketPath = 100;
const prefix = 'unetc-run-';
/** Milliseconds in which a new folder gets its socket, by far. */
const newFor = 60_000;

export const boardPath = (folder: string): string => join(folder, 'board');

export const socketPath = (folder: string, rank: number): string => join(folder, `${rank}`);

const alivePath = (folder: string): string => join(folder, 'alive');

export type PrivateFolder = { readonly path: string; remove(): void };

/** Of this process: gone with it, if it ends in order. */
const folders = new Set<string>();
const removeFolder = (path: string): void => rmSync(path, { recursive: true, force: true });
const removeAll = (): void => folders.forEach(removeFolder);

/**
 * Makes one, for this user only. Falls back to `/tmp` where the temporary folder has too long a name. Errors:
 * `write-failed`.
 */
export async function makePrivateFolder(): Promise<Result<PrivateFolder>> {
  const base = tmpdir().length > longestSocketPath - 30 ? '/tmp' : tmpdir();
  try {
    await clearAway(base);
    const path = mkdtempSync(join(base, prefix));
    if (folders.size === 0) process.once('exit', removeAll);
    folders.add(path);
    const alive = await listen(alivePath(path));
    const remove = () => {
      alive.close();
      removeFolder(path);
      folders.delete(path);
      if (folders.size === 0) process.off('exit', removeAll);
    };
    return success({ path, remove });
  } catch (error) {
    return failure(diagnose(fault('write-failed', { file: base, reason: reasonOf(error) })));
  }
}

async function listen(path: string): Promise<Server> {
  const server = createServer((socket) => socket.destroy()).listen(path);
  server.unref();
  await once(server, 'listening');
  return server;
}

/** Removes the folders of processes that are gone, and ends what they left behind in them. */
async function clearAway(base: string): Promise<void> {
  for (const name of readdirSync(base)) {
    const folder = join(base, name);
    if (!name.startsWith(prefix) || !(await isDeserted(folder))) continue;
    for (const pid of processesOf(folder)) endProcess(pid);
    try {
      rmSync(folder, { recursive: true, force: true });
    } catch {
      // Another user's, or another run is faster.
    }
  }
}

function isDeserted(folder: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection(alivePath(folder));
    socket.once('connect', () => {
      socket.destroy();
      resolve(false);
    });
    socket.once('error', (error: NodeJS.ErrnoException) =>
      resolve(error.code === 'ECONNREFUSED' || (error.code === 'ENOENT' && !isNew(folder))),
    );
  });
}

function isNew(folder: string): boolean {
  const made = statSync(folder, { throwIfNoEntry: false })?.mtimeMs;
  return made === undefined || Date.now() - made < newFor;
}

/**
 * Device processes are called with their folder. They end when their parent does, except one that is stopped
 * (`kill -STOP`). Only Linux tells.
 */
function processesOf(folder: string): number[] {
  return namesIn('/proc').flatMap((name) =>
    /^\d+$/.test(name) && commandOf(name).includes(folder) ? [Number(name)] : [],
  );
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function commandOf(pid: string): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
  } catch {
    return [];
  }
}

function endProcess(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has just ended.
  }
}
