/** What a bundle was planned for and why. Its files were checked when it was opened. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { bundlePaths } from '../ir/bundle.ts';
import type { Decision } from '../ir/decision.ts';
import type { Machine } from '../ir/machine.ts';
import { readMachine } from '../ir/text/machine.ts';
import type { Bundle } from '../runtime/bundle.ts';

export type Planning = { readonly machine?: Machine; readonly decision?: Decision };

export function planningOf({ directory }: Pick<Bundle, 'directory'>): Planning {
  const text = (path: string) =>
    existsSync(join(directory, path)) ? readFileSync(join(directory, path), 'utf8') : undefined;
  const [machine, decision] = [text(bundlePaths.machine), text(bundlePaths.decision)];
  const read = machine === undefined ? undefined : readMachine(machine, bundlePaths.machine);
  return {
    ...(read?.ok ? { machine: read.value } : {}),
    ...(decision === undefined ? {} : { decision: JSON.parse(decision) as Decision }),
  };
}
