/**
 * One training under three plans: tiles on two ranks, then replicas of stages on four, then one device of this
 * machine's runtime. A checkpoint belongs to the network, so the curve is that of a run that one plan did all of.
 * With VERBOSE=1 it says how far the two are apart.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { pythonTest } from '../runtime/tests/python.ts';
import { succeeding } from './support/command-line.ts';
import {
  brightData,
  compiled,
  freePort,
  lossesOf,
  smoothNetwork,
  startRanks,
  type TorchOptions,
} from './support/torch-runs.ts';

const folder = mkdtempSync(join(tmpdir(), 'unetc-test-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
const inFolder = (name: string): string => join(folder, name);

const network = smoothNetwork(folder);
const raw = await brightData();
const schedule = inFolder('pipeline.schedule');
writeFileSync(
  schedule,
  `schedule coastline
  devices 4
  replicas 2
  tiles 1 x 1
  stages 0, 1 from unet.down[0].avg_pool[0]
  micro_batches 2
  order 1f1b
`,
);

/** Steps of a training in processes of this machine. */
async function lossesHere(words: string): Promise<number[]> {
  const lines = (await succeeding(`run ${words} --data ${raw} --json`)).split('\n');
  return lines.filter((line) => line.startsWith('{"step"')).map((line) => JSON.parse(line).loss);
}

/** Of all ranks, the first of which tells. */
async function lossesOfRanks(python: string, options: TorchOptions): Promise<number[]> {
  const ranks = startRanks(python, options, { address: '127.0.0.1', port: await freePort() });
  const ended = await Promise.all(ranks.map((rank) => rank.ended));
  return ended.flatMap(lossesOf);
}

const THIRD = 20;

pythonTest('torch', 'tiles, then stages and replicas, then one device: one curve', async (python) => {
  const [tiles, pipeline, one] = [
    await compiled(network, '--devices 2 --pin tiles=2x1', inFolder('tiles.plan')),
    await compiled(network, `--schedule ${schedule}`, inFolder('pipeline.plan')),
    await compiled(network, '--devices 1', inFolder('one.plan')),
  ];
  await succeeding(`stage ${tiles} --data ${raw} -o ${inFolder('data')}`);
  const [checkpoints, data] = [inFolder('runs'), ['--data', inFolder('data')]];
  const until = (steps: number) => [...data, '--steps', `${steps}`, '--checkpoint', checkpoints, '--resume'];
  const first = await lossesOfRanks(python, { bundle: tiles, ranks: 2, args: until(THIRD) });
  const second = await lossesOfRanks(python, { bundle: pipeline, ranks: 4, args: until(2 * THIRD) });
  const third = await lossesHere(`${one} --steps ${3 * THIRD} --checkpoint ${checkpoints} --resume`);
  const right = await lossesHere(`${one} --steps ${3 * THIRD} --checkpoint ${inFolder('undisturbed')}`);
  const found = [...first, ...second, ...third];
  assert.equal([first.length, second.length, third.length], [THIRD, THIRD, THIRD]);
  const off = Math.max(...right.map((loss, step) => Math.abs((found[step] ?? Number.NaN) - loss)));
  assert.ok(off < 1e-4, `at most ${off} off`);
  assert.ok((right.at(-1) ?? 1) < (right[0] ?? 0));
  if (process.env.VERBOSE) console.log(`${found.length} steps, at most ${off.toExponential(1)} off`);
});

test.run();
