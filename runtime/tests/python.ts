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

/** Ends with 0 if all modules are there. To import torch takes more than a second, and each test file would. */
const looksFor = 'import importlib.util, sys; sys.exit(None in map(importlib.util.find_spec, sys.argv[1:]))';

/** The first one that has the modules. */
function pythonWith(modules: string): string | undefined {
  const has = (one: string) => spawnSync(one, ['-c', looksFor, ...modules.split(', ')]).status === 0;
  if (!found.has(modules)) found.set(modules, candidates.find(has));
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
