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

/**
 * Writes the pieces under a new name beside `path`, has the disk store them, renames, and has the disk store
 * the directory. Errors: `write-failed`; then `path` is as it was.
 */
export function writeSafely(
  path: string,
  pieces: Iterable<Uint8Array>,
  files: FileSystem = system,
): Result<undefined> {
  const temporary = `${path}.tmp`;
  try {
    writeAll(temporary, pieces, files);
    files.renameSync(temporary, path);
    syncDirectory(dirname(path), files);
    return success(undefined);
  } catch (error) {
    removeIfThere(temporary, files);
    return failure(diagnose(fault('write-failed', { file: path, reason: reasonOf(error) })));
  }
}

function removeIfThere(path: string, files: FileSystem): void {
  try {
    files.rmSync(path, { force: true });
  } catch {
    // Where nothing could be written nothing is left over either.
  }
}

function writeAll(path: string, pieces: Iterable<Uint8Array>, files: FileSystem): void {
  const descriptor = files.openSync(path, 'w');
  try {
    for (const piece of pieces) writeFully(descriptor, piece, files);
    files.fsyncSync(descriptor);
  } finally {
    files.closeSync(descriptor);
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
