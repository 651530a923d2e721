/**
 * Typical mistakes of somebody new, beside those of models (`compiler/front/mistakes.test.ts`): in options, pins,
 * machines and bundles. What is said of each is in `golden/mistakes/`, to be read as they read it.
 */
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { createProgram } from '../cli/program.ts';

const root = join(import.meta.dirname, '..');
const summit = readFileSync(join(root, 'machines', 'summit.machine'), 'utf8');
const coastline = readFileSync(join(root, 'examples', 'coastline.unet'), 'utf8');

/** Commands run in a folder of their own, where these files lie. */
const folder = mkdtempSync(join(tmpdir(), 'unetc-mistakes-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

const machine = (name: string, from: string | RegExp, to: string): void => {
  const text = summit.replace(from, to);
  assert.is.not(text, summit, name);
  writeFileSync(join(folder, `${name}.machine`), text);
};

writeFileSync(join(folder, 'net.unet'), coastline.replace(/side {4}= 256/, 'side    = 64'));
machine('unit-missing', 'memory 16 GiB', 'memory 16');
machine('unit-wrong', '15.7 TFLOP/s', '15.7 TFLOPS');
machine('word-wrong', 'bandwidth 900', 'bandwith 900');
machine('provenance-wrong', 'published', 'publishd');
machine('block-missing', /^ {2}host .*$/m, '');
machine('no-devices', 'node 6 x', 'node 0 x');
machine('launcher-wrong', 'launcher lsf', 'launcher sge');
machine('sockets-wrong', '[0..2] [3..5] {', '[0..3] [3..5] {');
machine('share-wrong', 'arithmetic 0.75', 'arithmetic 75');

const compile = 'compile net.unet';
const on = `${compile} --machine summit --devices 6`;

const mistakes = [
  'compile nte.unet',
  `${compile} --machine sumit`,
  `${compile} --machine my.machine`,
  `${compile} --machine net.unet`,
  `${compile} --machine summit --devices 30000`,
  `${compile} --machine summit --devices six`,
  `${on} --memory 4`,
  `${on} --memory 4G`,
  `${on} --memory 2MiB`,
  `${on} --pin tiles`,
  `${on} --pin tile=2x3`,
  `${on} --pin tiles=2,3`,
  `${on} --pin tiles=6`,
  `${on} --pin tiles=100x1`,
  `${on} --pin rows=0,32,64`,
  `${on} --pin replicas=3`,
  `${on} --pin replicas=2 --pin micro_batches=4`,
  `${on} --pin replicas=2 --pin tiles=2x2`,
  `${on} --pin stages=9`,
  `${on} --pin order=fast`,
  `${on} --pin halo=exchange`,
  `${on} --pin drop=relu`,
  `${on} --pin memory=4GiB`,
  `${on} --schedule summit.schedule`,
  ...[
    'unit-missing',
    'unit-wrong',
    'word-wrong',
    'provenance-wrong',
    'block-missing',
    'no-devices',
    'launcher-wrong',
    'sockets-wrong',
    'share-wrong',
  ].map((name) => `${compile} --machine ${name}.machine --devices 6`),
  `${compile} --set sides=64`,
  `${compile} --set side=30`,
  `${compile} --machine localhost`,
  'compile picture.png',
  `${compile} --devices 2 --pin tiles=2x2`,
  `${on} --memory-curve --pin drop=unet.encode[0].relu[0]`,
  'scale net.unet --machine summit --devices 6-96',
  'scale net.unet --machine summit --devices 6 --against halo',
  'calibrate -o nowhere/mine.machine',
  'run net.unet --data scenes',
  'run good.plan --data scenes',
  'run good.plan --data scenes --launcher pbs',
  'run good.plan --data scenes --curve nowhere/loss.png',
  'run far.plan --data scenes',
  'run old.plan --data scenes',
  'run edited.plan --data scenes',
  'run torn.plan --data scenes',
  'evaluate good.plan --weights net.unet --data scenes',
  'predict good.plan --weights net.unet picture.png -o mask.jpg',
  'predict good.plan --weights net.unet picture.png -o nowhere/mask.png',
  'predict good.plan --weights net.unet picture.png -o mask.png',
  'export good.plan --weights net.unet',
  'inspect good.plan --profile net.unet',
  'inspect good.plan --scaling far.plan/plan.json',
  'inspect good.plan --html nowhere/report.html',
  'inspect net.unet',
  'inspect .',
  'verify nowhere',
  'explain does-not-fi',
];

/** Bundles: one to be run here, one for elsewhere, and what becomes of a bundle. */
function makeBundles(): void {
  writeFileSync(join(folder, 'picture.png'), Buffer.from([0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10, 0, 0]));
  const manifest = readFileSync(join(folder, 'good.plan', 'manifest.json'), 'utf8');
  for (const name of ['old', 'edited', 'torn'])
    cpSync(join(folder, 'good.plan'), join(folder, `${name}.plan`), { recursive: true });
  const into = (name: string, file: string, text: string) => writeFileSync(join(folder, name, file), text);
  into('old.plan', 'manifest.json', manifest.replace(/"format": \d+/, '"format": 1'));
  into('edited.plan', 'schedule', 'schedule coastline\n');
  into('torn.plan', 'manifest.json', manifest.slice(0, 100));
}

/** What a command says, and how it ends. */
async function said(words: string): Promise<string> {
  const lines: string[] = [];
  const { stdout, stderr } = process;
  const [out, err, before] = [stdout.write, stderr.write, process.cwd()];
  const take = (text: string | Uint8Array): boolean => lines.push(String(text)) > 0;
  process.chdir(folder);
  stdout.write = take;
  stderr.write = take;
  try {
    const program = await createProgram(words.split(' ')[0]);
    await program.parseAsync(words.split(' '), { from: 'user' });
  } finally {
    stdout.write = out;
    stderr.write = err;
    process.chdir(before);
  }
  const ended = process.exitCode;
  process.exitCode = 0;
  return `$ unetc ${words}\n${lines.join('').trim()}\n(exit ${ended})\n`;
}

test('what newcomers are told', async () => {
  const all: string[] = [];
  assert.match(await said(`${compile} -o good.plan`), /exit 0/);
  assert.match(await said(`${on} -o far.plan`), /exit 0/);
  makeBundles();
  for (const words of mistakes) {
    const answer = await said(words);
    assert.match(answer, /\(exit [123]\)/, answer);
    assert.not.match(answer, /This is a bug/);
    all.push(answer);
  }
  const file = join(import.meta.dirname, 'golden', 'mistakes', 'newcomers.txt');
  const text = all.join('\n');
  if (process.env.BLESS) writeFileSync(file, text);
  assert.ok(existsSync(file), `${file} is missing: \`npm run bless\` writes it`);
  assert.fixture(text, readFileSync(file, 'utf8'), `${file} differs: \`npm run bless\` rewrites it`);
});

test.run();
