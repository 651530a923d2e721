import type { Command } from 'commander';
import { type Result, success } from '../../ir/diagnostics/diagnostic.ts';
import { openBundle } from '../../runtime/bundle.ts';
import { complain, type ExitCode, guarded, print } from '../command.ts';
import { validationAsked } from '../run-validation.ts';
import { stageInto, trainingData } from '../staged-data.ts';
import { stagePredictions } from '../staged-predictions.ts';

type Options = {
  readonly data: string;
  readonly split: string;
  readonly validation?: string;
  readonly output: string;
};

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
    .option(
      '--validation <split>',
      'also plan the predictions that score that part (predictions/ in the bundle)',
    )
    .requiredOption('-o, --output <folder>', 'where the arrays go')
    .action(guarded(runStage));
}

async function runStage(folder: string, options: Options): Promise<ExitCode> {
  const staged = await stage(folder, options);
  if (!staged.ok) return complain(staged.diagnostics);
  print(staged.value);
  return 0;
}

async function stage(
  folder: string,
  { data: path, split, validation, output }: Options,
): Promise<Result<string>> {
  const bundle = await openBundle(folder);
  if (!bundle.ok) return bundle;
  const asked = validationAsked(bundle.value, validation === undefined ? {} : { validation });
  if (!asked.ok) return asked;
  const data = await trainingData(bundle.value, path, split);
  if (!data.ok) return data;
  const scored =
    validation === undefined ? success(undefined) : stagePredictions(bundle.value, data.value, validation);
  if (!scored.ok) return scored;
  return stageInto(data.value, output);
}
