/** What goes wrong around a network: files, folders, disks, options. Each refusal says what to do, and is no bug of ours. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { program } from './support/command-line.ts';

// A blank in a path must not matter.
const folder = mkdtempSync(join(tmpdir(), 'unetc test '));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
const inFolder = (name: string): string => join(folder, name);

function unetc(args: readonly string[], stdout: number | 'pipe' = 'pipe') {
  return spawnSync(process.execPath, [...program, ...args], {
    cwd: folder,
    encoding: 'utf8',
    stdio: ['ignore', stdout, 'pipe'],
  });
}

/** Ends with `status`, says each of `said`, and calls nothing a bug. */
function expectRefusal(args: readonly string[], status: number, said: readonly RegExp[], stdout?: number) {
  const ended = unetc(args, stdout);
  assert.is(ended.status, status, ended.stderr);
  for (const words of said) assert.match(ended.stderr, words);
  assert.not.match(ended.stderr, /bug in unetc|\n {4}at /);
}

const text = `model dots
input  image : f32[3, 8, 8] scaled by 1/255
target dot   : class[8, 8] of 2
let logits = image |> conv(2, 3)
loss  cross_entropy(logits, dot)
train sgd(0.1), batch = 1, steps = 1
`;

writeFileSync(inFolder('dots.unet'), text);
for (const [name, channels] of [
  ['colour', 3],
  ['alpha', 4],
] as const)
  await sharp({ create: { width: 9, height: 11, channels, background: { r: 9, g: 99, b: 9, alpha: 0.5 } } })
    .png()
    .toFile(inFolder(`${name}.png`));
for (const [name, cell] of [
  ['gray', () => 9],
  ['label', (i: number) => i % 2],
] as const)
  await sharp(
    Uint8Array.from({ length: 99 }, (_, i) => cell(i)),
    { raw: { width: 9, height: 11, channels: 1 } },
  )
    .toColourspace('b-w')
    .png()
    .toFile(inFolder(`${name}.png`));
writeFileSync(
  inFolder('data.json'),
  JSON.stringify({ pairs: [{ image: 'colour.png', label: 'label.png' }], splits: { train: ['colour'] } }),
);

const predict = (image: string, mask = 'mask.png') => [
  'predict',
  'dots.plan',
  image,
  '--weights',
  'dots.plan/checkpoints',
  '-o',
  mask,
];

test('one role is one role', () => {
  assert.is(unetc(['compile', 'dots.unet']).status, 0);
  assert.match(unetc(['verify', 'dots.plan']).stdout, /^Sound: 1 role, \d segments, /);
});

// A cosine is at 0 behind its end: such a run went on for hours and learned nothing.
test('steps behind the end of the rate curve are warned of', () => {
  const { status, stderr } = unetc(['run', 'dots.plan', '--data', '.', '--steps', '2']);
  assert.is(status, 0, stderr);
  assert.match(stderr, /warning\[steps-beyond\]: `--steps 2` goes beyond step 1, .*\n.*hint: .*`--init`/);
});

test('a bundle for a machine that a launcher starts holds the executor for it, and does not run here', () => {
  assert.is(
    unetc(['compile', 'dots.unet', '--machine', 'summit', '--devices', '1', '-o', 'far.plan']).status,
    0,
  );
  assert.ok(existsSync(inFolder('far.plan/torch/run.py')));
  assert.not(existsSync(inFolder('far.plan/segments')));
  assert.match(unetc(['verify', 'far.plan']).stdout, /^Sound: /);
  expectRefusal(['run', 'far.plan', '--data', '.'], 1, [
    /bundle-executor\]: .*far\.plan.*\n.*hint: .*--launcher/,
  ]);
});

