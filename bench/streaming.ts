/**
 * One training step on an image larger than the memory of its device, streamed in tiles:
 *
 *   npx tsx bench/streaming.ts [SIDE MEMORY]
 *
 * Without arguments: the scene of the quickstart, 4096 x 2048, with 768 MiB, and again with 8 GiB; the two gradients
 * are compared. With a side (10000) and a memory (2GiB): a made image of that side, for which no other plan is tried.
 * Prints the plan's prediction of memory, the device's peak beyond its base as the system counts it, and the time.
 */
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { emitOnnx } from '../backends/onnx/emit.ts';
import { worstGradient } from '../compiler/compare.ts';
import { compile } from '../compiler/compile.ts';
import { at } from '../ir/box.ts';
import type { Plan } from '../ir/plan.ts';
import { product } from '../ir/type.ts';
import { parseBytes, showBytes } from '../ir/units.ts';
import { openData } from '../runtime/data/open-data.ts';
import { windowsFeed } from '../runtime/feed-of.ts';
import { startDevices } from '../runtime/local/devices.ts';
import { gradientBuffers } from '../runtime/local/finite.ts';
import { valueIn } from '../tests/support/devices.ts';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const folder = mkdtempSync(join(tmpdir(), 'unetc-streaming-'));

function planOf(rows: number, columns: number, memory: number): Plan {
  const file = 'bench/networks/scene.unet';
  const source = readFileSync(join(root, file), 'utf8');
  const sets = { rows: String(rows), columns: String(columns) };
  const pins = { devices: 1, memory };
  return valueIn(compile({ source, file, sets, purpose: 'train', pins })).plan;
}

type Outcome = { readonly gradients: ReadonlyMap<string, Float64Array>; readonly loss: number };

async function oneStep(plan: Plan, data: string, split: string): Promise<Outcome> {
  const files = plan.segments.map((segment): [string, string] => {
    const path = join(folder, `${segment.name}.onnx`);
    writeFileSync(path, emitOnnx(segment));
    return [segment.name, path];
  });
  const feed = windowsFeed(plan, valueIn(await openData(data)), split);
  const segments = Object.fromEntries(files);
  const devices = valueIn(await startDevices({ plan, segments, threads: 2, feed, timeoutSeconds: 3600 }));
  try {
    const buffers = gradientBuffers(plan, at(plan.roles, 0));
    const began = performance.now();
    const probe = { before: 'rate', buffers: [...buffers.values()] } as const;
    const done = valueIn(await devices.work(0, { step: 0, tile: 0, probe }));
    const seconds = (performance.now() - began) / 1000;
    const { stream } = plan.schedule;
    const predicted = Math.max(...plan.roles.map(({ peakBytes }) => peakBytes));
    console.log(
      [
        `${stream.join(' x ')} tiles (${product(stream)}) streamed by one device, two threads`,
        `predicted ${showBytes(predicted)}, measured ${showBytes(done.peakBytes)} beyond the base`,
        `measured / predicted ${(done.peakBytes / predicted).toFixed(2)}`,
        `${seconds.toFixed(1)} s, loss ${done.loss?.toFixed(6)}`,
      ].join('; '),
    );
    const gradients = [...buffers].map(([parameter, buffer]): [string, Float64Array] => [
      parameter,
      Float64Array.from(done.probed[buffer] ?? []),
    ]);
    return { gradients: new Map(gradients), loss: done.loss ?? Number.NaN };
  } finally {
    await devices.close();
  }
}

/** An image of bands and a label of blocks, as NPY files, a row at a time. */
function madeScene(side: number): string {
  const scene = join(folder, 'scene');
  const write = (name: string, kind: string, channels: number, paint: (y: number, x: number) => number) => {
    mkdirSync(join(scene, kind), { recursive: true });
    const shape = channels === 1 ? `(${side}, ${side})` : `(${side}, ${side}, ${channels})`;
    const header = `{'descr': '|u1', 'fortran_order': False, 'shape': ${shape}, }`;
    const padded = header.padEnd(Math.ceil((header.length + 11) / 64) * 64 - 11, ' ');
    const file = openSync(join(scene, kind, name), 'w');
    writeSync(file, Buffer.from(`\x93NUMPY\x01\x00`, 'latin1'));
    writeSync(file, Buffer.from([(padded.length + 1) % 256, Math.floor((padded.length + 1) / 256)]));
    writeSync(file, Buffer.from(`${padded}\n`, 'latin1'));
    for (let y = 0; y < side; y++)
      writeSync(
        file,
        Uint8Array.from({ length: side * channels }, (_, i) =>
          paint(y, Math.floor(i / channels) + (i % channels)),
        ),
      );
    closeSync(file);
  };
  write('a.npy', 'images', 3, (y, x) => (x * 7 + y * 13 + ((x * y) >> 5)) % 256);
  write('a.npy', 'labels', 1, (y, x) => ((x >> 6) + (y >> 6)) % 2);
  return scene;
}

const [side, memory] = process.argv.slice(2);
try {
  if (side !== undefined) {
    const plan = planOf(Number(side), Number(side), parseBytes(memory ?? '2GiB') ?? 0);
    await oneStep(plan, madeScene(Number(side)), 'train');
  } else {
    const data = join(folder, 'coastline');
    mkdirSync(data);
    const pair = {
      image: join(root, 'examples/coastline/blue-marble.jpg'),
      label: join(root, 'examples/coastline/land.png'),
    };
    writeFileSync(join(data, 'data.json'), JSON.stringify({ pairs: [pair], labels: { 0: 0, 255: 1 } }));
    const small = await oneStep(planOf(2048, 4096, 768 * 2 ** 20), data, 'train');
    const large = await oneStep(planOf(2048, 4096, 8 * 2 ** 30), data, 'train');
    const { gradientError, worst } = worstGradient(small.gradients, large);
    console.log(
      `loss ${small.loss} and ${large.loss}; gradients differ by at most ${gradientError.toExponential(1)} (${worst})`,
    );
  }
} finally {
  rmSync(folder, { recursive: true });
}
