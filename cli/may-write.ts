/** Whether files that are written at the end of something long can be written, asked before it begins. */
import { accessSync, constants, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { diagnose, failure, fault, type Result, success } from '../ir/diagnostics/diagnostic.ts';
import { reasonOf } from '../runtime/files/reason.ts';

/** Errors: `write-failed`. What is not asked for can be written. */
export function mayWrite(...files: readonly (string | undefined)[]): Result<void> {
  for (const file of files) {
    const reason = file === undefined ? undefined : hindrance(file);
    if (file !== undefined && reason !== undefined)
      return failure(diagnose(fault('write-failed', { file, reason })));
  }
  return success(undefined);
}

function hindrance(file: string): string | undefined {
  const folder = dirname(file);
  try {
    const found = statSync(folder, { throwIfNoEntry: false });
    if (found === undefined) return `there is no folder \`${folder}\``;
    if (!found.isDirectory()) return `\`${folder}\` is no folder`;
    accessSync(folder, constants.W_OK);
  } catch (error) {
    return `folder \`${folder}\`: ${reasonOf(error)}`;
  }
  return statSync(file, { throwIfNoEntry: false })?.isDirectory() ? 'it is a folder' : undefined;
}
