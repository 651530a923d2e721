/**
 * Pipelines of the PyTorch executor whose ranks have different numbers of peers. Three stages once stood still for
 * ever before their first step: PyTorch names the communicators of some ranks by how many the process has already,
 * and the middle stage had more than its neighbours.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { pythonTest } from '../runtime/tests/python.ts';
import { succeeding } from './support/command-line.ts';
import { brightData, compiled, lossesOf, runTorch, smoothNetwork } from './support/torch-runs.ts';

const folder = mkdtempSync(join(tmpdir(), 'unetc-test-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
const inFolder = (name: string): string => join(folder, name);

const network = smoothNetwork(folder);
const one = await compiled(network, '--devices 1', inFolder('one.plan'));
await succeeding(`stage ${one} --data ${await brightData()} -o ${inFolder('data')}`);
const args = ['--data', inFolder('data'), '--steps', '5', '--timeout', '20'];

const schedule = inFolder('three.schedule');
writeFileSync(
  schedule,
  `schedule coastline
  devices 3
  replicas 1
  tiles 1 x 1
  stages 0, 1 from unet.down[0].avg_pool[0], 2 from unet.decode[0].up_conv[0]
  micro_batches 2
  order 1f1b
`,
);

pythonTest('torch', 'three stages in a row', async (python) => {
  const bundle = await compiled(network, `--schedule ${schedule}`, inFolder('three.plan'));
  const right = lossesOf(await runTorch(python, { bundle: one, ranks: 1, args }));
  const found = lossesOf(await runTorch(python, { bundle, ranks: 3, args }));
  assert.is(found.length, right.length);
  for (const [step, loss] of right.entries())
    assert.ok(Math.abs((found[step] ?? 0) - loss) < 1e-4, `step ${step}: ${found[step]}, not ${loss}`);
});

test.run();
