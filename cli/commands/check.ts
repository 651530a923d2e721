import type { Command } from 'commander';
import { compileModel } from '../../compiler/front/lower-model.ts';
import { collect, complain, type ExitCode, guarded, print, printJson } from '../command.ts';
import { readSets, readSource } from '../inputs.ts';
import { summarizeNetwork } from '../network-summary.ts';
import { networkTable } from '../network-table.ts';
import { pageOf } from '../terminal.ts';

type Options = { readonly set: readonly string[]; readonly json?: true };

export function registerCheck(program: Command): void {
  program
    .command('check')
    .summary('read a model and show its network level by level')
    .description(
      'Reads a model, reports everything that is wrong with it at once, and shows the network level by level: sizes, parameters, floating-point operations, bytes of activations and receptive field, for one sample.',
    )
    .argument('<file>', 'a model, such as examples/coastline.unet')
    .option(
      '--set <name=value>',
      'replace the value of a `let`, such as side=512; may be repeated',
      collect,
      [],
    )
    .option('--json', 'print the result as JSON')
    .action(guarded(runCheck));
}

async function runCheck(file: string, options: Options): Promise<ExitCode> {
  const source = readSource(file);
  if (!source.ok) return complain(source.diagnostics);
  const sets = readSets(options.set);
  if (!sets.ok) return complain(sets.diagnostics, new Map(), 2);
  const given = Object.entries(sets.value).map(([name, text]): [string, string] => [`--set ${name}`, text]);
  const texts = new Map([[file, source.value], ...given]);
  const model = compileModel(source.value, file, { purpose: 'train', sets: sets.value });
  if (!model.ok) return complain(model.diagnostics, texts);
  if (model.warnings.length > 0) complain(model.warnings, texts);
  const summary = summarizeNetwork(model.value);
  if (options.json) printJson(summary);
  else print(networkTable(summary, pageOf(process.stdout)));
  return 0;
}
