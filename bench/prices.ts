/**
 * Is the search's price that of the simulator? Plans of every kind, pinned one by one: the step that the search counts
 * with, beside the step that the simulator finds for the lowered plan, the worst first.
 *
 *   npx tsx bench/prices.ts [words of rows]
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { simulate } from '../backends/simulator/simulate.ts';
import { readMachine } from '../cli/inputs-machine.ts';
import { carryOut, decide, modelOf } from '../compiler/compile.ts';
import type { Pins } from '../ir/schedule.ts';
import { showSeconds } from '../ir/units.ts';
import type { HaloStrategy } from '../passes/decide/situation.ts';
import { valueIn } from '../tests/support/devices.ts';

type Row = {
  readonly what: string;
  readonly machine: string;
  readonly file: string;
  readonly sets?: Readonly<Record<string, string>>;
  readonly pins: Pins;
  readonly strategy?: HaloStrategy;
};

const one = { replicas: 1, tiles: [1, 1] } as const;
const MiB = 2 ** 20;

/** A pipeline of torchgpipe's network on P40s, as many images as so many micro-batches of five have. */
const pipelines = (machine: string): Row[] =>
  [
    { devices: 2, microBatches: 8 },
    { devices: 4, microBatches: 16 },
    { devices: 6, microBatches: 32 },
    { devices: 8, microBatches: 32 },
    { devices: 8, microBatches: 8 },
  ].flatMap(({ devices, microBatches }) =>
    (['1f1b', 'gpipe'] as const).map((order) => ({
      what: `${devices} stages, ${microBatches} micro-batches, ${order}`,
      machine,
      file: 'examples/torchgpipe.unet',
      sets: { images: `${4 * microBatches}` },
      pins: { devices, stages: devices, microBatches, order, ...one },
    })),
  );

/** Every kind of plan of a network of maps that are smaller. */
const kinds = (machine: string, file: string, sets: Readonly<Record<string, string>>): Row[] => {
  const row = (what: string, pins: Pins, strategy?: HaloStrategy): Row => ({
    what,
    machine,
    file,
    sets,
    pins,
    ...(strategy === undefined ? {} : { strategy }),
  });
  return [
    row('one device', { devices: 1 }),
    row('8 micro-batches', { devices: 1, microBatches: 8 }),
    row('2 replicas', { devices: 2, replicas: 2 }),
    row('4 replicas of 2 micro-batches', { devices: 4, replicas: 4, microBatches: 2 }),
    row('2 x 2 tiles', { devices: 4, ...one, tiles: [2, 2], stages: 1 }),
    row('2 x 2 tiles, overlap', { devices: 4, ...one, tiles: [2, 2], stages: 1 }, 'overlap'),
    row('2 x 2 tiles, exchange', { devices: 4, ...one, tiles: [2, 2], stages: 1 }, 'exchange'),
    row('2 replicas of 1 x 2 tiles', { devices: 4, replicas: 2, tiles: [1, 2], stages: 1 }),
    row('1 x 4 tiles, 4 micro-batches', {
      devices: 4,
      replicas: 1,
      tiles: [1, 4],
      microBatches: 4,
      stages: 1,
    }),
    row('2 stages', { devices: 2, stages: 2, ...one }),
    row('4 stages, 8 micro-batches', { devices: 4, stages: 4, microBatches: 8, ...one }),
    row('2 replicas of 2 stages', { devices: 4, stages: 2, replicas: 2, tiles: [1, 1] }),
    row('2 stages of 1 x 2 tiles', { devices: 4, stages: 2, replicas: 1, tiles: [1, 2] }),
    row('gpipe of 4', { devices: 4, stages: 4, microBatches: 4, order: 'gpipe', ...one }),
  ];
};

/** One large scene: tiles, exchanges, streams, recompute, strips. */
const scene = (machine: string, devices: number): Row[] =>
  ([undefined, 'overlap', 'exchange'] as const).map((strategy) => ({
    what: `the scene on ${devices}, ${strategy ?? 'best margins'}`,
    machine,
    file: 'examples/summit10k.unet',
    pins: { devices },
    ...(strategy === undefined ? {} : { strategy }),
  }));

