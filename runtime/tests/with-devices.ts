/** Tiny plans on real device processes, and what to feed them. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { at } from '../../ir/box.ts';
import type { Diagnostic, Result } from '../../ir/diagnostics/diagnostic.ts';
import type { Plan } from '../../ir/plan.ts';
import { type Devices, type DevicesOptions, startDevices } from '../local/devices.ts';
import type { FeedSpec } from '../local/feeds.ts';
import { tileOf } from '../local/placement.ts';
import type { Done } from '../local/protocol.ts';
import { tinyOptions } from './tiny-plan.ts';
import { writeSegments } from './tiny-segments.ts';

const { batch, extents } = tinyOptions;

/** Cells of one sample. */
export const cells = extents[0] * extents[1];

/** A whole batch of images of one channel. */
export const image = Float32Array.from(
  { length: batch * cells },
  (_, i) => Math.sin(i * 1.7) + ((i * 7) % 5) / 10,
);

/** Land where the image is bright: what the tiny network can learn. */
export const land = Uint8Array.from(image, (v) => Number(v > 0));

/** The same batch in every step. */
export const tinyFeed = (labels: Uint8Array = land, images: Float32Array = image): FeedSpec => ({
  kind: 'batch',
  inputs: {
    image: { dims: [batch, 1, ...extents], data: images },
    land: { dims: [batch, 1, ...extents], data: labels },
  },
});

/** Starts the devices of a plan, and ends them after `body`. */
export async function withDevices<T>(
  plan: Plan,
  body: (devices: Devices) => Promise<T>,
  options: Partial<DevicesOptions> = {},
): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'unetc-test-'));
  const segments = await writeSegments(plan, folder);
  const started = await startDevices({ plan, segments, threads: 1, feed: tinyFeed(), ...options });
  try {
    return await body(valueIn(started));
  } finally {
    if (started.ok) await started.value.close();
    await rm(folder, { recursive: true });
  }
}

export const ranksOf = (devices: Devices): number[] =>
  Array.from({ length: devices.size }, (_, rank) => rank);

/** One step of training on all devices. */
export const stepOn = (plan: Plan, devices: Devices, step: number): Promise<Result<Done>[]> =>
  Promise.all(ranksOf(devices).map((rank) => devices.work(rank, { step, tile: tileOf(plan, rank) })));

export function valueIn<T>(result: Result<T>): T {
  if (result.ok) return result.value;
  throw new Error(result.diagnostics.map(({ message }) => message).join('\n'));
}

/** The first diagnostic of something that must not go well. */
export function refusal(result: Result<unknown> | undefined): Diagnostic {
  if (result === undefined || result.ok) throw new Error('it went well');
  return at(result.diagnostics, 0);
}
