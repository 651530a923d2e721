/**
 * Every example compiles, and what `check` and `compile` show of it is written in `golden/`, with the whole
 * schedule. `npm run bless` rewrites these files: read the difference before committing it.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { summarizeNetwork } from '../cli/network-summary.ts';
import { networkTable } from '../cli/network-table.ts';
import { planTables } from '../cli/plan-tables.ts';
import { comparePlan } from '../compiler/compare.ts';
import { compileModel } from '../compiler/front/lower-model.ts';
import { planPipeline } from '../compiler/pipelines.ts';
import { diagnose, isFault } from '../ir/diagnostics/diagnostic.ts';
import type { Model } from '../ir/model.ts';
import type { Module } from '../ir/module.ts';
import type { Plan } from '../ir/plan.ts';
import type { Pins } from '../ir/schedule.ts';
import { readText } from '../ir/text/cursor.ts';
import { printModule, readModule } from '../ir/text/module.ts';
import { printSchedule } from '../ir/text/schedule.ts';
import { verifyModule } from '../ir/verify/module.ts';
import { valueIn } from './support/devices.ts';

const examples = join(import.meta.dirname, '../examples');
const golden = join(import.meta.dirname, 'golden');

type Case = {
  readonly example: string;
  /** Of the golden file, after the example's. */
  readonly name: string;
  readonly sets?: Readonly<Record<string, string>>;
  readonly pins: Pins;
};

const small = { base: '4', num_convs: '2', depth: '2', side: '32' };

const nested = { base: '2', depth: '2', side: '24' };

const shallow = { poolings: '2', side: '24' };

const gates = { base: '2', poolings: '2', side: '24' };

const cases: readonly Case[] = [
  { example: 'attention', name: '1-device', pins: { devices: 1 } },
  {
    example: 'attention',
    name: '2-devices',
    sets: { base: '4', side: '64' },
    pins: { devices: 2, tiles: [1, 2] },
  },
  { example: 'classic', name: '1-device', pins: { devices: 1 } },
  { example: 'coastline', name: '1-device', pins: { devices: 1 } },
  { example: 'coastline', name: '2-devices', pins: { devices: 2, tiles: [1, 2] } },
  { example: 'coastline', name: '4-devices', pins: { devices: 4, tiles: [2, 2] } },
  { example: 'diffusion', name: '1-device', pins: { devices: 1 } },
  {
    example: 'diffusion',
    name: '2-replicas',
    sets: { base: '8', side: '16' },
    pins: { devices: 2, microBatches: 4 },
  },
  { example: 'residual', name: '1-device', pins: { devices: 1 } },
  { example: 'residual', name: '2-replicas', sets: { base: '4', side: '64' }, pins: { devices: 2 } },
  { example: 'summit10k', name: '96-devices', pins: { devices: 96 } },
  { example: 'torchgpipe', name: '1-device', sets: small, pins: { devices: 1 } },
  { example: 'torchgpipe', name: '2-replicas', sets: small, pins: { devices: 2, microBatches: 4 } },
  { example: 'unet_plus_plus', name: '1-device', pins: { devices: 1 } },
];

function modelOf({ example, sets = {} }: Omit<Case, 'name' | 'pins'>): Model {
  const file = `${example}.unet`;
  return valueIn(compileModel(readFileSync(join(examples, file), 'utf8'), file, { purpose: 'train', sets }));
}

/** Its text reads back as the module, and prints the same again. */
function roundTrips(module: Module): void {
  const text = printModule(module);
  const back = valueIn(readText(text, 'module', readModule));
  assert.equal(back, module);
  assert.is(printModule(back), text);
}

/** Runs the passes one by one, and looks at what each of them leaves. */
function planOf(model: Model, pins: Pins): Plan {
  let module: Module = { stage: 'model', model, pins };
  for (const pass of planPipeline) {
    roundTrips(module);
    const next = pass.run(module as never);
    if (isFault(next)) throw new Error(diagnose(next).message);
    assert.equal(verifyModule(next), [], pass.name);
    module = next;
  }
  roundTrips(module);
  if (module.stage !== 'plan') throw new Error('no plan');
  return module.plan;
}

/** What a user is shown. */
const shown = (model: Model, plan: Plan): string =>
  `${[networkTable(summarizeNetwork(model)), planTables(plan), printSchedule(plan.schedule)].join('\n\n')}`;

for (const one of cases)
  test(`${one.example}, ${one.name}`, () => {
    const model = modelOf(one);
    const text = shown(model, planOf(model, one.pins));
    const file = join(golden, `${one.example}-${one.name}.txt`);
    if (process.env.BLESS) writeFileSync(file, text);
    assert.ok(existsSync(file), `${file} is missing: \`npm run bless\` writes it`);
    assert.fixture(text, readFileSync(file, 'utf8'), `${file} differs: \`npm run bless\` rewrites it`);
  });

test('every example and every golden file is among the cases', () => {
  const models = readdirSync(examples).filter((file) => file.endsWith('.unet'));
  assert.equal(models, [...new Set(cases.map(({ example }) => `${example}.unet`))]);
  const files = readdirSync(golden).filter((file) => file.endsWith('.txt'));
  assert.equal(files.sort(), cases.map(({ example, name }) => `${example}-${name}.txt`).sort());
});

/** In float64. Norms are under the law here: replicas and micro-batches share no sample. */
for (const [example, sets, pins] of [
  ['attention', gates, { devices: 2, tiles: [1, 2] }],
  ['attention', gates, { devices: 4, tiles: [2, 2], replicas: 1 }],
  ['coastline', shallow, { devices: 2, tiles: [1, 2] }],
  ['coastline', shallow, { devices: 4, tiles: [2, 2], replicas: 1 }],
  [
    'coastline',
    shallow,
    {
      devices: 6,
      cuts: [
        [0, 7, 15, 24],
        [0, 10, 24],
      ],
    },
  ],
  ['diffusion', { base: '4', groups: '2', poolings: '1', side: '8' }, { devices: 4, microBatches: 2 }],
  ['residual', { base: '2', poolings: '1', side: '12' }, { devices: 2 }],
  ['unet_plus_plus', nested, { devices: 4, tiles: [2, 2], replicas: 1 }],
  ['torchgpipe', { ...small, side: '16' }, { devices: 4, microBatches: 2 }],
] as const)
  test(`${example} on ${pins.devices} devices computes what the plain network does`, () => {
    const { lossError, gradientError, worst } = comparePlan(planOf(modelOf({ example, sets }), pins));
    assert.ok(lossError <= 1e-9, `loss off by ${lossError}`);
    assert.ok(gradientError <= 1e-9, `gradient of ${worst} off by ${gradientError}`);
  });

test.run();
