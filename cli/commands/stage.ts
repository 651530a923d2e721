import type { Command } from 'commander';
import { diagnose, failure, type Result } from '../../ir/diagnostics/diagnostic.ts';
import { showBytes } from '../../ir/units.ts';
import { openBundle } from '../../runtime/bundle.ts';
import { checkData } from '../../runtime/data/check-data.ts';
import { stageData } from '../../runtime/data/stage-data.ts';
import { needsOf, servingFault } from '../../runtime/feed-of.ts';
import { complain, type ExitCode, guarded, note, print } from '../command.ts';
import { openDataHere } from '../run-inputs.ts';

type Options = { readonly data: string; readonly split: string; readonly output: string };

export function registerStage(program: Command): void {
  program
    .command('stage')
    .summary('data as plain arrays, for clusters')
    .description(
      'Checks the data of a training and writes it as NPY files with a data.json: what the PyTorch executor reads, and `run` too.',
    )
    .argument('<bundle>', 'a folder that `unetc compile` wrote')
    .requiredOption('--data <folder>', 'images/ and labels/, or a data.json')
    .option('--split <name>', 'the part of the data to train on', 'train')
    .requiredOption('-o, --output <folder>', 'where the arrays go')
    .action(guarded(runStage));
}

async function runStage(folder: string, options: Options): Promise<ExitCode> {
  const staged = await stageFor(folder, options);
  if (!staged.ok) return complain(staged.diagnostics);
  print(staged.value);
  return 0;
}

/** Stages the data of a bundle's training; gives the path of the `data.json`. */
async function stageFor(folder: string, { data: path, split, output }: Options): Promise<Result<string>> {
  const bundle = await openBundle(folder);
  if (!bundle.ok) return bundle;
  const { model } = bundle.value.plan;
  const unserved = servingFault(model);
  if (unserved !== undefined) return failure(diagnose(unserved));
  const data = await openDataHere(path, model);
  if (!data.ok) return data;
  const checked = checkData(data.value, split, needsOf(model));
  if (!checked.ok) return checked;
  return stageData(checked.value, output, {
    onWrite: ({ source, path: file, bytes }) => note(`Writing ${source} as ${file} (${showBytes(bytes)})`),
  });
}
