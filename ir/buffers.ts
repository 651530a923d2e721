import type { Buffer } from './plan.ts';
import { remembered } from './remembered.ts';

/** The buffers of a role by their names. */
export const buffersByName = remembered(
  (buffers: readonly Buffer[]): ReadonlyMap<string, Buffer> =>
    new Map(buffers.map((buffer) => [buffer.name, buffer])),
);
