import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { bundlePaths } from '../../ir/bundle.ts';
import type { Decision } from '../../ir/decision.ts';
import type { Machine } from '../../ir/machine.ts';
import { readMachine } from '../../ir/text/machine.ts';
import { openBundle } from '../../runtime/bundle.ts';
import { complain, type ExitCode, guarded, print, printJson } from '../command.ts';
import { planInWords, planJson } from '../plan-in-words.ts';
import { coloursOf } from '../terminal.ts';

type Options = { readonly schedule?: true; readonly ir?: true; readonly json?: true };

export function registerInspect(program: Command): void {
  program
    .command('inspect')
    .summary('show what a bundle does')
    .description('Shows the plan of a bundle: the schedule in words, and what each role does.')
    .argument('<bundle>', 'a folder that `unetc compile` wrote')
    .option('--schedule', 'print the complete schedule, to be edited and given back')
    .option('--ir', 'print the whole plan as text')
    .option('--json', 'print the figures as JSON')
    .action(guarded(runInspect));
}

async function runInspect(folder: string, options: Options): Promise<ExitCode> {
  const bundle = await openBundle(folder);
  if (!bundle.ok) return complain(bundle.diagnostics);
  const { plan } = bundle.value;
  const file = (path: string) => readFileSync(join(folder, path), 'utf8').trimEnd();
  if (options.schedule) print(file(bundlePaths.schedule));
  else if (options.ir) print(file(bundlePaths.planText));
  else if (options.json) printJson(planJson({ plan, ...planningOf(folder) }));
  else print(planInWords({ plan, ...planningOf(folder) }, coloursOf(process.stdout)));
  return 0;
}

/** What it was planned for and why, where the bundle says. Its files were checked when it was opened. */
function planningOf(folder: string): { readonly machine?: Machine; readonly decision?: Decision } {
  const text = (path: string) =>
    existsSync(join(folder, path)) ? readFileSync(join(folder, path), 'utf8') : undefined;
  const [machine, decision] = [text(bundlePaths.machine), text(bundlePaths.decision)];
  const read = machine === undefined ? undefined : readMachine(machine, bundlePaths.machine);
  return {
    ...(read?.ok ? { machine: read.value } : {}),
    ...(decision === undefined ? {} : { decision: JSON.parse(decision) as Decision }),
  };
}