const short = (machine: string): Row[] => {
  const file = 'bench/networks/scene.unet';
  const sets = { rows: '512', columns: '512' };
  return [
    { what: 'recompute', machine, file, sets, pins: { devices: 1, ...one, memory: 190 * MiB } },
    { what: 'strips', machine, file, sets, pins: { devices: 1, ...one, memory: 150 * MiB } },
    { what: 'streamed', machine, file, sets, pins: { devices: 1, memory: 100 * MiB, strips: [] } },
    { what: 'streamed 2 x 2', machine, file, sets, pins: { devices: 1, tiles: [2, 2], stream: [2, 2] } },
  ];
};

const torchgpipe = { images: '32' } as const;
const rows: readonly Row[] = [
  ...['p40', 'summit', 'dgx-h100'].flatMap(pipelines),
  ...['p40', 'summit', 'dgx-h100'].flatMap((machine) =>
    kinds(machine, 'examples/torchgpipe.unet', torchgpipe),
  ),
  ...['p40', 'summit', 'dgx-h100', 'local'].flatMap((machine) =>
    kinds(machine, 'examples/residual.unet', {}),
  ),
  ...[6, 96, 1536].flatMap((devices) => scene('summit', devices)),
  ...[8, 64].flatMap((devices) => scene('dgx-h100', devices)),
  ...['p40', 'local'].flatMap(short),
];

function compared(row: Row) {
  const { machine: name, file, sets = {}, pins, strategy } = row;
  const machine = valueIn(readMachine(name));
  const source = readFileSync(join(import.meta.dirname, '..', file), 'utf8');
  const model = valueIn(modelOf({ source, file, sets, purpose: 'train' }));
  const found = decide(model, pins, machine, { strategy });
  if (!found.ok) return found.diagnostics.map(({ message }) => message).join('; ');
  const { schedule, decision, lowered } = found.value;
  if (decision === undefined) return 'not searched';
  const plan = valueIn(carryOut(model, schedule, machine, lowered));
  return { decision, simulation: simulate(plan, machine) };
}

const words = process.argv.slice(2);
const name = ({ machine, file, what }: Row) => `${machine} ${file.replace(/.*\/|\.unet/g, '')}: ${what}`;
const asked = rows.filter((row) => words.every((word) => name(row).includes(word)));
const percent = (share: number) => `${(100 * share).toFixed(1)} %`;
const results = asked.map((row) => ({ row, found: compared(row) }));
for (const { row, found } of results) if (typeof found === 'string') console.log(`${name(row)}\n  ${found}`);
const off = results
  .flatMap(({ row, found }) => (typeof found === 'string' ? [] : [{ row, ...found }]))
  .map((one) => ({ ...one, off: one.decision.chosen.seconds / one.simulation.stepSeconds - 1 }))
  .sort((a, b) => Math.abs(b.off) - Math.abs(a.off));
for (const { row, off: by, decision, simulation } of off) {
  const { chosen } = decision;
  const parts = Object.entries(chosen.parts).filter(([, s]) => s > 0);
  const busiest = simulation.roles.reduce((a, b) => (b.seconds.idle < a.seconds.idle ? b : a));
  console.log(
    `${name(row)}: ${percent(by)} (${showSeconds(chosen.seconds)}, simulated ${showSeconds(simulation.stepSeconds)})`,
  );
  if (words.length > 0) {
    console.log(`  searched: ${parts.map(([what, s]) => `${what} ${showSeconds(s)}`).join(', ')}`);
    console.log(
      `  ${busiest.role}: ${Object.entries(busiest.seconds)
        .filter(([, s]) => s > 0)
        .map(([what, s]) => `${what} ${showSeconds(s)}`)
        .join(', ')}`,
    );
  }
}