test('a launcher is one that we know, and what it cannot do is said', () => {
  const run = ['run', 'dots.plan', '--data', '.', '--launcher'];
  expectRefusal([...run, 'sge'], 2, [/`--launcher sge`: expected one of local, torchrun, slurm, lsf/]);
  expectRefusal([...run, 'slurm', '--curve', 'curve.png', '--checkpoint', 'none'], 2, [
    /`--curve curve\.png`: expected no job that goes on after this command: with `--profile FILE`/,
  ]);
  const scored = ['--validation', 'train', '--profile', 'run.jsonl'];
  expectRefusal([...run, 'lsf', '--python', 'x', '--checkpoint', 'none', '--stage', 'plain', ...scored], 3, [
    /submission-failed\]: `bsub` did not take .*job\.lsf/,
  ]);
  assert.ok(existsSync(inFolder('plain/data.json')));
  assert.ok(existsSync(inFolder('dots.plan/predictions/11x9/manifest.json')));
  const script = readFileSync(inFolder('dots.plan/job.lsf'), 'utf8');
  assert.match(script, / --validation train --validate-every 50 --profile '.*run\.jsonl' /);
  expectRefusal([...run, 'torchrun', '--python', 'no-python', '--checkpoint', 'none'], 1, [/torch-missing/]);
});

// The first device fell over "143070 places for 4 x 251 x 190 pixels".
test('predict refuses an image of other channels before anything starts', () => {
  for (const [image, channels] of [
    ['alpha.png', 4],
    ['gray.png', 1],
  ] as const) {
    const words = new RegExp(
      `image-channels-differ\\]: \`.*${image}\` has ${channels} channels.* takes 3\\n.*hint: `,
    );
    expectRefusal(predict(image), 1, [words]);
  }
  assert.is(unetc(predict('colour.png')).status, 0);
});

test('what the system says comes in words', () => {
  expectRefusal(predict('nowhere.png'), 1, [
    /cannot read `.*nowhere\.png`: there is no such file or folder\n/,
  ]);
  expectRefusal(['check', '.'], 1, [/file-unreadable\]: cannot read `\.`: it is a folder\n/]);
  expectRefusal(predict('colour.png', 'no/mask.png'), 3, [
    /write-failed.*no\/mask\.png`: there is no folder `no`/,
  ]);
});

// A PNG file came out, whatever it was called.
test('a mask is named after what it is', () => {
  expectRefusal(predict('colour.png', 'mask.jpg'), 2, [
    /`--output mask\.jpg`: expected a name that ends in \.png/,
  ]);
});

test('a schedule that is wrong is an input that is wrong, shown with its line', () => {
  writeFileSync(inFolder('wrong.schedule'), 'schedule dots\n  tiles 0 x 2\n');
  expectRefusal(['compile', 'dots.unet', '--schedule', 'wrong.schedule'], 1, [
    /wrong\.schedule:2:9: error\[text-unexpected\]/,
    /2 \| {3}tiles 0 x 2/,
  ]);
});

test('strips that cannot be done are refused by name', () => {
  writeFileSync(
    inFolder('normed.unet'),
    text.replace('conv(2, 3)', 'conv(4, 3) |> instance_norm |> conv(2, 3)'),
  );
  writeFileSync(inFolder('strips.schedule'), 'schedule dots\n  strips 2 from conv[0] to conv[1]\n');
  expectRefusal(['compile', 'normed.unet', '--schedule', 'strips.schedule'], 1, [
    /wrong-schedule\]: `strips` from `conv\[0\]` to `conv\[1\]`: .* takes the statistics of a whole sample/,
    /hint: end the strips before `.*`, or begin them after it/,
  ]);
});

test('opt names the passes that fit a module', () => {
  writeFileSync(inFolder('plan.ir'), unetc(['inspect', 'dots.plan', '--ir']).stdout);
  expectRefusal(['opt', '--pass', 'shard', 'plan.ir'], 2, [/a pass that works on a plan module: `allocate`/]);
});

test('a full disk behind stdout ends with 3', () => {
  if (!existsSync('/dev/full')) return;
  const full = openSync('/dev/full', 'w');
  expectRefusal(['check', 'dots.unet'], 3, [/write-failed.*`standard output`: the disk is full/], full);
});

test.run();
