/** Writing so that a file is either there as a whole or not at all, and what was there before stays until then. */
import * as system from 'node:fs';
import { dirname } from 'node:path';
import { diagnose, failure, fault, type Result, success } from '../../ir/diagnostics/diagnostic.ts';
import { reasonOf } from './reason.ts';

/** What is used of `node:fs`; tests let it fail. */
export type FileSystem = Pick<
  typeof system,
  'openSync' | 'fsyncSync' | 'closeSync' | 'renameSync' | 'rmSync'
> & {
  readonly writeSync: (descriptor: number, bytes: Uint8Array, offset: number, length: number) => number;
};

/** A file that is being written. Until `commit` nothing is there under its name but what was there before. */
export type OpenFile = {
  readonly descriptor: number;
  /** Has the disk store it, and gives it its name. Throws; then `abandon` clears up. */
  commit(): void;
  /** Gives up and removes what was written. Does nothing after `commit` or a second time. */
  abandon(): void;
};

/**
 * Begins a file under a new name beside `path`, or beside what a link of that name leads to. What is no plain
 * file (`/dev/stdout`, a pipe) is written into as it is. Throws what the system says.
 */
export function openSafely(path: string, files: FileSystem = system): OpenFile {
  const found = system.statSync(path, { throwIfNoEntry: false });
  if (found !== undefined && !found.isFile()) return openInPlace(path, files);
  const target = found === undefined ? path : system.realpathSync(path);
  const temporary = `${target}.tmp`;
  const descriptor = files.openSync(temporary, 'w');
  let [open, there] = [true, true];
  const close = () => {
    if (open) files.closeSync(descriptor);
    open = false;
  };
  return {
    descriptor,
    commit() {
      files.fsyncSync(descriptor);
      close();
      files.renameSync(temporary, target);
      there = false;
      syncDirectory(dirname(target), files);
    },
    abandon() {
      quietly(close);
      if (there) quietly(() => files.rmSync(temporary, { force: true }));
      there = false;
    },
  };
}

function openInPlace(path: string, files: FileSystem): OpenFile {
  const descriptor = files.openSync(path, 'w');
  let open = true;
  const close = () => {
    if (open) files.closeSync(descriptor);
    open = false;
  };
  return { descriptor, commit: close, abandon: () => quietly(close) };
}

/** Where nothing could be written nothing is left over either. */
function quietly(work: () => void): void {
  try {
    work();
  } catch {
    // What went wrong before is what is told.
  }
}

/** Writes the pieces into a file. Errors: `write-failed`; then `path` is as it was. */
export function writeSafely(
  path: string,
  pieces: Iterable<Uint8Array>,
  files: FileSystem = system,
): Result<undefined> {
  let file: OpenFile | undefined;
  try {
    file = openSafely(path, files);
    for (const piece of pieces) writeFully(file.descriptor, piece, files);
    file.commit();
    return success(undefined);
  } catch (error) {
    file?.abandon();
    return failure(diagnose(fault('write-failed', { file: path, reason: reasonOf(error) })));
  }
}

/** The system may take less than it is given: on a disk that is nearly full, and above 2 GiB always. */
export function writeFully(
  descriptor: number,
  bytes: Uint8Array,
  files: Pick<FileSystem, 'writeSync'> = system,
): void {
  const most = 2 ** 30;
  for (let done = 0; done < bytes.length; )
    done += files.writeSync(descriptor, bytes, done, Math.min(most, bytes.length - done));
}

/** A rename is in the directory, and the directory is written apart from its files. */
function syncDirectory(path: string, files: FileSystem): void {
  const descriptor = files.openSync(path, 'r');
  try {
    files.fsyncSync(descriptor);
  } finally {
    files.closeSync(descriptor);
  }
}
