/** Steps of a tenth to one and a half seconds, of real networks, under schedules of every kind. */
import type { Pins } from '../ir/schedule.ts';
import type { Network } from './networks.ts';

export type Scheduled = Network & { readonly name: string; readonly pins: Pins };

const coastline = { file: 'examples/coastline.unet', sets: { side: '192' } };
const scene = { file: 'bench/networks/scene.unet', sets: { rows: '384', columns: '384' } };
const classic = { file: 'bench/networks/classic-same.unet', sets: { side: '96' } };
const residual = { file: 'examples/residual.unet', sets: { side: '128' }, batch: 4 };

const straight = (decoder: string) => [
  { from: 'unet.encode[0].conv[0]', stage: 0 },
  { from: decoder, stage: 1 },
];
const folded = (down: string, up: string) => [...straight(down), { from: up, stage: 0 }];
const fold = folded('unet.down[0].max_pool[0]', 'unet.decode[0].up_conv[0]');
const top = ['unet.encode[0].relu[0]', 'unet.encode[0].relu[1]', 'unet.decode[0].relu[0]'];
const decoder = { from: 'unet.decode[0].up_conv[0]', to: 'cross_entropy[0]' };
const second = [{ before: 'unet.encode[1].conv[0]', operand: 0, cells: 30 }];
const everyConv = (levels: number) =>
  [...Array(levels).keys()].flatMap((level) =>
    [`encode[${level}]`, ...(level < levels - 1 ? [`decode[${level}]`] : [])].flatMap((block) =>
      [0, 1].map((conv) => ({ before: `unet.${block}.conv[${conv}]`, operand: 0, cells: 1 })),
    ),
  );

export const schedules: readonly Scheduled[] = [
  { name: 'coastline, one device', ...coastline, pins: { devices: 1, microBatches: 1 } },
  { name: 'coastline, one device, 4 micro-batches', ...coastline, pins: { devices: 1, microBatches: 4 } },
  {
    name: 'coastline, one device, recomputed',
    ...coastline,
    pins: { devices: 1, microBatches: 1, drop: top },
  },
  { name: 'coastline, 2 replicas', ...coastline, pins: { devices: 2, replicas: 2, microBatches: 1 } },
  {
    name: 'coastline, 2 replicas, 2 micro-batches each',
    ...coastline,
    pins: { devices: 2, replicas: 2, microBatches: 2 },
  },
  { name: 'coastline, 1 x 2 tiles', ...coastline, pins: { devices: 2, tiles: [1, 2], microBatches: 1 } },
  {
    name: 'coastline, 1 x 2 tiles, exchanged',
    ...coastline,
    pins: { devices: 2, tiles: [1, 2], microBatches: 1, exchanges: everyConv(3) },
  },
  {
    name: 'coastline, 2 stages, 4 micro-batches',
    ...coastline,
    pins: { devices: 2, microBatches: 4, chunks: straight('unet.decode[1].up_conv[0]') },
  },
  {
    name: 'coastline, 2 stages folded, 4 micro-batches',
    ...coastline,
    pins: { devices: 2, microBatches: 4, chunks: fold },
  },
  { name: 'scene, one device', ...scene, pins: { devices: 1 } },
  {
    name: 'scene, 1 x 2 tiles, exchanged once',
    ...scene,
    pins: { devices: 2, tiles: [1, 2], exchanges: second },
  },
  { name: 'scene, 2 x 2 tiles, streamed', ...scene, pins: { devices: 1, tiles: [2, 2], stream: [2, 2] } },
  {
    name: 'scene, 2 x 2 tiles, streamed by two',
    ...scene,
    pins: { devices: 2, tiles: [2, 2], stream: [2, 1] },
  },
  { name: 'scene, top in 4 strips', ...scene, pins: { devices: 1, strips: [{ ...decoder, count: 4 }] } },
  { name: 'classic, one device', ...classic, pins: { devices: 1 } },
  { name: 'classic, 1 x 2 tiles', ...classic, pins: { devices: 2, tiles: [1, 2] } },
  {
    name: 'classic, 1 x 2 tiles, exchanged',
    ...classic,
    pins: { devices: 2, tiles: [1, 2], exchanges: everyConv(5) },
  },
  { name: 'classic, 2 replicas', ...classic, batch: 2, pins: { devices: 2, replicas: 2 } },
  {
    name: 'classic, 2 stages folded, 4 micro-batches',
    ...classic,
    sets: { side: '64' },
    batch: 4,
    pins: {
      devices: 2,
      microBatches: 4,
      chunks: folded('unet.encode[2].conv[0]', 'unet.decode[1].up_conv[0]'),
    },
  },
  { name: 'residual, one device', ...residual, pins: { devices: 1, microBatches: 1 } },
  { name: 'residual, 1 x 2 tiles', ...residual, pins: { devices: 2, tiles: [1, 2], microBatches: 1 } },
];
