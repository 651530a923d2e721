/**
 * What two devices reach of two processors: a step on two devices, tiled and in two stages, against two devices that each
 * take a whole step of the same network alone at the same time, which is all that this machine could give.
 *
 *   npx tsx bench/devices.ts [rounds] [part of a name]
 *
 * One thread each; the two kinds of steps take turns. 1: no time was lost to margins, messages and waiting. Of stages the
 * bubble (one of `microBatches` + 1 turns) is taken out first. The ratio of processor time leaves out waiting.
 */
import { table } from '../cli/table.ts';
import type { Plan } from '../ir/plan.ts';
import type { Pins } from '../ir/schedule.ts';
import type { Devices } from '../runtime/local/devices.ts';
import { tileOf } from '../runtime/local/placement.ts';
import { valueIn } from '../tests/support/devices.ts';
import { devicesOf } from './devices-of.ts';
import { type Network, planWith } from './networks.ts';
import { median, processorSeconds, type Seconds, spreadOf } from './turns.ts';

type Case = Network & {
  readonly name: string;
  /** Of one device alone, and of the two. */
  readonly alone: Pins;
  readonly together: Pins;
  /** What of the time is no bubble. */
  readonly busy: number;
};

const scene = { file: 'bench/networks/scene.unet', sets: { rows: '512', columns: '4096' }, batch: 1 };
const coastline = { file: 'examples/coastline.unet', sets: { side: '256' }, batch: 8 };

const cases: readonly Case[] = [
  {
    name: 'scene, 1 x 2 tiles',
    ...scene,
    alone: { devices: 1 },
    together: { devices: 2, tiles: [1, 2] },
    busy: 1,
  },
  {
    name: 'coastline, 2 stages, 8 micro-batches',
    ...coastline,
    alone: { devices: 1, microBatches: 8 },
    together: { devices: 2, stages: 2, microBatches: 8 },
    busy: 8 / 9,
  },
];

const rounds = Number(process.argv[2] ?? 5);
const wanted = process.argv[3] ?? '';

/** One step of all these devices at the same time. `processor`: of all of them. */
async function timed(plan: Plan, groups: readonly Devices[], step: number): Promise<Seconds> {
  const pids = groups.flatMap(({ processes }) => processes);
  const processor = () => pids.reduce((sum, pid) => sum + processorSeconds(pid), 0);
  const [clock, before] = [performance.now(), processor()];
  const done = groups.flatMap((devices) =>
    Array.from({ length: devices.size }, (_, rank) => devices.work(rank, { step, tile: tileOf(plan, rank) })),
  );
  (await Promise.all(done)).forEach(valueIn);
  return { clock: (performance.now() - clock) / 1000, processor: processor() - before };
}

async function measure(one: Case): Promise<string[]> {
  const [alone, together] = [planWith(one, one.alone), planWith(one, one.together)];
  const pair = [await devicesOf(alone), await devicesOf(alone)];
  const both = [await devicesOf(together)];
  const taken: { apart: Seconds; together: Seconds }[] = [];
  try {
    for (let step = 0; step <= rounds; step++) {
      const apart = await timed(alone, pair, step);
      const next = await timed(together, both, step);
      if (step > 0) taken.push({ apart, together: next });
    }
  } finally {
    for (const devices of [...pair, ...both]) await devices.close();
  }
  const ratios = taken.map(({ apart, together }) => apart.clock / 2 / together.clock / one.busy);
  const work = taken.map(({ apart, together }) => apart.processor / 2 / together.processor);
  const seconds = (which: 'apart' | 'together') =>
    `${median(taken.map((round) => round[which].clock)).toFixed(3)} s`;
  return [one.name, seconds('apart'), seconds('together'), spreadOf(ratios), spreadOf(work)];
}

const rows: string[][] = [];
for (const one of cases) if (one.name.includes(wanted)) rows.push(await measure(one));
console.log(
  table(
    [
      { title: 'a step of two devices' },
      { title: 'two alone, a step each', align: 'right' },
      { title: 'one step together', align: 'right' },
      { title: 'reached, all rounds', align: 'right' },
      { title: 'of processor time', align: 'right' },
    ],
    rows,
  ),
);
