import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { bundleFiles } from '../compiler/bundle.ts';
import { bundlePaths, segmentPath } from '../ir/bundle.ts';
import { diagnose, failure, fault, type Result, success } from '../ir/diagnostics/diagnostic.ts';
import type { Plan } from '../ir/plan.ts';
import { type Bundle, openBundle } from '../runtime/bundle.ts';
import { makePrivateFolder, type PrivateFolder } from '../runtime/local/folder.ts';
import { version } from './version.ts';

export type BundleSource = {
  readonly source: string;
  readonly sets: Readonly<Record<string, string>>;
  readonly threads: number;
};

/** Writes a bundle into a folder, in place of what stood under the same names. Gives the paths written. */
export function writeBundle(plan: Plan, origin: BundleSource, folder: string): Result<string[]> {
  const files = bundleFiles(plan, { ...origin, version: version() });
  try {
    // What an earlier plan left would lie beside the manifest without being in it.
    if (existsSync(join(folder, bundlePaths.manifest)))
      rmSync(join(folder, dirname(segmentPath(''))), { recursive: true, force: true });
    for (const [path, bytes] of files) {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), bytes);
    }
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return failure(diagnose(fault('write-failed', { file: folder, reason })));
  }
  return success([...files.keys()].map((path) => join(folder, path)));
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
