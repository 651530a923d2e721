/**
 * `node tests/support/run.mjs FILE`: one test file, as `npm test` runs it. The program is that of `dist/`, which is what
 * users run; tests are the scripts that `npm test` has made of them. So nothing is translated in each process anew, nor in
 * the device processes that a test starts: those take a third of the time to begin.
 */
import { register } from 'node:module';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

register('./built.mjs', import.meta.url);
process.setSourceMapsEnabled(true);
await import(pathToFileURL(resolve('tests/support/seed.ts')).href);
await import(pathToFileURL(resolve(process.argv[2])).href);
