/** Steps of plans as the devices of this machine take them: what a description of the machine is held against. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { emitOnnx } from '../backends/onnx/emit.ts';
import { type Result, success } from '../ir/diagnostics/diagnostic.ts';
import { median } from '../ir/median.ts';
import type { Plan } from '../ir/plan.ts';
import { dimsOf, product } from '../ir/type.ts';
import { type Devices, startDevices } from '../runtime/local/devices.ts';
import type { Batch } from '../runtime/local/feeds.ts';
import { tileOf } from '../runtime/local/placement.ts';

/** Steps before those that count: sessions have all their memory from the third on. */
const [warming, counted] = [2, 4];

/** Seconds of a step of each plan. Errors: `device-*`. */
export async function measureSteps(plans: readonly Plan[], threads: number): Promise<Result<number[]>> {
  const found: number[] = [];
  for (const plan of plans) {
    const seconds = await secondsOf(plan, threads);
    if (!seconds.ok) return seconds;
    found.push(seconds.value);
  }
  return success(found);
}

async function secondsOf(plan: Plan, threads: number): Promise<Result<number>> {
  const folder = mkdtempSync(join(tmpdir(), 'unetc-steps-'));
  try {
    const files = plan.segments.map((segment): [string, string] => {
      const file = join(folder, `${segment.name}.onnx`);
      writeFileSync(file, emitOnnx(segment));
      return [segment.name, file];
    });
    const feed = { kind: 'batch', inputs: inputsOf(plan) } as const;
    const devices = await startDevices({ plan, segments: Object.fromEntries(files), threads, feed });
    if (!devices.ok) return devices;
    try {
      return await stepSeconds(plan, devices.value);
    } finally {
      await devices.value.close();
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function stepSeconds(plan: Plan, devices: Devices): Promise<Result<number>> {
  const times: number[] = [];
  for (let step = 0; step < warming + counted; step++) {
    const begun = performance.now();
    const ranks = Array.from({ length: devices.size }, (_, rank) => rank);
    const done = await Promise.all(
      ranks.map((rank) => devices.work(rank, { step, tile: tileOf(plan, rank) })),
    );
    const failed = done.find((one) => !one.ok);
    if (failed?.ok === false) return failed;
    times.push((performance.now() - begun) / 1000);
  }
  return success(median(times.slice(warming)));
}

/** Images of bytes, labels that go round the classes, and numbers between 0 and 1 of what is to be learned. */
function inputsOf({ model }: Plan): Record<string, Batch> {
  const samples = model.training?.batch ?? 1;
  return Object.fromEntries(
    model.inputs.flatMap(({ name, type, source }): [string, Batch][] => {
      if (source.from !== 'image' && source.from !== 'target') return [];
      const dims = dimsOf(type, samples);
      const below = source.from === 'target' ? (source.classes ?? 2) : 256;
      const length = product(dims);
      const value = (_: unknown, index: number) => (index * 7919) % below;
      const data =
        type.element === 'u8' ? Uint8Array.from({ length }, value) : Float32Array.from({ length }, value);
      return [[name, { dims, data }]];
    }),
  );
}
