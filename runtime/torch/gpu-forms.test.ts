/** What the PyTorch executor computes otherwise on a GPU gives the same. No GPU is needed for that. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { pythonTest, torchFolder } from '../tests/python.ts';

pythonTest('torch, numpy', 'convolutions in bands, turned round, and counts by comparing', (python) => {
  const env = { ...process.env, PYTHONPATH: torchFolder };
  const script = join(torchFolder, 'tests/gpu_forms.py');
  const { status, stdout, stderr } = spawnSync(python, [script], { env, encoding: 'utf8' });
  assert.is(status, 0, stderr);
  assert.is(stdout, '245\n');
});

test.run();
