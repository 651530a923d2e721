import type { Result } from '../ir/diagnostics/diagnostic.ts';
import { writeSafely } from '../runtime/files/write-safely.ts';

/** Errors: `write-failed`. */
export const writeText = (file: string, text: string): Result<undefined> =>
  writeSafely(file, [Buffer.from(text)]);
