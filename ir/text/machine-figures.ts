/** The figures of a `.machine` text, by the block that they stand in. */
import type { Figure } from './machine-reading.ts';
import type { Dimension } from './quantity.ts';

export type Figures = { readonly [word: string]: Figure };

export const deviceFigures = {
  memory: { dimension: 'bytes' },
  reserve: { dimension: 'bytes', mayBeZero: true },
  fp32: { dimension: 'rate' },
  bandwidth: { dimension: 'bandwidth' },
  launch: { dimension: 'time', mayBeZero: true },
} as const satisfies Figures;

export const linkFigures = {
  bandwidth: { dimension: 'bandwidth' },
  latency: { dimension: 'time', mayBeZero: true },
} as const satisfies Figures;

/** Those whose bandwidth is that of a node. */
export const nodeFigures = {
  bandwidth: { dimension: 'bandwidth', perNode: true },
  latency: { dimension: 'time', mayBeZero: true },
} as const satisfies Figures;

export const hostFigures = {
  memory: { dimension: 'bytes' },
  link: { dimension: 'bandwidth' },
} as const satisfies Figures;

export const waveFigures = {
  processors: { dimension: 'count' },
  pixels: { dimension: 'count' },
  channels: { dimension: 'count' },
} as const satisfies Figures;

export const dispatchFigure: Figure = { dimension: 'time', mayBeZero: true };
export const otherRate: Figure = { dimension: 'rate' };
export const storageFigure: Figure = { dimension: 'bandwidth', perNode: true };

/** What efficiencies limit, and what the size of a kernel is counted in. */
export const limits = {
  arithmetic: 'flops',
  intensity: 'intensity',
  traffic: 'bytes',
} as const satisfies Record<string, Dimension>;
export const limitWords = ['arithmetic', 'intensity', 'traffic'] as const;
