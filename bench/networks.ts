/** The networks whose steps are compared with PyTorch's. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { compile } from '../compiler/compile.ts';
import type { Plan } from '../ir/plan.ts';
import { valueIn } from '../tests/support/devices.ts';
import { root } from './turns.ts';

export type Case = {
  readonly name: string;
  readonly file: string;
  readonly sets: Readonly<Record<string, string>>;
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

/** Of one device. */
export function planOf({ file, sets }: Case): Plan {
  const source = readFileSync(join(root, file), 'utf8');
  return valueIn(compile({ source, file, sets, purpose: 'train', pins: { devices: 1, microBatches: 1 } }))
    .plan;
}
