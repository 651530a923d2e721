/** Devices of a plan for a bench: its segments as files, and the same numbers in every step. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { emitOnnx } from '../backends/onnx/emit.ts';
import { drawInteger } from '../ir/draw.ts';
import type { Plan } from '../ir/plan.ts';
import { dimsOf, elementsOf } from '../ir/type.ts';
import { type Devices, startDevices } from '../runtime/local/devices.ts';
import type { Batch } from '../runtime/local/feeds.ts';
import { valueIn } from '../tests/support/devices.ts';

/** Drawn images and labels of a step. */
function batchOf({ model }: Plan): Record<string, Batch> {
  const samples = model.training?.batch ?? 1;
  const entries = model.inputs.flatMap(({ name, type, source }): [string, Batch][] => {
    if (source.from !== 'image' && source.from !== 'target') return [];
    const length = elementsOf(type) * samples;
    const below = source.from === 'target' ? (source.classes ?? 2) : 256;
    const draw = (_: unknown, index: number) => drawInteger({ seed: 1, step: 0, sample: 0, index }, below);
    const data =
      type.element === 'u8' ? Uint8Array.from({ length }, draw) : Float32Array.from({ length }, draw);
    return [[name, { dims: dimsOf(type, samples), data }]];
  });
  return Object.fromEntries(entries);
}

export async function devicesOf(plan: Plan, threads = 1): Promise<Devices> {
  const folder = mkdtempSync(join(tmpdir(), 'unetc-bench-'));
  const files = plan.segments.map((segment): [string, string] => {
    const path = join(folder, `${segment.name}.onnx`);
    writeFileSync(path, emitOnnx(segment));
    return [segment.name, path];
  });
  try {
    const feed = { kind: 'batch', inputs: batchOf(plan) } as const;
    return valueIn(await startDevices({ plan, segments: Object.fromEntries(files), threads, feed }));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

export async function withDevices<T>(
  plan: Plan,
  body: (devices: Devices) => Promise<T>,
  threads = 1,
): Promise<T> {
  const devices = await devicesOf(plan, threads);
  try {
    return await body(devices);
  } finally {
    await devices.close();
  }
}
