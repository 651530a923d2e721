import { writeFileSync } from 'node:fs';
import { diagnose, failure, fault, type Result, success } from '../ir/diagnostics/diagnostic.ts';
import { reasonOf } from '../runtime/files/reason.ts';

/** Errors: `write-failed`. */
export function writeText(file: string, text: string): Result<void> {
  try {
    return success(writeFileSync(file, text));
  } catch (error) {
    return failure(diagnose(fault('write-failed', { file, reason: reasonOf(error) })));
  }
}
