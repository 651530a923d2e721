/**
 * Where values computed again are not enough: with strips a step fits. Devices then take what the plan says, and
 * their gradients are those of the step that had all the memory it wanted.
 */
import { readFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { worstGradient } from '../compiler/compare.ts';
import { carryOut, decide, modelOf } from '../compiler/compile.ts';
import { at } from '../ir/box.ts';
import type { Machine } from '../ir/machine.ts';
import type { Plan } from '../ir/plan.ts';
import type { Pins, Schedule } from '../ir/schedule.ts';
import { onDevices, stepOn, valueIn } from './support/devices.ts';
import { drawFeeds } from './support/exactness.ts';
import { roundMachine } from './support/machines.ts';
import { withinRule } from './support/memory-rule.ts';

const file = 'bench/networks/scene.unet';
const source = readFileSync(new URL(`../${file}`, import.meta.url), 'utf8');
const sets = { rows: '512', columns: '512' };
const model = valueIn(modelOf({ source, file, sets, purpose: 'train' }));

const MiB = 2 ** 20;
const memory = 200 * MiB;

const machine: Machine = {
  ...roundMachine,
  nodes: 1,
  devicesPerNode: 1,
  launcher: 'local',
  device: { ...roundMachine.device, memory },
};

const whole: Pins = { devices: 1, tiles: [1, 1], microBatches: 1 };
const decided = (pins: Pins) => decide(model, { ...whole, ...pins }, machine);
const peakOf = (plan: Plan): number => at(plan.roles, 0).peakBytes;
const planOf = (schedule: Schedule): Plan => valueIn(carryOut(model, schedule, machine));
const schedule = valueIn(decided({})).schedule;

test('values computed again do not fit, strips do', () => {
  const refused = decided({ strips: [] });
  assert.is(refused.ok || refused.diagnostics[0]?.code, 'does-not-fit');
  const everything = model.ops.map(({ output }) => output).filter((name) => name !== model.loss);
  for (const drop of [[], everything])
    assert.ok(peakOf(planOf({ ...schedule, strips: [], drop })) > memory, `${drop.length} dropped`);
  assert.ok(schedule.strips.length > 0);
  assert.ok(peakOf(planOf(schedule)) <= memory);
});

const feeds = drawFeeds(model, 1);

/** Two steps: gradients of the first, the peak of both. */
const taken = (plan: Plan) =>
  onDevices(plan, feeds, new Map(), async (devices) => {
    const { loss, gradients } = await stepOn(plan, devices, 0);
    const { peakBytes } = valueIn(await devices.work(0, { step: 1, tile: 0 }));
    return { loss, gradients, ratio: peakBytes / peakOf(plan) };
  });

test('a device takes what the plan says, gradients are those of the plain step', async () => {
  const plain = await withinRule(() => taken(planOf({ ...schedule, strips: [], drop: [] })));
  const inStrips = await withinRule(() => taken(planOf(schedule)));
  assert.ok(Math.abs(inStrips.loss / plain.loss - 1) < 1e-5, `${inStrips.loss} and ${plain.loss}`);
  const { gradientError, worst } = worstGradient(inStrips.gradients, plain);
  assert.ok(gradientError < 1e-4, `gradient of ${worst} off by ${gradientError}`);
});

test.run();
