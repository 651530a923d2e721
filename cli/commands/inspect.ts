import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { bundlePaths } from '../../ir/bundle.ts';
import { openBundle } from '../../runtime/bundle.ts';
import { complain, type ExitCode, guarded, print, printJson } from '../command.ts';
import { planTables } from '../plan-tables.ts';
import { summarize } from '../summary.ts';
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
  else if (options.json)
    printJson({ ...summarize(plan), machine: { name: 'local', devices: plan.schedule.devices } });
  else print(planTables(plan, coloursOf(process.stdout)));
  return 0;
}
