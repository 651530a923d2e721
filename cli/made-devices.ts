/** Devices of a plan that no file was written for, and that is given made-up images: only the time and memory of a step count. */
import { join } from 'node:path';
import { emitOnnx } from '../backends/onnx/emit.ts';
import type { Result } from '../ir/diagnostics/diagnostic.ts';
import { drawInteger } from '../ir/draw.ts';
import type { Plan } from '../ir/plan.ts';
import { dimsOf, elementsOf } from '../ir/type.ts';
import { writeSafely } from '../runtime/files/write-safely.ts';
import { type Devices, startDevices } from '../runtime/local/devices.ts';
import type { Batch } from '../runtime/local/feeds.ts';
import { makePrivateFolder } from '../runtime/local/folder.ts';

/** Starts them; every step is given the same numbers. Errors: `write-failed`, `device-*`. */
export async function makeDevices(plan: Plan, threads: number): Promise<Result<Devices>> {
  const folder = await makePrivateFolder();
  if (!folder.ok) return folder;
  try {
    const files: Record<string, string> = {};
    for (const segment of plan.segments) {
      const file = join(folder.value.path, `${segment.name}.onnx`);
      const written = writeSafely(file, [emitOnnx(segment)]);
      if (!written.ok) return written;
      files[segment.name] = file;
    }
    const feed = { kind: 'batch', inputs: madeInputs(plan) } as const;
    return await startDevices({ plan, segments: files, threads, feed });
  } finally {
    folder.value.remove();
  }
}

/** Drawn: bytes for images, classes for labels. */
function madeInputs({ model }: Plan): Record<string, Batch> {
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
