/** The command line as its users meet it: each command in a process of its own. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import sharp from 'sharp';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { machineFor } from '../cli/machine-for.ts';
import { compileModel } from '../compiler/front/lower-model.ts';
import { printModule } from '../ir/text/module.ts';
import { readTensors } from '../runtime/files/safetensors.ts';
import { devicesOf, root, start, succeeding, unetc } from './support/command-line.ts';
import { valueIn } from './support/devices.ts';

const folder = mkdtempSync(join(tmpdir(), 'unetc-test-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
const inFolder = (name: string): string => join(folder, name);

const SIDE = 128;
const data = '--data examples/coastline';
const bundle = inFolder('coastline.plan');

/** The plan that most tests run: two devices, windows of 128 x 128, a step takes a fraction of a second. */
await succeeding(
  `compile examples/coastline.unet --set side=${SIDE} --set poolings=2 --devices 2 --pin tiles=1x2 --threads 1 -o ${bundle}`,
);

test('exit codes: 0 done, 1 the input is wrong, 2 wrong usage', async () => {
  for (const [words, status, said] of [
    ['--version', 0, /^\d+\.\d+\.\d+$/m],
    ['fmt --check examples/coastline.unet', 0, /^/],
    ['check nowhere.unet', 1, /file-missing.*nowhere\.unet/],
    [`verify ${folder}`, 1, /bundle-missing/],
    ['frobnicate', 2, /unknown command/],
    ['compile', 2, /missing required argument/],
    ['compile examples/coastline.unet --devices two', 2, /`--devices two`: expected a whole number/],
    [`run ${bundle} ${data} --steps two`, 2, /`--steps two`: expected a whole number/],
    ['compile examples/coastline.unet --pin tils=2x2', 2, /`--pin tils=2x2`: expected KEY=VALUE.*tiles/],
    ['compile examples/coastline.unet --pin tiles=2y2', 2, /`--pin tiles=2y2`.*found `y2`/],
    ['compile examples/coastline.unet --pin replicas=3', 1, /wrong-schedule.*replicas 3/],
  ] as const) {
    const ended = await unetc(words);
    assert.is(ended.status, status, `${words}: ${ended.stderr}`);
    assert.match(`${ended.stdout}${ended.stderr}`, said, words);
    if (status > 0) assert.is(ended.stdout, '', `${words}: a failure leaves stdout alone`);
  }
});

/** Parameters as published. */
for (const [file, sets, parameters] of [
  ['classic', '', 31_030_658],
  ['torchgpipe', '', 232_687_328],
  ['torchgpipe', '--set num_convs=6 --set base=72', 362_157_516],
  ['torchgpipe', '--set num_convs=11 --set base=128', 2_213_834_176],
  ['torchgpipe', '--set num_convs=24 --set base=128', 4_993_859_008],
  ['torchgpipe', '--set num_convs=24 --set base=160', 7_802_903_600],
  ['torchgpipe', '--set num_convs=48 --set base=160', 15_822_206_000],
] as const)
  test(`check --json counts the parameters of ${file} ${sets}`, async () => {
    const summary = JSON.parse(
      await succeeding(`check examples/${file}.unet ${sets} --json`.replace('  ', ' ')),
    );
    assert.is(summary.parameters, parameters);
    for (const key of ['ops', 'forwardFlops', 'levels', 'receptiveField', 'outputs'])
      assert.ok(key in summary, key);
  });

