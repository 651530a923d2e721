/**
 * Scores that the PyTorch executor takes while it trains: those of this machine's executor for the same weights, under
 * one rank, tiles and stages; the best checkpoint of either is that of both; and what is refused or stopped.
 */
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { createPredictors } from '../cli/predicting-bundles.ts';
import { findWeights, openDataHere } from '../cli/run-inputs.ts';
import { stagePredictions } from '../cli/staged-predictions.ts';
import { openBundle } from '../runtime/bundle.ts';
import { evaluate } from '../runtime/evaluate.ts';
import { readMetadata } from '../runtime/files/safetensors.ts';
import { meanIou, type Score } from '../runtime/metrics.ts';
import { pythonTest } from '../runtime/tests/python.ts';
import { dataDirectory } from '../runtime/tests/test-data.ts';
import { meanIouOf, type Told } from '../runtime/told.ts';
import { succeeding, unetc } from './support/command-line.ts';
import { valueIn } from './support/devices.ts';
import { compiled, runTorch, smoothNetwork, startTorch, type TorchEnded } from './support/torch-runs.ts';

const folder = mkdtempSync(join(tmpdir(), 'unetc-test-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
const inFolder = (name: string): string => join(folder, name);

const bright = (y: number, x: number, channel: number) =>
  channel === 0 ? (y * 9 + x * 5) % 256 : (y + x) % 256;
/** Values of a label file that are not classes; some pixels have none. */
const land = (y: number, x: number) => ((y + x) % 17 === 0 ? 99 : bright(y, x, 0) > 127 ? 200 : 7);
const size = { height: 96, width: 128 };
const val = [
  { pair: 'a', rows: [0, 40], columns: [0, 64] },
  { pair: 'a', rows: [40, 88], columns: [10, 90] },
  { pair: 'a', rows: [50, 90], columns: [60, 124] },
];
const raw = await dataDirectory(
  {
    'a.png': { ...size, paint: bright },
    'a-land.png': { ...size, channels: 1, paint: land },
  },
  {
    pairs: [{ name: 'a', image: 'a.png', label: 'a-land.png' }],
    labels: { 7: 0, 200: 1, 99: null },
    splits: { train: ['a'], val, long: Array.from({ length: 400 }, () => val[0]) },
  },
);

const network = smoothNetwork(folder);
const stages = inFolder('stages.schedule');
writeFileSync(
  stages,
  `schedule coastline
  devices 2
  replicas 1
  tiles 1 x 1
  stages 0, 1 from unet.down[0].avg_pool[0]
  micro_batches 2
  order 1f1b
`,
);
const one = await compiled(network, '--devices 1', inFolder('one.plan'));
const data = inFolder('data');
await succeeding(`stage ${one} --data ${raw} --validation val -o ${data}`);

const scoring = (split: string, every: number): string[] => [
  '--validation',
  split,
  '--validate-every',
  `${every}`,
];
const alone = (...args: string[]) => ({
  bundle: one,
  ranks: 1,
  args: ['--data', data, '--timeout', '20', ...args],
});

const toldBy = (lines: string): Told[] =>
  lines.split('\n').flatMap((line) => (line.startsWith('{') ? [JSON.parse(line)] : []));
const validationsIn = (told: readonly Told[]): Told[] =>
  told.filter(({ validation }) => validation !== undefined);

/** What this machine's executor says of weights. */
async function scoreHere(weights: string): Promise<Score> {
  const bundle = valueIn(await openBundle(one));
  const predictors = createPredictors(bundle, { devices: '1' });
  try {
    const { bundleFor } = predictors;
    const found = valueIn(findWeights(weights, bundle));
    return valueIn(
      await evaluate({
        data: valueIn(await openDataHere(raw, bundle.plan.model)),
        split: 'val',
        weights: found,
        bundleFor,
      }),
    );
  } finally {
    predictors.remove();
  }
}

/** The last validation of a run, on the weights of its last checkpoint. */
async function expectSameScore(told: readonly Told[], checkpoints: string): Promise<void> {
  const right = await scoreHere(checkpoints);
  const { accuracy, iou, pixels } = validationsIn(told).at(-1) as Told & { pixels: number };
  assert.equal({ accuracy, iou, pixels }, { accuracy: right.accuracy, iou: right.iou, pixels: right.pixels });
  assert.ok(right.accuracy > 0 && right.accuracy < 1 && right.pixels < 40 * 64 + 48 * 80 + 40 * 64);
}

const runs = inFolder('runs');

pythonTest('torch', 'one rank scores as `evaluate` does, also after the last step', async (python) => {
  const args = ['--steps', '3', '--checkpoint', runs, ...scoring('val', 2)];
  const { status, stderr, records } = await runTorch(python, alone(...args));
  assert.is(status, 0, stderr);
  assert.equal(
    validationsIn(records).map(({ step, validation }) => [step, validation]),
    [
      [2, 'val'],
      [3, 'val'],
    ],
  );
  await expectSameScore(records, runs);
});

pythonTest('torch', 'either executor keeps the best of both', async (python) => {
  const args = ['--checkpoint', runs, '--resume', ...scoring('val', 1)];
  const best = () => {
    const notes = valueIn(readMetadata(join(runs, 'best.safetensors')));
    return [Number(notes.get('step')), Number(notes.get('note.mean-iou'))];
  };
  const [bestStep = 0, reached = 0] = best();
  const here = toldBy(
    await succeeding(`run ${one} --data ${raw} --steps 5 --json ${args.join(' ')} --timeout 60`),
  );
  const afterHere = best();
  const again = await runTorch(python, alone('--steps', '8', ...args));
  assert.is(again.status, 0, again.stderr);
  const scores = [...validationsIn(here), ...validationsIn(again.records)];
  assert.equal(
    scores.map(({ step }) => step),
    [4, 5, 6, 7, 8],
  );
  let [step, most] = [bestStep, reached];
  for (const told of scores) {
    assert.is(told.best, meanIouOf(told) > most, `step ${told.step}`);
    if (told.best) [step, most] = [told.step ?? 0, meanIouOf(told)];
    if (told.step === 5) assert.equal(afterHere, [step, most]);
  }
  assert.equal(best(), [step, most]);
  assert.is(meanIou(await scoreHere(join(runs, 'best.safetensors'))), most);
});

for (const [name, pins] of [
  ['two ranks with tiles', '--devices 2 --pin tiles=1x2'],
  ['two stages', `--schedule ${stages}`],
] as const)
  pythonTest('torch', `${name} score as one: \`run --launcher\` plans the predictions`, async (python) => {
    const bundle = await compiled(network, pins, inFolder(`${name.replaceAll(' ', '-')}.plan`));
    const [checkpoints, curve] = [inFolder(`${name}`.replaceAll(' ', '-')), inFolder(`curve.png`)];
    const told = toldBy(
      await succeeding(
        `run ${bundle} --data ${data} --steps 2 --json --launcher torchrun --python ${python} --checkpoint ${checkpoints} --curve ${curve} ${scoring('val', 2).join(' ')}`,
      ),
    );
    assert.is(validationsIn(told).length, 1);
    assert.is(readFileSync(curve).subarray(1, 4).toString(), 'PNG');
    rmSync(curve);
    await expectSameScore(told, checkpoints);
  });

pythonTest('torch', 'a signal ends a validation, which then counts for nothing', async (python) => {
  const checkpoints = inFolder('stopped');
  const bundle = valueIn(await openBundle(one));
  valueIn(stagePredictions(bundle, valueIn(await openDataHere(raw, bundle.plan.model)), 'long'));
  const run = startTorch(python, alone('--steps', '9', '--checkpoint', checkpoints, ...scoring('long', 1)));
  // Told before the validation begins.
  run.onRecord(({ step }) => step === 0 && run.process.kill('SIGTERM'));
  const { status, records, stderr } = await run.ended;
  assert.is(status, 0, stderr);
  assert.is(validationsIn(records).length, 0);
  assert.equal(records.at(-1), { done: false, checkpoint: join(checkpoints, 'step-000001.safetensors') });
});

const refusal = ({ status, stderr }: TorchEnded): string => {
  assert.is(status, 1, stderr);
  return stderr;
};

pythonTest(
  'torch',
  'predictions that are missing, changed or of another text are refused',
  async (python) => {
    const args = ['--steps', '1', ...scoring('val', 1)];
    const own = join(one, 'predictions/40x64');
    assert.match(
      refusal(await runTorch(python, alone('--steps', '1', ...scoring('train', 1)))),
      /predictions\/96x128 is not there: .*stage --validation/,
    );
    const schedule = readFileSync(join(own, 'schedule'));
    appendFileSync(join(own, 'schedule'), ' ');
    assert.match(
      refusal(await runTorch(python, alone(...args))),
      /schedule .* is not the file that was compiled/,
    );
    writeFileSync(join(own, 'schedule'), schedule);
    const manifest = join(own, 'manifest.json');
    writeFileSync(
      manifest,
      JSON.stringify({ ...JSON.parse(readFileSync(manifest, 'utf8')), sets: { side: '16' } }),
    );
    assert.match(refusal(await runTorch(python, alone(...args))), /40x64 is no prediction of the network of/);
  },
);

test('a prediction that fits no device is refused before anything starts', async () => {
  const text = readFileSync(network, 'utf8').replaceAll('|> silu', '|> group_norm(2) |> silu');
  const whole = inFolder('whole.unet');
  writeFileSync(whole, text);
  const bundle = inFolder('whole.plan');
  const sets = '--set side=16 --set poolings=1';
  await succeeding(`compile ${whole} ${sets} --devices 1 --memory 5MiB -o ${bundle}`);
  const launch = `run ${bundle} --data ${raw} --launcher torchrun --python no-such-python`;
  const { status, stderr } = await unetc(`${launch} --validation val`);
  assert.is(status, 1);
  assert.match(stderr, /does-not-fit/);
  assert.match(stderr, /`--validation val` needs, in half the memory of a device/);
});

test.run();
