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
import { kernelSeconds } from '../ir/kernels.ts';
import type { Machine } from '../ir/machine.ts';
import type { Pins } from '../ir/schedule.ts';
import { tiledExtents } from '../ir/tiling.ts';
import { product } from '../ir/type.ts';
import { showBytes, showSeconds } from '../ir/units.ts';
import { recomputeCurve } from '../passes/decide/recompute.ts';
import { type HaloStrategy, notingSeconds, ownCells, situationOf } from '../passes/decide/situation.ts';
import { valueIn } from '../tests/support/devices.ts';

type Row = {
  readonly what: string;
  readonly example: string;
  readonly sets?: Readonly<Record<string, string>>;
  readonly pins: Pins;
  readonly against?: readonly HaloStrategy[];
  /** In place of the optimizer of the example. */
  readonly optimizer?: string;
};

/** U-Net (48,160) of torchgpipe: 15.8 billion parameters. On how many devices it is planned in vain, where that is told. */
const giant = (images: number, devices: number, optimizer: string, tooFew?: number): readonly Row[] =>
  [...(tooFew === undefined ? [] : [tooFew]), devices].map((count) => ({
    what: `torchgpipe (48,160), ${images} images, ${optimizer}, on ${count}`,
    example: 'torchgpipe',
    sets: { num_convs: '48', base: '160', images: `${images}` },
    pins: { devices: count },
    optimizer,
  }));

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
  // The fewest devices: one image a step, so that gradients need no second buffer, and as many as keep a pipeline busy.
  ...giant(1, 9, 'sgd(0.1)', 8),
  ...giant(1, 17, 'adam(0.001)', 16),
  ...giant(32, 14, 'sgd(0.1)', 13),
  ...giant(32, 16, 'sgd(0.1)'),
  ...giant(32, 24, 'adam(0.001)', 23),
  ...giant(32, 1536, 'sgd(0.1)'),
];

const folder = join(import.meta.dirname, '../examples');

const sourceOf = ({ example, optimizer }: Row): string => {
  const text = readFileSync(join(folder, `${example}.unet`), 'utf8');
  return optimizer === undefined ? text : text.replace(/(?<=^train )\w+\(.*?\)/m, optimizer);
};

/** The figures of a row, or why there is no plan. */
function planned(row: Row, machine: Machine, strategy?: HaloStrategy) {
  const [file, source] = [`${row.example}.unet`, sourceOf(row)];
  const began = performance.now();
  const model = valueIn(modelOf({ source, file, sets: row.sets ?? {}, purpose: 'train' }));
  const front = performance.now();
  const found = decide(model, row.pins, machine, { strategy });
  if (!found.ok) return found.diagnostics.map(({ message }) => message).join('; ');
  const { schedule, decision, lowered } = found.value;
  const decided = performance.now();
  const plan = valueIn(carryOut(model, schedule, machine, lowered));
  const carried = performance.now();
  const json = planJson({ plan, machine, decision });
  return {
    json,
    oneDevice: decision?.oneDevice ?? 0,
    decided: (decided - front) / 1000,
    rest: (carried - decided + front - began) / 1000,
  };
}

const machine = valueIn(readMachine(process.argv[2] ?? 'summit'));
console.log(`machine ${machine.name}; planning and lowering in seconds, one run\n`);
for (const row of rows) {
  const figures = planned(row, machine);
  if (typeof figures === 'string') {
    console.log(`${row.what}\n  ${figures}`);
    continue;
  }
  const { json, oneDevice, decided, rest } = figures;
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
    const other = planned(row, machine, strategy);
    if (typeof other === 'string') throw new Error(other);
    const seconds = other.json.predicted.stepSeconds ?? Number.NaN;
    console.log(`  against ${strategy}: ${showSeconds(seconds)}, ${(seconds / stepSeconds).toFixed(3)} x`);
  }
}

/** The curve of memory against time of a network of about 200 ops: all budgets in one run. */
function timeOfCurve(machine: Machine): string {
  const source = readFileSync(join(folder, 'torchgpipe.unet'), 'utf8');
  const sets = { num_convs: '3' };
  const model = valueIn(modelOf({ source, file: 'torchgpipe.unet', sets, purpose: 'train' }));
  const { profile } = situationOf(model, machine, {});
  const seconds = (kernels: 'forward' | 'backward') =>
    profile.ops.map((op) =>
      op[kernels].reduce(
        (sum, kernel) =>
          sum + kernelSeconds(machine.device, kernel, ownCells(profile, op, tiledExtents(model), 1)),
        0,
      ),
    );
  const bytes = new Map(
    [...profile.values].map(([name, { extents, cellBytes }]) => [name, product(extents) * cellBytes]),
  );
  const noting = notingSeconds({ profile, machine }, tiledExtents(model), 1);
  const question = { profile, forward: seconds('forward'), backward: seconds('backward'), bytes, noting };
  const times = Array.from({ length: 5 }, () => {
    const began = performance.now();
    recomputeCurve(question);
    return performance.now() - began;
  });
  return `${model.ops.length} ops: first ${times[0]?.toFixed(0)} ms, best of 5 ${Math.min(...times).toFixed(0)} ms`;
}

console.log(`recompute against memory, ${timeOfCurve(machine)}`);
