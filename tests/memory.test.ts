/**
 * Devices take the memory that their plan predicts: the peak of resident memory in a step, beyond what a device has with
 * its sessions loaded, is between 0.9 and 1.15 of it. More plans: `bench/memory.ts`.
 */
import { readFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { compile } from '../compiler/compile.ts';
import { at } from '../ir/box.ts';
import type { Plan } from '../ir/plan.ts';
import type { Pins } from '../ir/schedule.ts';
import { elementsOf } from '../ir/type.ts';
import { showBytes } from '../ir/units.ts';
import { onDevices, valueIn } from './support/devices.ts';
import { withinRule } from './support/memory-rule.ts';

const file = 'bench/networks/scene.unet';
const source = readFileSync(new URL(`../${file}`, import.meta.url), 'utf8');

function planOf(rows: number, columns: number, pins: Pins): Plan {
  const sets = { rows: `${rows}`, columns: `${columns}` };
  return valueIn(compile({ source, file, sets, purpose: 'train', pins: { devices: 1, ...pins } })).plan;
}

/** Of whatever numbers; labels of class 0. */
const inputsOf = ({ model }: Plan): Map<string, Float64Array> =>
  new Map(
    model.inputs.map(({ name, type }) => [
      name,
      new Float64Array(elementsOf(type)).fill(type.element === 'u8' ? 0 : 0.5),
    ]),
  );

/** The peak of two steps: from the second on, memory is taken otherwise, and the heap keeps what the first needed. */
async function taken(plan: Plan): Promise<{ readonly ratio: number }> {
  const predicted = at(plan.roles, 0).peakBytes;
  assert.ok(
    predicted > 100 * 2 ** 20,
    `${showBytes(predicted)}: what a process frees and takes again counts`,
  );
  return onDevices(plan, { step: 0, inputs: inputsOf(plan) }, new Map(), async (devices) => {
    const peakOf = async (step: number) => valueIn(await devices.work(0, { step, tile: 0 })).peakBytes;
    const peak = Math.max(await peakOf(0), await peakOf(1));
    return { ratio: peak / predicted };
  });
}

test('of one tile', async () => void (await withinRule(() => taken(planOf(512, 512, {})))));

test('of tiles streamed under a limit, which keeps to the limit', async () => {
  const memory = 256 * 2 ** 20;
  const plan = planOf(768, 768, { memory });
  assert.ok(plan.schedule.stream.some((count) => count > 1));
  const { ratio } = await withinRule(() => taken(plan));
  assert.ok(ratio * at(plan.roles, 0).peakBytes <= memory);
});

test.run();
