/** Python for tests of the PyTorch executor, where this machine has one: `UNETC_PYTHON`, that of `.venv`, or `python3`. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';

const root = join(import.meta.dirname, '../..');
const own = join(root, '.venv/bin/python');

export const torchFolder = join(root, 'runtime/torch');

const candidates = [process.env.UNETC_PYTHON ?? [], existsSync(own) ? own : [], 'python3'].flat();

const found = new Map<string, string | undefined>();

/** The first one that can import the modules; importing torch takes a while, so each is asked once. */
function pythonWith(modules: string): string | undefined {
  if (!found.has(modules))
    found.set(
      modules,
      candidates.find((one) => spawnSync(one, ['-c', `import ${modules}`]).status === 0),
    );
  return found.get(modules);
}

/** A test that needs Python with some modules; without them it is skipped, and `npm test` says how many were. */
export function pythonTest(
  modules: string,
  name: string,
  run: (python: string) => void | Promise<void>,
): void {
  const python = pythonWith(modules);
  if (python === undefined) test.skip(name, () => undefined);
  else test(name, () => run(python));
}
