/** Plans to be looked at: on a grid with exchanged margins, and in folded stages. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Scaling } from '../../cli/scaling.ts';
import { carryOut, decide, modelOf } from '../../compiler/compile.ts';
import type { Alternative, Decision } from '../../ir/decision.ts';
import type { Machine } from '../../ir/machine.ts';
import type { Plan } from '../../ir/plan.ts';
import type { Pins } from '../../ir/schedule.ts';
import { valueIn } from './devices.ts';
import { roundMachine } from './machines.ts';

const file = 'examples/coastline.unet';
const source = readFileSync(join(import.meta.dirname, '..', '..', file), 'utf8');

export type Inspected = {
  readonly plan: Plan;
  readonly machine: Machine;
  readonly decision?: Decision;
  readonly scaling?: Scaling;
};

/** Schedules are given, so what is shown changes with the simulator and the words only. */
export function coastlineOn(pins: Pins, machine: Machine = roundMachine): Inspected {
  const model = valueIn(modelOf({ source, file, sets: { side: '128' }, purpose: 'train' }));
  const { schedule } = valueIn(decide(model, pins));
  return { plan: valueIn(carryOut(model, schedule)), machine };
}

/** More roles than a table shows. */
export const onGrid = (): Inspected => ({
  ...coastlineOn(
    {
      devices: 16,
      replicas: 1,
      tiles: [4, 4],
      order: 'one_after_another',
      exchanges: [
        { before: 'unet.encode[2].conv[0]', operand: 0, cells: 4 },
        { before: 'unet.decode[1].conv[1]', operand: 0, cells: 2 },
      ],
      drop: ['unet.encode[0].relu[0]'],
      buckets: 4,
    },
    { ...roundMachine, nodes: 4 },
  ),
  decision,
});

/** With the curves that `compile --memory-curve` and `scale --json` give. */
export const withCurves = (): Inspected => ({
  ...onGrid(),
  decision: {
    ...decision,
    memoryCurve: [
      alternative,
      { ...alternative, recomputed: 4, memory: 20e6, seconds: 0.0044 },
      { ...alternative, microBatches: 2, recomputed: 9, strips: 1, memory: 12e6, seconds: 0.0075 },
    ],
  },
  scaling: {
    machine: 'round',
    against: 'overlap',
    rows: [
      {
        devices: 4,
        stepSeconds: 0.012,
        efficiency: 0.8,
        bound: 0.01,
        gap: 0.2,
        peakBytes: 9e7,
        chosen: '4 replicas',
        againstSeconds: 0.0125,
      },
      {
        devices: 16,
        stepSeconds: 0.00425,
        efficiency: 0.5,
        bound: 0.0015,
        gap: 1.83,
        peakBytes: 24e6,
        againstSeconds: 0.0061,
      },
    ],
  },
});

export const inStages = (): Inspected =>
  coastlineOn({
    devices: 4,
    replicas: 1,
    microBatches: 4,
    order: '1f1b',
    chunks: [
      { from: 'image~scaled', stage: 0 },
      { from: 'unet.encode[2].conv[0]', stage: 1 },
      { from: 'unet.decode[1].up_conv[0]', stage: 0 },
    ],
    tiles: [1, 2],
  });

const alternative: Alternative = {
  devices: 16,
  replicas: 1,
  stages: 1,
  folded: false,
  tiles: [4, 4],
  stream: [1, 1],
  microBatches: 1,
  order: 'one_after_another',
  exchanges: 2,
  coarsened: false,
  recomputed: 1,
  lean: 0,
  strips: 0,
  seconds: 0.0041,
  parts: {
    compute: 0.0026,
    margins: 0.0007,
    sweep: 0,
    recompute: 0.0001,
    messages: 0.0003,
    bubble: 0,
    allReduce: 0.0003,
    update: 0.0001,
    load: 0,
  },
  memory: 25e6,
};

/** As a search leaves it. */
const decision: Decision = {
  available: 16,
  chosen: alternative,
  runnersUp: [
    {
      ...alternative,
      replicas: 4,
      tiles: [2, 2],
      seconds: 0.0045,
      parts: { ...alternative.parts, compute: 0.003 },
    },
    {
      ...alternative,
      stages: 4,
      folded: true,
      tiles: [2, 2],
      microBatches: 4,
      seconds: 0.0056,
      parts: { ...alternative.parts, bubble: 0.0015 },
    },
  ],
  bound: { class: 0.0037, any: 0.0015 },
  oneDevice: 0.1,
  considered: 40,
  priced: 12,
};
