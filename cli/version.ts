import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The version in `package.json`, from the sources as well as from `dist/`. */
export function version(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  for (;;) {
    try {
      return String(JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')).version);
    } catch {
      const parent = dirname(folder);
      if (parent === folder) throw new Error('package.json is not above this file');
      folder = parent;
    }
  }
}
