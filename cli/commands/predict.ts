import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { bundlePaths } from '../../ir/bundle.ts';
import { diagnose, type Fault, fault } from '../../ir/diagnostics/diagnostic.ts';
import { type Bundle, openBundle } from '../../runtime/bundle.ts';
import { channelsFault } from '../../runtime/data/check-data.ts';
import { pairOf } from '../../runtime/data/data.ts';
import { classMapOf, firstOutput, needsOf, scoringFault } from '../../runtime/feed-of.ts';
import { grayLevels } from '../../runtime/pictures/mask.ts';
import { predict } from '../../runtime/predict.ts';
import { complain, type ExitCode, guarded, note, print } from '../command.ts';
import { mayWrite } from '../may-write.ts';
import { planTables } from '../plan-tables.ts';
import { createPredictors, type PredictingOptions } from '../predicting-bundles.ts';
import { createProgressLine } from '../progress-line.ts';
import { findWeights, openImageHere } from '../run-inputs.ts';
import { stopOnSignals } from '../stop-signals.ts';
import { pageOf } from '../terminal.ts';

type Options = PredictingOptions & { readonly weights: string; readonly output: string };

export function registerPredict(program: Command): void {
  program
    .command('predict')
    .summary('segment an image')
    .description(
      'Compiles a forward-only plan for the size of the image and segments it tile by tile. Memory is bounded by the tile, and the mask is that of the untiled network.',
    )
    .argument('<bundle>', 'a folder that `unetc compile` wrote')
    .argument('<image>', 'PNG, JPEG, TIFF (also GeoTIFF), WebP, NPY or Zarr')
    .requiredOption('--weights <path>', 'weights (safetensors), or a folder of checkpoints')
    .requiredOption(
      '-o, --output <file>',
      'the mask: PNG, classes from black to white; or TIFF, the numbers of the classes, with the georeference of the image',
    )
    .option('--devices <n>', 'number of devices (default: those of the bundle)')
    .option('--memory <size>', 'memory of a device, such as 1GiB')
    .option('--threads <n>', 'compute threads of each device')
    .action(guarded(runPredict));
}

async function runPredict(folder: string, file: string, options: Options): Promise<ExitCode> {
  const unknown = pictureFault(options.output);
  if (unknown !== undefined) return complain([diagnose(unknown)]);
  const free = mayWrite(options.output);
  if (!free.ok) return complain(free.diagnostics);
  const bundle = await openBundle(folder);
  if (!bundle.ok) return complain(bundle.diagnostics);
  const unserved = scoringFault(bundle.value.plan.model);
  if (unserved !== undefined) return complain([diagnose(unserved)]);
  const weights = findWeights(options.weights, bundle.value);
  if (!weights.ok) return complain(weights.diagnostics);
  const opened = await openImageHere(file);
  if (!opened.ok) return complain(opened.diagnostics);
  const { image } = pairOf(opened.value, 0);
  const { model } = bundle.value.plan;
  const unlike = channelsFault(image, needsOf(model));
  if (unlike !== undefined) return complain([diagnose(unlike)]);
  const { classes } = classMapOf(model, firstOutput(model));
  // Programs for maps want classes, people want to see something.
  const palette = /\.tiff?$/i.test(options.output)
    ? undefined
    : [...grayLevels(classes)].map((level) => [level]);
  const line = createProgressLine();
  const predictors = createPredictors(bundle.value, options);
  const predictor = await predictors.bundleFor([image.height, image.width]);
  if (!predictor.ok) return complain(predictor.diagnostics, textOf(bundle.value));
  note(planTables(predictor.value.plan, pageOf(process.stderr)));
  const done = await predict(predictor.value, {
    image,
    weights: weights.value,
    mask: options.output,
    stop: stopOnSignals('Stopping ...'),
    ...(palette === undefined ? {} : { palette }),
    onProgress: (progress) => line.show(progress, 'tiles'),
  });
  predictors.remove();
  line.clear();
  if (!done.ok) return complain(done.diagnostics, new Map(), 3);
  if (!done.value) return complain([diagnose(fault('stopped-early', {}))], new Map(), 3);
  print(options.output);
  return 0;
}

/** A mask that is not named after what it is would not open, or be taken for something else. */
const pictureFault = (file: string): Fault | undefined =>
  /\.(png|tiff?)$/i.test(file)
    ? undefined
    : fault('wrong-option', {
        option: '--output',
        value: file,
        expected: 'a name that ends in .png, .tif or .tiff',
      });

/** The text of the network, for diagnostics that point into it: an image may have a size it does not take. */
function textOf({ directory }: Bundle): Map<string, string> {
  const file = join(directory, bundlePaths.model);
  return new Map([[file, readFileSync(file, 'utf8')]]);
}
