/**
 * A device that is killed in the middle of each kind of instruction of compiled plans: the run ends at once with the
 * instruction named, and no process stays. `runtime/local/device-ends.test.ts` has the other ways in which devices end;
 * that the program then ends with 3 is in `cli.test.ts`.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { at } from '../ir/box.ts';
import { isSpatial, modelTypes } from '../ir/intervals.ts';
import type { Model } from '../ir/model.ts';
import type { Instruction, Plan } from '../ir/plan.ts';
import { roleIndexAt, seatOf } from '../ir/ranks.ts';
import type { Pins } from '../ir/schedule.ts';
import { tileOf } from '../runtime/local/placement.ts';
import { onDevices } from './support/devices.ts';
import { drawFeeds, drawnWeights, planOf } from './support/exactness.ts';
import { networkOf, type Recipe } from './support/networks.ts';
import { predicting } from './support/predicting.ts';

const recipe: Recipe = {
  sizes: [12, 12],
  levels: 1,
  width: 2,
  convs: 1,
  kernel: 3,
  dilation: 1,
  same: true,
  down: 'max_pool',
  up: 'resize',
  skip: 'concat',
  activation: 'relu',
  norm: 'instance',
  dropout: 'cell',
  beside: 'nothing',
  loss: 'cross_entropy',
  batch: 2,
};

function network(changes: Partial<Recipe> = {}): Model {
  const model = networkOf({ ...recipe, ...changes });
  if (model?.training === undefined) throw new Error('the recipe makes no network');
  return { ...model, training: { ...model.training, clip: 1 } };
}

const model = network();
const types = modelTypes(model);
const afterPool = model.ops.find(({ kind }) => kind === 'max_pool')?.output ?? '';

const pins: Readonly<Record<string, Pins>> = {
  tiles: {
    devices: 2,
    replicas: 1,
    microBatches: 2,
    tiles: [1, 2],
    exchanges: model.ops
      .filter(({ kind, inputs }) => kind === 'conv' && isSpatial(types.get(inputs[0] ?? '')))
      .map(({ output }) => ({ before: output, operand: 0, cells: 1 })),
  },
  stages: {
    devices: 2,
    replicas: 1,
    microBatches: 2,
    tiles: [1, 1],
    order: '1f1b',
    chunks: [
      { from: '', stage: 0 },
      { from: afterPool, stage: 1 },
    ],
  },
};

const plans: Readonly<Record<string, () => Plan>> = {
  tiles: () => planOf(model, pins.tiles ?? {}),
  stages: () => planOf(model, pins.stages ?? {}),
  prediction: () => planOf(predicting(network({ dropout: 'none' })), { devices: 1 }),
};

/** Where each kind of instruction is held up; the table is total, so a new kind does not compile without. */
const where: { readonly [D in Instruction['do']]: readonly string[] } = {
  load: ['tiles'],
  draw: ['tiles'],
  count: ['tiles'],
  run: ['tiles', 'stages'],
  accumulate: ['tiles'],
  all_reduce: ['tiles'],
  all_gather: ['tiles'],
  reduce_scatter: ['tiles'],
  exchange: ['tiles'],
  send: ['stages'],
  receive: ['stages'],
  // Only plans with strips paste.
  paste: [],
  clip: ['tiles', 'stages'],
  rate: ['tiles'],
  metric: ['tiles'],
  store: ['prediction'],
  report: ['tiles'],
  free: ['tiles'],
};

/** The last device that has such an instruction. */
function rankWith(plan: Plan, kind: Instruction['do'], size: number): number {
  const ranks = Array.from({ length: size }, (_, rank) => rank);
  const has = (rank: number) =>
    at(plan.roles, roleIndexAt(plan, seatOf(plan, rank))).instructions.some((one) => one.do === kind);
  const rank = ranks.findLast(has);
  if (rank === undefined) throw new Error(`no device has a ${kind}`);
  return rank;
}

for (const [kind, names] of Object.entries(where) as [Instruction['do'], readonly string[]][])
  for (const name of names)
    test(`${name}: a device killed in the middle of ${kind} ends the run, and is named with it`, async () => {
      const plan = at([plans[name]], 0)?.();
      if (plan === undefined) throw new Error(`no plan ${name}`);
      const { devices: size } = plan.schedule;
      const rank = rankWith(plan, kind, size);
      await onDevices(
        plan,
        drawFeeds(plan.model, 1),
        drawnWeights(plan.model),
        async (devices) => {
          const jobs = Array.from({ length: size }, (_, one) =>
            devices.work(one, { step: 0, tile: tileOf(plan, one) }),
          );
          await until(() => devices.whereIs(rank).includes(`: ${kind}`), 60_000);
          process.kill(at(devices.processes, rank), 'SIGKILL');
          const results = await within(Promise.all(jobs), 5000);
          await until(() => devices.processes.every((pid) => !isAlive(pid)), 5000);
          const refused = results.flatMap((one) => (one.ok ? [] : one.diagnostics));
          assert.ok(refused.length > 0, 'nobody was refused');
          for (const { code, message } of refused) {
            assert.is(code, 'device-died');
            assert.match(
              message,
              new RegExp(`^device ${rank} ended \\(SIGKILL\\) while it was at .*instruction \\d+: ${kind} `),
            );
          }
        },
        { hold: { rank, step: 0, at: kind } },
      );
    });

async function until(holds: () => boolean, milliseconds: number): Promise<void> {
  const end = performance.now() + milliseconds;
  while (!holds()) {
    assert.ok(performance.now() < end, `not within ${milliseconds} ms`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

async function within<T>(promise: Promise<T>, milliseconds: number): Promise<T> {
  let done = false;
  const result = promise.finally(() => {
    done = true;
  });
  await until(() => done, milliseconds);
  return result;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

test.run();
