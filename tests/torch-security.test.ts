/**
 * The PyTorch executor and what it must not do: read a file outside of its bundle, unpickle anything, listen where
 * nobody told it to.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { pythonTest, torchFolder } from '../runtime/tests/python.ts';
import { succeeding } from './support/command-line.ts';
import { listeningAddresses } from './support/listening.ts';
import { brightData, compiled, freePort, runTorch, smoothNetwork, startRanks } from './support/torch-runs.ts';

const folder = mkdtempSync(join(tmpdir(), 'unetc-test-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
const inFolder = (name: string): string => join(folder, name);

const network = smoothNetwork(folder);
const two = await compiled(network, '--devices 2 --pin replicas=2', inFolder('two.plan'));
const one = await compiled(network, '--devices 1', inFolder('one.plan'));
await succeeding(`stage ${two} --data ${await brightData()} -o ${inFolder('data')}`);
const secret = inFolder('secret.json');
writeFileSync(secret, '{"secret": true}');

let copies = 0;

/** Opens a bundle as the executor does first of all. */
const OPEN = `
import sys
sys.path.insert(0, sys.argv[1])
from unetc_torch.bundle import open_bundle
from unetc_torch.errors import Refusal
try:
    open_bundle(sys.argv[2])
except Refusal as refusal:
    print("refused:", refusal)
`;

/** What is said of a copy of a bundle to which something was done; nothing where it opens. */
function spoilt(python: string, spoil: (bundle: string) => void): string {
  const bundle = inFolder(`copy-${copies++}.plan`);
  cpSync(one, bundle, { recursive: true });
  spoil(bundle);
  const environment = { ...process.env, PYTHONDONTWRITEBYTECODE: '1' };
  const { stdout, stderr } = spawnSync(python, ['-c', OPEN, torchFolder, bundle], { env: environment });
  return `${stdout}${stderr}`;
}

const sha256 = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex');

/** Adds a file to the manifest, with the right hash: only where it lies is wrong. */
const naming = (name: string) => (bundle: string) => {
  const path = join(bundle, 'manifest.json');
  const manifest = JSON.parse(readFileSync(path, 'utf8'));
  manifest.files[name] = sha256(secret);
  writeFileSync(path, JSON.stringify(manifest));
};

/** Puts a link in the place of something in the bundle. */
const linking = (name: string, target: (bundle: string) => string) => (bundle: string) => {
  const elsewhere = target(bundle);
  renameSync(join(bundle, name), elsewhere);
  symlinkSync(elsewhere, join(bundle, name));
};
const besides = (bundle: string): string => `${bundle}.moved`;

pythonTest('json', 'a bundle cannot name a file outside of itself', (python) => {
  const names = [
    '../secret.json',
    secret,
    'a/../../secret.json',
    'roles/../../secret.json',
    './../secret.json',
    '..',
    '.',
    '',
    'a\\b',
  ];
  for (const name of names)
    assert.match(spoilt(python, naming(name)), /^refused: .* lies outside the bundle /);
});

pythonTest('json', 'nor lead there by a link, of a file, a folder or the manifest', (python) => {
  for (const name of ['plan.json', 'segments', 'manifest.json'])
    assert.match(spoilt(python, linking(name, besides)), /^refused: .* lies outside the bundle /, name);
  const within = (bundle: string) => join(bundle, 'moved.json');
  assert.is(spoilt(python, linking('plan.json', within)), '');
});

pythonTest('json', 'a manifest of any other form is refused', (python) => {
  const texts = [
    '',
    '[]',
    '{"format": 3, "files": {}}',
    '{"format": 4}',
    '{"format": 4, "files": []}',
    '{"format": 4, "files": {}}',
    '{"format": 4, "files": {"a": 1}}',
  ];
  for (const text of texts)
    assert.match(
      spoilt(python, (bundle) => writeFileSync(join(bundle, 'manifest.json'), text)),
      /^refused: /,
      text,
    );
});