test('a norm refuses tiles that one device works through one after another, and names its value', async () => {
  const small = '--set base=4 --set num_convs=2 --set depth=2 --set side=32';
  const { status, stderr } = await unetc(
    `compile examples/torchgpipe.unet ${small} --pin tiles=2x2 --pin stream=2x2 -o ${inFolder('refused')}`,
  );
  assert.is(status, 1);
  assert.match(stderr, /norm-over-tiles.*`unet\.encode\[0\]\.instance_norm\[0\].*2 x 2 tiles/);
  assert.match(stderr, /hint: give each tile a device of its own \(`--devices`\)/);
  assert.not.ok(readdirSync(folder).includes('refused'), 'nothing is written');
});

test('what does not fit is refused with what is missing, and what needs most of it', async () => {
  const { status, stderr } = await unetc(
    `compile examples/coastline.unet --set side=64 --set poolings=1 --memory 1MiB --devices 2 -o ${inFolder('large')}`,
  );
  assert.is(status, 1);
  assert.match(stderr, /does-not-fit.*2 devices fits 1\.00 MiB.*needs [\d.]+ MiB, [\d.]+ [KM]iB too much/);
  assert.match(stderr, /hint: the largest part is `\S+`, [\d.]+ [KM]iB/);
});

test('opt runs passes, text to text, and all of them end where compile ends', async () => {
  const sets = { side: `${SIDE}`, poolings: '2' };
  const source = readFileSync(join(root, 'examples/coastline.unet'), 'utf8');
  const model = valueIn(compileModel(source, 'coastline.unet', { purpose: 'train', sets }));
  const chosen = valueIn(machineFor(undefined, { devices: 2, tiles: [1, 2] }));
  const files = ['model', 'sharded', 'plan'].map((name) => inFolder(`${name}.ir`));
  const [first = '', sharded = '', plan = ''] = files;
  writeFileSync(first, printModule({ stage: 'model', model, ...chosen }));
  writeFileSync(sharded, await succeeding(`opt --pass joint-search --pass shard ${first}`));
  writeFileSync(plan, await succeeding(`opt --pass gradient --pass instruct --pass allocate ${sharded}`));
  const compiled = await succeeding(`inspect ${bundle} --ir`);
  assert.ok(readFileSync(plan, 'utf8').includes(compiled.trim()), 'the plan of the bundle');
  const wrong = await unetc(`opt --pass shard ${first}`);
  assert.is(wrong.status, 2);
  assert.match(wrong.stderr, /`--pass shard`: expected a pass that works on a model module/);
});

const runs = `run ${bundle} ${data} --json --steps 8 --checkpoint-every 2`;
const lastStep = 'step-000008.safetensors';

type Line = { readonly step?: number; readonly done?: boolean; readonly checkpoint?: string };
const linesOf = (stdout: string): Line[] =>
  stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));

const sameFile = (a: string, b: string): boolean => readFileSync(a).equals(readFileSync(b));

/** A run that nothing disturbs; what others must equal. */
const undisturbed = inFolder('undisturbed');
test('run prints a line a step, and then the checkpoint', async () => {
  const lines = linesOf(await succeeding(`${runs} --checkpoint ${undisturbed}`));
  assert.equal(
    lines.slice(0, -1).map(({ step }) => step),
    [0, 1, 2, 3, 4, 5, 6, 7],
  );
  assert.equal(lines.at(-1), { done: true, checkpoint: join(undisturbed, lastStep) });
  assert.equal(
    readdirSync(undisturbed).sort(),
    ['step-000004', 'step-000006', 'step-000008'].map((name) => `${name}.safetensors`),
  );
});

test('the same run again gives the same weights, bit for bit', async () => {
  const again = inFolder('again');
  await succeeding(`${runs} --checkpoint ${again}`);
  assert.ok(sameFile(join(again, lastStep), join(undisturbed, lastStep)));
});

test('a device killed in the middle of a step: exit 3, its instruction named, and --resume goes on', async () => {
  const directory = inFolder('killed');
  const running = start(`${runs} --checkpoint ${directory}`);
  await running.line((line) => line.startsWith('{"step":0,'));
  const devices = devicesOf(running);
  assert.is(devices.length, 2);
  await running.line((line) => line.startsWith('{"step":2,'));
  await sleep(100);
  process.kill(devices[1] ?? 0, 'SIGKILL');
  const { status, stderr } = await running.ended;
  assert.is(status, 3);
  assert.match(
    stderr,
    /device-died.*device 1 ended \(SIGKILL\) while it was at `step \d, instruction \d+: \w+/,
  );
  assert.match(stderr, /the last good checkpoint is `\S*step-00000[246]\.safetensors`/);
  const [newest = ''] = readdirSync(directory).sort().reverse();
  assert.ok(readTensors(join(directory, newest)).ok, newest);
  for (const pid of devices) assert.throws(() => process.kill(pid, 0), 'ESRCH');
  const { stdout, stderr: said } = await unetc(`${runs} --checkpoint ${directory} --resume`);
  assert.match(said, /Going on from step [246]/);
  assert.is(linesOf(stdout).at(-1)?.done, true);
  assert.ok(sameFile(join(directory, lastStep), join(undisturbed, lastStep)));
});

