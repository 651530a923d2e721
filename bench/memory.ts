/**
 * The memory that plans predict for their devices against what the devices take, as the system counts it:
 *
 *   npx tsx bench/memory.ts [WORD]
 *
 * Runs two training steps of each plan (those whose name contains WORD) with one thread a device, and prints for each
 * device the peak of its resident memory beyond what it has with its sessions loaded. The ratio should lie between
 * 0.9 and 1.15; the last line says how many do.
 */
import { table } from '../cli/table.ts';
import { at } from '../ir/box.ts';
import { roleIndexAt, seatOf } from '../ir/ranks.ts';
import type { Pins } from '../ir/schedule.ts';
import { showBytes } from '../ir/units.ts';
import { tileOf } from '../runtime/local/placement.ts';
import { valueIn } from '../tests/support/devices.ts';
import { withDevices } from './devices-of.ts';
import { type Network, planWith } from './networks.ts';

type Case = Network & { readonly name: string; readonly pins: Pins };

const scene = { file: 'bench/networks/scene.unet', sets: { rows: '1024', columns: '1024' } };
const coastline = { file: 'examples/coastline.unet', sets: { side: '512' } };
const fold = [
  { from: 'unet.encode[0].conv[0]', stage: 0 },
  { from: 'unet.down[0].max_pool[0]', stage: 1 },
  { from: 'unet.decode[0].up_conv[0]', stage: 0 },
];
const decoder = { from: 'unet.decode[0].up_conv[0]', to: 'cross_entropy[0]' };
const top = ['unet.encode[0].relu[0]', 'unet.encode[0].relu[1]', 'unet.decode[0].relu[0]'];

/** What the backward pass keeps no map for then, level by level. */
const pooled = [0, 1, 2].flatMap((level) => [
  `unet.encode[${level}].relu[1]`,
  `unet.down[${level}].max_pool[0]`,
]);

const cases: readonly Case[] = [
  { name: 'scene, whole', ...scene, pins: { devices: 1 } },
  { name: 'scene, 1 x 2 tiles', ...scene, pins: { devices: 2, tiles: [1, 2] } },
  {
    name: 'scene, 1 x 2 tiles, exchange',
    ...scene,
    pins: {
      devices: 2,
      tiles: [1, 2],
      exchanges: [{ before: 'unet.encode[1].conv[0]', operand: 0, cells: 30 }],
    },
  },
  { name: 'scene, 4 x 2 tiles, streamed', ...scene, pins: { devices: 1, tiles: [4, 2], stream: [4, 2] } },
  { name: 'scene, top recomputed', ...scene, pins: { devices: 1, drop: top } },
  { name: 'scene, top in 4 strips', ...scene, pins: { devices: 1, strips: [{ ...decoder, count: 4 }] } },
  {
    name: 'scene, recompute and 8 strips',
    ...scene,
    pins: { devices: 1, drop: top.slice(0, 2), strips: [{ ...decoder, count: 8 }] },
  },
  { name: 'scene, bytes for the pools', ...scene, pins: { devices: 1, lean: pooled } },
  { name: 'coastline, whole', ...coastline, pins: { devices: 1, microBatches: 1 } },
  { name: 'coastline, 4 micro-batches', ...coastline, pins: { devices: 1, microBatches: 4 } },
  { name: 'coastline, 2 replicas', ...coastline, pins: { devices: 2, replicas: 2, microBatches: 1 } },
  {
    name: 'coastline, bytes, 2 stages folded',
    ...coastline,
    pins: { devices: 2, microBatches: 4, chunks: fold, lean: pooled },
  },
  { name: 'coastline, 2 stages folded', ...coastline, pins: { devices: 2, microBatches: 4, chunks: fold } },
  {
    name: 'coastline, 2 stages',
    ...coastline,
    pins: {
      devices: 2,
      microBatches: 4,
      chunks: [at(fold, 0), { from: 'unet.decode[1].up_conv[0]', stage: 1 }],
    },
  },
  {
    name: 'classic, same padding',
    file: 'bench/networks/classic-same.unet',
    pins: { devices: 1, microBatches: 1 },
  },
  { name: 'residual', file: 'examples/residual.unet', pins: { devices: 1 } },
  { name: 'attention', file: 'examples/attention.unet', pins: { devices: 1 } },
];

const ratioIsRight = (ratio: number): boolean => ratio >= 0.9 && ratio <= 1.15;

async function measure(one: Case): Promise<{ rows: string[][]; ratios: number[] }> {
  const plan = planWith(one, one.pins);
  return withDevices(plan, async (devices) => {
    const ranks = Array.from({ length: devices.size }, (_, rank) => rank);
    const peaksOf = async (step: number): Promise<number[]> => {
      const done = ranks.map((rank) => devices.work(rank, { step, tile: tileOf(plan, rank) }));
      return (await Promise.all(done)).map((result) => valueIn(result).peakBytes);
    };
    // The first run of a session takes memory block by block, later ones all at once; and from the second step on, all of
    // the arena has been written to.
    const [first, second] = [await peaksOf(0), await peaksOf(1)];
    const measured = ranks.map((rank) => Math.max(at(first, rank), at(second, rank)));
    const predicted = ranks.map((rank) => at(plan.roles, roleIndexAt(plan, seatOf(plan, rank))).peakBytes);
    const ratios = measured.map((bytes, rank) => bytes / at(predicted, rank));
    const rows = ranks.map((rank) => [
      one.name,
      `${rank}`,
      showBytes(at(predicted, rank)),
      showBytes(at(measured, rank)),
      at(ratios, rank).toFixed(2),
    ]);
    return { rows, ratios };
  });
}

const rows: string[][] = [];
const ratios: number[] = [];
for (const one of cases.filter(({ name }) => name.includes(process.argv[2] ?? ''))) {
  const found = await measure(one);
  rows.push(...found.rows);
  ratios.push(...found.ratios);
}
console.log(
  table(
    [
      { title: 'plan, two steps' },
      { title: 'device', align: 'right' },
      { title: 'predicted', align: 'right' },
      { title: 'measured', align: 'right' },
      { title: 'ratio', align: 'right' },
    ],
    rows,
  ),
);
console.log(`${ratios.filter(ratioIsRight).length} of ${ratios.length} devices between 0.9 and 1.15`);
