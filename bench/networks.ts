/** The networks that benches run, and those whose steps are compared with PyTorch's. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { compile } from '../compiler/compile.ts';
import type { Plan } from '../ir/plan.ts';
import type { Pins } from '../ir/schedule.ts';
import { valueIn } from '../tests/support/devices.ts';
import { root } from './turns.ts';

export type Network = {
  readonly file: string;
  readonly sets?: Readonly<Record<string, string>>;
  /** Samples of a step, where they differ from the text's. */
  readonly batch?: number;
};

export type Case = Network & {
  readonly name: string;
  /** What PyTorch builds: network, channels, width, poolings, side, batch. */
  readonly torch: string;
};

export const cases: readonly Case[] = [
  { name: 'coastline, 4 x 256²', file: 'examples/coastline.unet', sets: {}, torch: 'unet 3 16 3 256 4' },
  {
    name: 'classic (same), 1 x 128²',
    file: 'bench/networks/classic-same.unet',
    sets: {},
    torch: 'unet 1 64 4 128 1',
  },
  { name: 'residual, 8 x 256²', file: 'examples/residual.unet', sets: {}, torch: 'residual 3 16 4 256 8' },
];

/** A network as it is to be compiled for training. */
export function sourceOf({ file, sets = {}, batch }: Network) {
  const text = readFileSync(join(root, file), 'utf8');
  const source = batch === undefined ? text : text.replace(/batch = \d+/, `batch = ${batch}`);
  return { source, file, sets, purpose: 'train' } as const;
}

/** What pins leave open is at its plainest: no machine is assumed. */
export const planWith = (network: Network, pins: Pins): Plan =>
  valueIn(compile({ ...sourceOf(network), pins })).plan;

/** Of one device. */
export const planOf = (network: Network): Plan => planWith(network, { devices: 1, microBatches: 1 });
