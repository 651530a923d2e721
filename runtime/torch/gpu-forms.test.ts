/** What the PyTorch executor does otherwise on a GPU. No GPU is needed. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { pythonTest, torchFolder } from '../tests/python.ts';

function printedBy(python: string, name: string): string {
  const env = { ...process.env, PYTHONPATH: torchFolder };
  const script = join(torchFolder, 'tests', name);
  const { status, stdout, stderr } = spawnSync(python, [script], { env, encoding: 'utf8' });
  assert.is(status, 0, stderr);
  return stdout;
}

pythonTest('torch, numpy', 'convolutions in bands, turned round, and counts by comparing', (python) => {
  assert.is(printedBy(python, 'gpu_forms.py'), '1000\n');
});

// The failed try was held by its error while the next one ran.
pythonTest('torch, numpy', 'an instruction that finds too little memory gets all that there is', (python) => {
  const tried = ['first step run run', 'for good run failed', 'first step exchange failed'];
  assert.is(printedBy(python, 'too_little.py'), tried.map((line) => `${line}\n`).join(''));
});

test.run();