test('SIGTERM ends the run after the step, with a checkpoint; --resume goes on', async () => {
  const directory = inFolder('stopped');
  const running = start(`${runs} --checkpoint ${directory}`);
  await running.line((line) => line.startsWith('{"step":2,'));
  running.process.kill('SIGTERM');
  const { status, stdout, stderr } = await running.ended;
  assert.is(status, 0, stderr);
  const lines = linesOf(stdout);
  const steps = lines.length - 1;
  assert.ok(steps < 8, 'it was stopped in time');
  const checkpoint = join(directory, `step-${String(steps).padStart(6, '0')}.safetensors`);
  assert.equal(lines.at(-1), { done: false, checkpoint });
  await succeeding(`${runs} --checkpoint ${directory} --resume`);
  assert.ok(sameFile(join(directory, lastStep), join(undisturbed, lastStep)));
});

test('a run does not mix with the checkpoints of another', async () => {
  const { status, stderr } = await unetc(`${runs} --checkpoint ${undisturbed}`);
  assert.ok(status !== 0);
  assert.match(stderr, /checkpoints-exist/);
});

/** A part of the scene as a file of its own. */
async function cutOut(name: string, width: number, height: number): Promise<string> {
  const file = inFolder(name);
  const scene = sharp(join(root, 'examples/coastline/blue-marble.jpg'), { limitInputPixels: false });
  await scene.extract({ left: 2600, top: 700, width, height }).png().toFile(file);
  return file;
}

const pixelsOf = (file: string, channels: 1 | 3): Promise<Buffer> =>
  (channels === 1 ? sharp(file).toColourspace('b-w') : sharp(file)).raw().toBuffer();

const weights = `--weights ${undisturbed}`;

/** The exported network, run by ONNX Runtime alone: classes, and how far apart the two logits are. */
async function exportedOn(
  picture: string,
  onnx: string,
): Promise<{ classes: Uint8Array; margins: number[] }> {
  const session = await InferenceSession.create(onnx);
  const pixels = await pixelsOf(picture, 3);
  const cells = SIDE * SIDE;
  const planes = Float32Array.from(
    { length: 3 * cells },
    (_, i) => pixels[(i % cells) * 3 + Math.floor(i / cells)] ?? 0,
  );
  const found = await session.run({ image: new Tensor('float32', planes, [1, 3, SIDE, SIDE]) });
  const logits = found['land.logits']?.data as Float32Array;
  const margins = Array.from({ length: cells }, (_, i) =>
    Math.abs((logits[i] ?? 0) - (logits[i + cells] ?? 0)),
  );
  return { classes: found.land?.data as Uint8Array, margins };
}

test('predict gives the classes of the exported network, which ONNX Runtime runs alone', async () => {
  const picture = await cutOut('small.png', SIDE, SIDE);
  await succeeding(`export ${bundle} ${weights} -o ${inFolder('coastline.onnx')}`);
  await succeeding(`predict ${bundle} ${picture} ${weights} -o ${inFolder('small-mask.png')}`);
  const { classes, margins } = await exportedOn(picture, inFolder('coastline.onnx'));
  const mask = await pixelsOf(inFolder('small-mask.png'), 1);
  assert.is(mask.length, classes.length);
  assert.equal(new Set(mask), new Set([0, 255]), 'both classes occur');
  // Where the logits are as good as equal, rounding decides.
  const clear = margins.flatMap((margin, i) => (margin > 1e-4 ? [i] : []));
  assert.ok(clear.length > 0.99 * mask.length);
  assert.is(
    clear.find((i) => (mask[i] ?? 0) / 255 !== classes[i]),
    undefined,
  );
});

test('predict gives the same mask whatever the tiles', async () => {
  const picture = await cutOut('wide.png', 152, 132);
  const masks: Buffer[] = [];
  for (const [memory, tiles] of [
    ['1GiB', /Plan: 1 x 1 tile,/],
    ['6MiB', /Plan: (?!1 x 1 )\d+ x \d+ tiles,/],
  ] as const) {
    const mask = inFolder(`mask-${memory}.png`);
    const { status, stderr } = await unetc(
      `predict ${bundle} ${picture} ${weights} --devices 1 --memory ${memory} -o ${mask}`,
    );
    assert.is(status, 0, stderr);
    assert.match(stderr, tiles);
    masks.push(readFileSync(mask));
  }
  assert.ok(masks[0]?.equals(masks[1] ?? Buffer.alloc(0)));
});

test.run();
