import type { Command } from 'commander';
import { at } from '../../ir/box.ts';
import { diagnose, failure, fault, type Result, success } from '../../ir/diagnostics/diagnostic.ts';
import { evaluateColourTable, fitColourTable } from '../../runtime/baseline/colour-table.ts';
import { type Bundle, openBundle } from '../../runtime/bundle.ts';
import { checkData } from '../../runtime/data/check-data.ts';
import { areasOf, type Data } from '../../runtime/data/data.ts';
import { type Evaluation, evaluate } from '../../runtime/evaluate.ts';
import { classMapOf, firstOutput, needsOf, scoringFault } from '../../runtime/feed-of.ts';
import { type Confusion, scoreOf } from '../../runtime/metrics.ts';
import { complain, type ExitCode, guarded, note, print, printJson } from '../command.ts';
import { mayWrite } from '../may-write.ts';
import { createPredictors, type PredictingOptions } from '../predicting-bundles.ts';
import { createProgressLine } from '../progress-line.ts';
import { findWeights, openDataHere } from '../run-inputs.ts';
import { createScenePictures, type ScenePictures } from '../scene-pictures.ts';
import { stopOnSignals } from '../stop-signals.ts';
import { type Column, table } from '../table.ts';
import { pageOf } from '../terminal.ts';

type Options = PredictingOptions & {
  readonly weights: string;
  readonly data: string;
  readonly split: string;
  readonly baseline?: string;
  readonly mask?: string;
  readonly overlay?: string;
  readonly json?: true;
};

export function registerEvaluate(program: Command): void {
  program
    .command('evaluate')
    .summary('score trained weights')
    .description(
      'Scores trained weights on every labelled pixel of a split: pixel accuracy, and intersection over union of each class. Whole images are worked through in tiles; the result is that of the untiled network.',
    )
    .argument('<bundle>', 'a folder that `unetc compile` wrote')
    .requiredOption('--weights <path>', 'weights (safetensors), or a folder of checkpoints')
    .requiredOption('--data <folder>', 'images/ and labels/, or a data.json')
    .option('--split <name>', 'the part of the data to score', 'test')
    .option(
      '--baseline <split>',
      'also score a per-pixel colour table (32 bins a channel) fitted on that split',
    )
    .option('--mask <file>', 'write the predicted classes as a PNG file (splits of one area)')
    .option('--overlay <file>', 'draw them over the scene, errors marked, as a PNG file (splits of one area)')
    .option('--devices <n>', 'number of devices (default: those of the bundle)')
    .option('--memory <size>', 'memory of a device, such as 4GiB')
    .option('--threads <n>', 'compute threads of each device')
    .option('--json', 'print the result as JSON')
    .action(guarded(runEvaluate));
}

async function runEvaluate(folder: string, options: Options): Promise<ExitCode> {
  const free = mayWrite(options.mask, options.overlay);
  if (!free.ok) return complain(free.diagnostics);
  const bundle = await openBundle(folder);
  if (!bundle.ok) return complain(bundle.diagnostics);
  const data = await openChecked(bundle.value, options);
  if (!data.ok) return complain(data.diagnostics);
  const weights = findWeights(options.weights, bundle.value);
  if (!weights.ok) return complain(weights.diagnostics);
  const pictures = picturesFor(data.value, bundle.value, options);
  if (!pictures.ok) return complain(pictures.diagnostics, new Map(), 2);
  const line = createProgressLine();
  // A score over a part of the pixels is no score: the first signal ends it.
  stopOnSignals('Stopping ...').addEventListener('abort', () => process.exit(3));
  const predictors = createPredictors(bundle.value, options);
  const evaluated = await evaluate({
    data: data.value,
    split: options.split,
    weights: weights.value,
    bundleFor: predictors.bundleFor,
    onProgress: (progress) => line.show(progress, 'tiles'),
    ...(pictures.value === undefined ? {} : { onTile: pictures.value.add }),
  });
  predictors.remove();
  line.clear();
  if (!evaluated.ok) return complain(evaluated.diagnostics, new Map(), 3);
  const written = (await pictures.value?.write()) ?? success([]);
  if (!written.ok) return complain(written.diagnostics, new Map(), 3);
  const { classes } = evaluated.value.confusion;
  const baseline =
    options.baseline === undefined
      ? undefined
      : await evaluateColourTable(
          await fitColourTable(data.value, options.baseline, classes),
          data.value,
          options.split,
          classes,
        );
  report(evaluated.value, baseline, options);
  for (const file of written.value) note(`Wrote ${file}`);
  return 0;
}

async function openChecked(bundle: Bundle, options: Options): Promise<Result<Data>> {
  const unserved = scoringFault(bundle.plan.model);
  if (unserved !== undefined) return failure(diagnose(unserved));
  const data = await openDataHere(options.data, bundle.plan.model);
  if (!data.ok) return data;
  const { channels, classes } = needsOf(bundle.plan.model);
  const needs = { channels, ...(classes === undefined ? {} : { classes }) };
  const checked = checkData(data.value, options.split, needs);
  return checked.ok && options.baseline !== undefined
    ? checkData(data.value, options.baseline, needs)
    : checked;
}

function picturesFor(data: Data, bundle: Bundle, options: Options): Result<ScenePictures | undefined> {
  const { mask, overlay, split } = options;
  if (mask === undefined && overlay === undefined) return success(undefined);
  const areas = areasOf(data, split);
  if (areas.length !== 1)
    return failure(
      diagnose(
        fault('wrong-option', {
          option: '--split',
          value: split,
          expected: 'a split of one area, to draw it',
        }),
      ),
    );
  const { classes } = classMapOf(bundle.plan.model, firstOutput(bundle.plan.model));
  const name = firstOutput(bundle.plan.model);
  return success(createScenePictures({ data, area: at(areas, 0), classes, name, mask, overlay }));
}

const share = (value: number): string => (Number.isNaN(value) ? '-' : value.toFixed(4));

function report(score: Evaluation, baseline: Confusion | undefined, options: Options): void {
  if (options.json) {
    const of = ({ accuracy, iou, pixels }: ReturnType<typeof scoreOf>) => ({ accuracy, iou, pixels });
    printJson({
      split: options.split,
      ...of(score),
      ...(baseline ? { baseline: of(scoreOf(baseline)) } : {}),
    });
    return;
  }
  const classes = Array.from({ length: score.confusion.classes }, (_, index) => index);
  const columns: Column[] = [
    { title: options.split },
    { title: 'pixel accuracy', align: 'right' },
    ...classes.map((index): Column => ({ title: `IoU of class ${index}`, align: 'right' })),
  ];
  const row = (name: string, { accuracy, iou }: { accuracy: number; iou: readonly number[] }) => [
    name,
    share(accuracy),
    ...iou.map(share),
  ];
  const rows = [row('network', score), ...(baseline ? [row('colour table', scoreOf(baseline))] : [])];
  print(table(columns, rows, pageOf(process.stdout)));
  print(`over ${score.pixels} labelled pixels`);
}
