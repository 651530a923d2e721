import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** A file or folder that comes with the program, from the sources and from `dist/` alike: the first one upwards. */
export function shipped(path: string, from = dirname(fileURLToPath(import.meta.url))): string {
  const found = join(from, path);
  return existsSync(found) || from === dirname(from) ? found : shipped(path, dirname(from));
}
