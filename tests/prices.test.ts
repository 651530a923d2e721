/** The step that the search counts with is the one that the simulator finds for the lowered plan. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { simulate } from '../backends/simulator/simulate.ts';
import { carryOut, decide } from '../compiler/compile.ts';
import { compileModel } from '../compiler/front/lower-model.ts';
import type { Pins } from '../ir/schedule.ts';
import { readMachine } from '../ir/text/machine.ts';
import { valueIn } from './support/devices.ts';

const read = (file: string) => readFileSync(join(import.meta.dirname, '..', file), 'utf8');

/** The price as a share of the simulated step. */
function ratio(file: string, sets: Record<string, string>, machineName: string, pins: Pins): number {
  const model = valueIn(compileModel(read(file), file, { purpose: 'train', sets }));
  const name = `machines/${machineName}.machine`;
  const machine = valueIn(readMachine(read(name), name));
  const { schedule, decision, lowered } = valueIn(decide(model, pins, machine));
  if (decision === undefined) throw new Error('nothing was searched');
  const { stepSeconds } = simulate(valueIn(carryOut(model, schedule, machine, lowered)), machine);
  return decision.chosen.seconds / stepSeconds;
}

const one = { replicas: 1, tiles: [1, 1] } as const;
const torchgpipe = ['examples/torchgpipe.unet', { side: '64', num_convs: '2', images: '32' }] as const;
const scene = ['examples/summit10k.unet', { side: '1024' }] as const;

/** With how far they are off. Most is what the adding up of gradients took, which was left out of the price. */
const plans: readonly (readonly [string, number, () => number])[] = [
  [
    'a folded pipeline of many micro-batches',
    0.08,
    () => ratio(...torchgpipe, 'p40', { devices: 4, stages: 4, microBatches: 16, ...one }),
  ],
  ['micro-batches on one device', 0.02, () => ratio(...torchgpipe, 'p40', { devices: 1, microBatches: 16 })],
  [
    'replicas of stages',
    0.08,
    () => ratio(...torchgpipe, 'p40', { devices: 4, stages: 2, replicas: 2, tiles: [1, 1] }),
  ],
  ['tiles over nodes', 0.05, () => ratio(...scene, 'summit', { devices: 12, ...one, tiles: [3, 4] })],
  [
    'one tile after another, from a slow storage',
    0.02,
    () =>
      ratio('bench/networks/scene.unet', { rows: '256', columns: '256' }, 'p40', {
        devices: 1,
        tiles: [2, 2],
        stream: [2, 2],
      }),
  ],
];

for (const [what, most, found] of plans)
  test(what, () => {
    const off = Math.abs(found() - 1);
    assert.ok(off <= most, `${(100 * off).toFixed(1)} %`);
  });

test.run();
