import type { Command } from 'commander';
import { diagnose, failure, fault, type Result, success } from '../../ir/diagnostics/diagnostic.ts';
import { type Launcher, launchers } from '../../ir/machine.ts';
import type { Model } from '../../ir/model.ts';
import type { RunCurve } from '../../ir/profile.ts';
import { showSeconds } from '../../ir/units.ts';
import { type Bundle, openBundle } from '../../runtime/bundle.ts';
import { windowsFeed } from '../../runtime/feed-of.ts';
import { meanIou, scoreOf } from '../../runtime/metrics.ts';
import { keepMeasured, type MeasuredStep, profileOf } from '../../runtime/profile.ts';
import { type RunCurves, recordCurves, thinnedCurves } from '../../runtime/run-curves.ts';
import {
  type StepResult,
  type TrainEvent,
  type TrainOptions,
  train,
  unfitHere,
} from '../../runtime/train.ts';
import { planningOf } from '../bundle-planning.ts';
import { complain, type ExitCode, guarded, note, print } from '../command.ts';
import { readInit } from '../first-weights.ts';
import { wholeNumber } from '../inputs.ts';
import { briefInspection } from '../inspection.ts';
import { mayWrite } from '../may-write.ts';
import { planJson } from '../plan-json.ts';
import { createProgressLine } from '../progress-line.ts';
import { drawRun } from '../run-curve.ts';
import { checkpointFolder } from '../run-inputs.ts';
import { type LaunchOptions, runLaunched } from '../run-launched.ts';
import { prepareValidation, type Validating, type ValidationOptions } from '../run-validation.ts';
import { percent, validationInWords } from '../run-words.ts';
import { trainingData } from '../staged-data.ts';
import { stopOnSignals } from '../stop-signals.ts';
import { pageOf } from '../terminal.ts';
import { writeText } from '../write-text.ts';

type Options = ValidationOptions & LaunchOptions & { readonly launcher: string };

/** How long a device of this machine may stand still where nobody says. */
const TIMEOUT = '300';

export function registerRun(program: Command): void {
  program
    .command('run')
    .summary('train')
    .description(
      'Trains the network of a bundle on this machine, one process a device; or starts it with PyTorch through a launcher.',
    )
    .argument('<bundle>', 'a folder that `unetc compile` wrote')
    .requiredOption('--data <folder>', 'images/ and labels/, or a data.json')
    .option('--split <name>', 'the part of the data to train on', 'train')
    .option('--steps <n>', 'steps in all (default: what the model says)')
    .option('--init <file>', 'first weights (safetensors)')
    .option('--init-names <file>', 'their names, where another program trained them: see export --names')
    .option('--checkpoint <folder>', 'where checkpoints go (default: checkpoints/ in the bundle)')
    .option('--checkpoint-every <n>', 'steps between two checkpoints', '50')
    .option('--keep <n>', 'how many checkpoints are kept, the best one by validation apart', '3')
    .option('--validation <split>', 'score that part of the data between steps, and keep the best weights')
    .option('--validate-every <n>', 'steps between two scores (default: 50)')
    .option('--resume', 'go on from the newest valid checkpoint')
    .option(
      '--timeout <seconds>',
      'how long a device may stand still while another waits for it (default: 300; with a launcher 60)',
    )
    .option('--curve <file>', 'draw the loss and the scores into a PNG file (of a job script: see --profile)')
    .option(
      '--profile <file>',
      'time each instruction and keep the curves, for `unetc inspect BUNDLE --profile FILE`',
    )
    .option('--json', 'print one JSON line a step')
    .option('--launcher <name>', `what starts the devices: ${launchers.join(', ')}`, 'local')
    .option('--dry-run', 'with a launcher: only write the job script, or print the command')
    .option('--preamble <file>', 'lines of shell for the job script: modules, account, time limit')
    .option('--job <file>', 'where the job script goes (default: job.slurm or job.lsf in the bundle)')
    .option(
      '--stage <folder>',
      'where the data goes as plain arrays, if it is not (default: data/ in the bundle)',
    )
    .option('--python <program>', 'the Python with torch and numpy, as the nodes call it (default: python3)')
    .option('--per-node <n>', "ranks of a node (default: the machine's; without a machine all)")
    .option('--cores <n>', 'cores of a rank')
    .option('--cpu', 'no GPUs, whatever the machine has')
    .option('--any-order', 'GPUs may add up in any order: faster, and two runs differ in their last bits')
    .action(guarded(runTraining));
}

