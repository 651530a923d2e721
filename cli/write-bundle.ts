import { readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { bundleFiles, type Origin } from '../compiler/bundle.ts';
import { diagnose, failure, fault, type Result, success } from '../ir/diagnostics/diagnostic.ts';
import type { Plan } from '../ir/plan.ts';
import { type Bundle, openBundle } from '../runtime/bundle.ts';
import { makeFolder } from '../runtime/files/make-folder.ts';
import { reasonOf } from '../runtime/files/reason.ts';
import { makePrivateFolder, type PrivateFolder } from '../runtime/local/folder.ts';
import { version } from './version.ts';

export type BundleSource = Omit<Origin, 'version'>;

/**
 * Writes a bundle into a folder, in place of what stood under the same names; that stays until all of the new
 * one is on the disk. Gives the paths written. Errors: `write-failed`.
 */
export function writeBundle(plan: Plan, origin: BundleSource, folder: string): Result<string[]> {
  const fresh = join(folder, '.new');
  const written: string[] = [];
  try {
    rmSync(fresh, { recursive: true, force: true });
    for (const { path, bytes } of bundleFiles(plan, { ...origin, version: version() })) {
      makeFolder(dirname(join(fresh, path)));
      writeFileSync(join(fresh, path), bytes);
      written.push(join(folder, path));
    }
    // Folders as a whole: what an earlier plan left in them would lie beside the manifest without being in it.
    for (const name of readdirSync(fresh)) {
      rmSync(join(folder, name), { recursive: true, force: true });
      renameSync(join(fresh, name), join(folder, name));
    }
  } catch (error) {
    // Files are made while they are written: what has no code of the system is our own bug.
    if (!(error instanceof Error && 'code' in error)) throw error;
    return failure(diagnose(fault('write-failed', { file: folder, reason: reasonOf(error) })));
  } finally {
    removeQuietly(fresh);
  }
  return success(written);
}

function removeQuietly(folder: string): void {
  try {
    rmSync(folder, { recursive: true, force: true });
  } catch {
    // Where nothing could be written nothing is left over either.
  }
}

/** Bundles in folders of their own, all gone after `remove`. */
export function temporaryBundles() {
  const folders: PrivateFolder[] = [];
  return {
    async open(plan: Plan, origin: BundleSource): Promise<Result<Bundle>> {
      const folder = await makePrivateFolder();
      if (!folder.ok) return folder;
      folders.push(folder.value);
      const written = writeBundle(plan, origin, folder.value.path);
      return written.ok ? openBundle(folder.value.path) : written;
    },
    remove() {
      for (const folder of folders) folder.remove();
    },
  };
}