/** A NumPy file of an object whose unpickling makes a file. */
const pickled = (into: string): string => `
import os, numpy
class Evil:
    def __reduce__(self):
        return (open, (${JSON.stringify(into)}, "w"))
numpy.save(${JSON.stringify(inFolder('evil.npy'))}, numpy.array([Evil()], dtype=object), allow_pickle=True)
`;

pythonTest('torch', 'data that would have to be unpickled is refused, and not run', async (python) => {
  const made = inFolder('made');
  writeFileSync(inFolder('make.py'), pickled(made));
  execFileSync(python, [inFolder('make.py')]);
  cpSync(inFolder('data'), inFolder('evil'), { recursive: true });
  for (const name of readdirSync(inFolder('evil'), { recursive: true, encoding: 'utf8' }))
    if (name.endsWith('.npy')) cpSync(inFolder('evil.npy'), join(inFolder('evil'), name));
  const args = ['--data', inFolder('evil'), '--steps', '1'];
  const { status, stderr } = await runTorch(python, { bundle: one, ranks: 1, args });
  assert.is(status, 1, stderr);
  assert.match(stderr, /^unetc_torch: .*evil.* cannot be read: /);
  assert.not.ok(existsSync(made));
});

/** What unpickles, or runs text, wherever it is called from. */
const FORBIDDEN = `
import pickle, sys
def never(*_, **__):
    import traceback
    print("forbidden", "".join(traceback.format_stack()), file=sys.stderr, flush=True)
    raise SystemExit(99)
import torch, numpy, torch.distributed
pickle.load = pickle.loads = pickle.Unpickler = pickle._Unpickler = never
sys.path.insert(0, sys.argv[1] + "/torch")
sys.argv = sys.argv[1:]
from unetc_torch.command import main
main(sys.argv[0])
`;

pythonTest('torch', 'two ranks train while nothing can be unpickled', async (python) => {
  writeFileSync(inFolder('forbidden.py'), FORBIDDEN);
  const environment = { PYTHONDONTWRITEBYTECODE: '1' };
  const args = ['--data', inFolder('data'), '--steps', '3', '--checkpoint', inFolder('plain')];
  const options = { bundle: two, ranks: 2, args, environment, program: [inFolder('forbidden.py'), two] };
  const meeting = { address: '127.0.0.1', port: await freePort() };
  const ended = await Promise.all(startRanks(python, options, meeting).map((rank) => rank.ended));
  for (const { status, stderr } of ended) assert.is(status, 0, stderr);
});

/** Ways to unpickle that PyTorch and NumPy hide in a call. */
const hidden =
  /\bpickle\b(?!=False)|torch\.load|torch\.save|_object\(|_object_list|\beval\(|\bexec\(|\b__import__\b/;

test('no call of the executor unpickles or evaluates', () => {
  const files = readdirSync(torchFolder, { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.py'),
  );
  assert.ok(files.length > 30);
  for (const name of files)
    for (const line of readFileSync(join(torchFolder, name), 'utf8').split('\n'))
      assert.not.ok(hidden.test(line.replaceAll('allow_pickle=False', '')), `${name}: ${line}`);
});

if (process.platform === 'linux')
  pythonTest('torch', 'ranks listen at the address of the head and nowhere else', async (python) => {
    const args = ['--data', inFolder('data'), '--steps', '2000'];
    const meeting = { address: '127.0.0.1', port: await freePort() };
    const ranks = startRanks(python, { bundle: two, ranks: 2, args }, meeting);
    await new Promise<void>((done) => ranks[0]?.onRecord(({ step }) => step === 1 && done()));
    const found = ranks.map(({ process: { pid } }) => listeningAddresses(pid ?? 0));
    for (const { process: child } of ranks) child.kill('SIGKILL');
    await Promise.all(ranks.map((rank) => rank.ended));
    assert.ok(found.every((addresses) => addresses.length > 0));
    assert.equal(new Set(found.flat()), new Set(['127.0.0.1']));
  });

test.run();
