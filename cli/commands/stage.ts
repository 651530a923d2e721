import type { Command } from 'commander';
import type { Result } from '../../ir/diagnostics/diagnostic.ts';
import { openBundle } from '../../runtime/bundle.ts';
import { complain, type ExitCode, guarded, print } from '../command.ts';
import { stageInto, trainingData } from '../staged-data.ts';

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
  const staged = await stage(folder, options);
  if (!staged.ok) return complain(staged.diagnostics);
  print(staged.value);
  return 0;
}

async function stage(folder: string, { data: path, split, output }: Options): Promise<Result<string>> {
  const bundle = await openBundle(folder);
  if (!bundle.ok) return bundle;
  const data = await trainingData(bundle.value, path, split);
  return data.ok ? stageInto(data.value, output) : data;
}