const isLauncher = (name: string): name is Launcher => launchers.some((one) => one === name);

async function runTraining(folder: string, options: Options): Promise<ExitCode> {
  const { launcher } = options;
  const expected = `one of ${launchers.join(', ')}`;
  if (!isLauncher(launcher))
    return complain([diagnose(fault('wrong-option', { option: '--launcher', value: launcher, expected }))]);
  return launcher === 'local' ? runHere(folder, options) : runLaunched(launcher, folder, options);
}

async function runHere(folder: string, options: Options): Promise<ExitCode> {
  const prepared = await prepare(folder, options);
  if (!prepared.ok) return complain(prepared.diagnostics);
  const { bundle, training, validating } = prepared.value;
  const figures = planJson({ plan: bundle.plan, ...planningOf(bundle) });
  const recorder = recordCurves();
  let measured: readonly MeasuredStep[] = [];
  const line = createProgressLine();
  const stop = stopOnSignals('Ending after this step, with a checkpoint ...');
  const began = performance.now();
  let stepSeconds = 0;
  const trained = await train(bundle, {
    ...training,
    timed: options.profile !== undefined,
    stop,
    ...(validating === undefined
      ? {}
      : {
          validation: validating.validation(stop, (progress) => line.show(progress, 'tiles of validation')),
        }),
    onEvent: (event) => {
      if (event.kind === 'step') {
        stepSeconds += event.seconds;
        if (event.times !== undefined) measured = keepMeasured(measured, { ...event, times: event.times });
      }
      recorder.add(event);
      if (event.kind === 'started' && !options.json)
        note(`${briefInspection(figures, { page: pageOf(process.stderr) })}\n`);
      tell(event, line, options);
    },
  });
  validating?.remove();
  line.clear();
  if (!trained.ok) return complain(trained.diagnostics, new Map(), 3);
  const seconds = (performance.now() - began) / 1000;
  const { losses } = recorder.curves;
  const curves = thinnedCurves(recorder.curves, options.validation);
  const drawn = await drawRun(options.curve, bundle.plan, curves, { steps: losses.length, seconds });
  if (!drawn.ok) return complain(drawn.diagnostics, new Map(), 3);
  const profiled = writeProfile(bundle, measured, curves, options.profile);
  if (!profiled.ok) return complain(profiled.diagnostics, new Map(), 3);
  report(trained.value, losses, stepSeconds, figures.predicted.stepSeconds, options);
  return 0;
}

function writeProfile(
  { manifest }: Bundle,
  measured: readonly MeasuredStep[],
  curves: readonly RunCurve[],
  file: string | undefined,
): Result<void> {
  const profile = profileOf(manifest.plan, measured, curves);
  if (file === undefined || profile === undefined) return success(undefined);
  return writeText(file, `${JSON.stringify(profile)}\n`);
}

type Prepared = {
  readonly bundle: Bundle;
  readonly training: TrainOptions;
  readonly validating: Validating | undefined;
};

