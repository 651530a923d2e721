/**
 * The planner's figures: how good its plans are in the simulator, beside the strategies of other systems and the
 * proven bounds, and how long it takes. Rates are those of the machine files, fixed beforehand.
 *
 *   npx tsx bench/planner.ts [summit|summit-flat]
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readMachine } from '../cli/inputs-machine.ts';
import { planJson } from '../cli/plan-json.ts';
import { carryOut, decide, modelOf } from '../compiler/compile.ts';
import type { Result } from '../ir/diagnostics/diagnostic.ts';
import type { Machine } from '../ir/machine.ts';
import type { Pins } from '../ir/schedule.ts';
import { showBytes, showSeconds } from '../ir/units.ts';
import type { HaloStrategy } from '../passes/decide/situation.ts';

type Row = {
  readonly what: string;
  readonly example: string;
  readonly sets?: Readonly<Record<string, string>>;
  readonly pins: Pins;
  readonly against?: readonly HaloStrategy[];
};

const pipeline = { replicas: 1, tiles: [1, 1] } as const;

const rows: readonly Row[] = [
  ...[6, 96, 384, 1536].map(
    (devices): Row => ({
      what: `one scene of 10,000 x 10,000 on ${devices}`,
      example: 'summit10k',
      pins: { devices },
      against: ['overlap', 'exchange'],
    }),
  ),
  { what: '256 scenes on 1536', example: 'summit10k', sets: { images: '256' }, pins: { devices: 1536 } },
  {
    what: 'torchgpipe (5,64), a pipeline of 6',
    example: 'torchgpipe',
    sets: { images: '640' },
    pins: { devices: 6, ...pipeline },
  },
  {
    what: 'torchgpipe (5,64), a pipeline of 8',
    example: 'torchgpipe',
    sets: { images: '640' },
    pins: { devices: 8, ...pipeline },
  },
  {
    what: 'torchgpipe (5,64) on 6, nothing pinned',
    example: 'torchgpipe',
    sets: { images: '480' },
    pins: { devices: 6 },
  },
  {
    what: 'torchgpipe (5,64) on 1536',
    example: 'torchgpipe',
    sets: { images: '12288' },
    pins: { devices: 1536 },
  },
  { what: '16 scenes on 27,648', example: 'summit10k', sets: { images: '16' }, pins: { devices: 27_648 } },
];

const good = <T>(result: Result<T>): T => {
  if (result.ok) return result.value;
  throw new Error(result.diagnostics.map(({ message }) => message).join('; '));
};

const folder = join(import.meta.dirname, '../examples');

function planned(row: Row, machine: Machine, strategy?: HaloStrategy) {
  const file = `${row.example}.unet`;
  const source = readFileSync(join(folder, file), 'utf8');
  const began = performance.now();
  const model = good(modelOf({ source, file, sets: row.sets ?? {}, purpose: 'train' }));
  const front = performance.now();
  const { schedule, decision, lowered } = good(decide(model, row.pins, machine, { strategy }));
  const decided = performance.now();
  const plan = good(carryOut(model, schedule, machine, lowered));
  const carried = performance.now();
  const json = planJson({ plan, machine, decision });
  return {
    json,
    oneDevice: decision?.oneDevice ?? 0,
    decided: (decided - front) / 1000,
    rest: (carried - decided + front - began) / 1000,
  };
}

const machine = good(readMachine(process.argv[2] ?? 'summit'));
console.log(`machine ${machine.name}; planning and lowering in seconds, one run\n`);
for (const row of rows) {
  const { json, oneDevice, decided, rest } = planned(row, machine);
  const { stepSeconds = 0, efficiency = 0, peakBytes, exposedAllReduceSeconds = 0 } = json.predicted;
  const { schedule, bound } = json;
  console.log(row.what);
  console.log(
    `  step ${showSeconds(stepSeconds)}, efficiency ${efficiency.toFixed(3)}, speed-up ${(oneDevice / stepSeconds).toFixed(2)}, gap ${(100 * (bound?.gap ?? 0)).toFixed(1)} %, ${showBytes(peakBytes)}, all-reduce shown ${showSeconds(exposedAllReduceSeconds)}`,
  );
  console.log(
    `  ${schedule.devices} devices: ${schedule.replicas} replicas, tiles ${schedule.tiles.join(' x ')}, stream ${schedule.stream.join(' x ')}, ${schedule.stages} stages${schedule.folded ? ' folded' : ''}, ${schedule.microBatches} micro-batches, ${schedule.haloExchanges} exchanges, ${schedule.recomputed.length} recomputed`,
  );
  console.log(`  decided in ${decided.toFixed(2)}, lowered and verified in ${rest.toFixed(2)}`);
  for (const strategy of row.against ?? []) {
    const seconds = planned(row, machine, strategy).json.predicted.stepSeconds ?? Number.NaN;
    console.log(`  against ${strategy}: ${showSeconds(seconds)}, ${(seconds / stepSeconds).toFixed(3)} x`);
  }
}
