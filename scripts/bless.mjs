/**
 * `npm run bless`: runs the golden tests (those that know BLESS) and lets them rewrite what they expect. Read
 * the difference before you commit it.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const rooms = ['ir', 'passes', 'backends', 'compiler', 'runtime', 'cli', 'tests'];

const golden = rooms
  .flatMap((room) => readdirSync(join(root, room), { recursive: true }).map((file) => join(room, file)))
  .filter((file) => file.endsWith('.test.ts'))
  .filter((file) => readFileSync(join(root, file), 'utf8').includes('process.env.BLESS'));

process.env.BLESS = '1';
process.argv.splice(2, Number.POSITIVE_INFINITY, ...golden);
await import('./test.mjs');
