/** The PyTorch executor, as it goes into bundles: plain Python files. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { shipped } from './shipped.ts';

const start = 'run.py';

/** Files by their path in the executor's folder, `/` between folders, in one order everywhere. */
export function torchFiles(): Map<string, Uint8Array> {
  const folder = dirname(shipped(join('runtime', 'torch', start)));
  const paths = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.py'))
    .map((path) => path.replaceAll('\\', '/'))
    .filter((path) => !path.startsWith('tests/'))
    .sort();
  return new Map(paths.map((path) => [path, new Uint8Array(readFileSync(join(folder, path)))]));
}