async function prepare(folder: string, options: Options): Promise<Result<Prepared>> {
  const bundle = await openBundle(folder);
  if (!bundle.ok) return bundle;
  const { plan } = bundle.value;
  const unfit = unfitHere(bundle.value);
  if (unfit !== undefined) return failure(diagnose(unfit));
  const free = mayWrite(options.curve, options.profile);
  if (!free.ok) return free;
  const steps = options.steps === undefined ? undefined : wholeNumber('--steps', options.steps);
  if (steps?.ok === false) return steps;
  warnBeyond(plan.model, steps?.value);
  const every = wholeNumber('--checkpoint-every', options.checkpointEvery);
  if (!every.ok) return every;
  const keep = wholeNumber('--keep', options.keep);
  if (!keep.ok) return keep;
  const timeout = wholeNumber('--timeout', options.timeout ?? TIMEOUT);
  if (!timeout.ok) return timeout;
  const data = await trainingData(bundle.value, options.data, options.split);
  if (!data.ok) return data;
  const validating = prepareValidation(bundle.value, data.value, options);
  if (!validating.ok) return validating;
  const init = readInit(plan.model, options);
  if (init?.ok === false) return init;
  if (init !== undefined && init.warnings.length > 0) complain(init.warnings);
  const training: TrainOptions = {
    feed: windowsFeed(plan, data.value, options.split),
    ...(steps === undefined ? {} : { steps: steps.value }),
    ...(init === undefined ? {} : { init: init.value }),
    timeoutSeconds: timeout.value,
    checkpoints: {
      directory: options.checkpoint ?? checkpointFolder(bundle.value),
      every: every.value,
      keep: keep.value,
      resume: options.resume === true,
    },
  };
  return success({ bundle: bundle.value, training, validating: validating.value });
}

/** The rate curve of the text has an end. */
function warnBeyond({ training }: Model, given = 0): void {
  const steps = training?.steps ?? given;
  if (given > steps) complain([diagnose(fault('steps-beyond', { given, steps }))]);
}

/** Accuracy over all targets of a step. */
function inWords({ loss, confusion }: StepResult): string {
  const scores = Object.entries(confusion).map(
    ([name, counts]) => `${name} ${percent(scoreOf(counts).accuracy)}`,
  );
  return [`loss ${loss.toFixed(4)}`, ...scores].join('  ');
}

const listeners: {
  readonly [K in TrainEvent['kind']]: (
    event: Extract<TrainEvent, { kind: K }>,
    line: ReturnType<typeof createProgressLine>,
    options: Options,
  ) => void;
} = {
  started: () => undefined,
  resumed: ({ file, step }) => note(`Going on from step ${step} (${file})`),
  warning: ({ diagnostic }) => void complain([diagnostic]),
  checkpoint: () => undefined,
  validation: ({ step, best, ...score }, line, { json, validation: split }) => {
    const { accuracy, iou, pixels } = score;
    if (json) return print(JSON.stringify({ validation: split, step, accuracy, iou, pixels, best }));
    line.clear();
    note(validationInWords({ step, split, accuracy, mean: meanIou(score), best }));
  },
  step: (event, line, { json }) => {
    const { step, loss, seconds, samplesPerSecond, peakBytes, confusion, progress } = event;
    const accuracy = Object.fromEntries(
      Object.entries(confusion).map(([name, counts]) => [name, scoreOf(counts)]),
    );
    const { secondsLeft } = progress;
    if (json)
      print(
        JSON.stringify({ step, loss, seconds, samplesPerSecond, secondsLeft, peakBytes, metrics: accuracy }),
      );
    else line.show(progress, inWords(event));
  },
};

function tell<K extends TrainEvent['kind']>(
  event: Extract<TrainEvent, { kind: K }>,
  line: ReturnType<typeof createProgressLine>,
  options: Options,
): void {
  const listen = listeners[event.kind as K] as (typeof listeners)[K];
  listen(event, line, options);
}

function report(
  { step, stopped, checkpoint }: { step: number; stopped: boolean; checkpoint?: string },
  losses: RunCurves['losses'],
  seconds: number,
  predicted: number | undefined,
  options: Options,
): void {
  if (options.json) print(JSON.stringify({ done: !stopped, checkpoint }));
  else {
    const told = predicted === undefined ? '' : ` (predicted: ${showSeconds(predicted)})`;
    const each = losses.length === 0 ? '' : `, ${(seconds / losses.length).toFixed(2)} s a step${told}`;
    print(`${stopped ? 'Stopped' : 'Trained'} at step ${step}${each}.`);
    if (losses.length > 0)
      print(`Loss ${losses[0]?.value.toFixed(4)} -> ${losses.at(-1)?.value.toFixed(4)}.`);
    if (checkpoint !== undefined) print(`Weights: ${checkpoint}`);
    if (options.curve !== undefined && losses.length > 1) print(`Loss curve: ${options.curve}`);
    if (options.profile !== undefined && losses.length > 0) print(`Profile: ${options.profile}`);
  }
}
