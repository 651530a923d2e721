/**
 * A scene that does not fit: `predict` on a tiled TIFF, with two sizes of memory, must give the same mask to the
 * bit, in memory that does not grow with the scene.
 *
 *   npx tsx scripts/predict-large.ts [SIDE] [MEMORY] [MEMORY] [FOLDER]
 *
 * SIDE (10000) pixels a side; memory of a device in the first and the second run (512MiB, 1536MiB). Draws the
 * scene into FOLDER (a new one in the system's folder for temporary files, removed at the end), trains the
 * network of `examples/coastline.unet` for some steps, so that its mask is not all alike, and prints seconds,
 * tiles and the peak of resident memory of each process, as the system counted it. Ends with 1 if masks differ.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { range } from '../ir/box.ts';
import { decode } from '../runtime/data/decode.ts';
import { bands, readRectangle } from '../runtime/data/raster.ts';
import { createTiff } from '../runtime/files/tiff-writer.ts';
import { valueIn } from '../tests/support/devices.ts';

const [sideText = '10000', first = '512MiB', second = '1536MiB', given] = process.argv.slice(2);
const side = Number(sideText);
const folder = given ?? mkdtempSync(join(tmpdir(), 'unetc-large-'));
mkdirSync(folder, { recursive: true });
if (given === undefined) process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
const inFolder = (name: string): string => join(folder, name);

/** Hills and fine grain: a value of one pixel and channel. */
function pixel(y: number, x: number, channel: number): number {
  const grain = (Math.imul(y * 7919 + x * 104729 + channel, 2654435761) >>> 27) - 16;
  const hills = Math.sin(x / (41 + 11 * channel)) * Math.cos(y / 57) + Math.sin((x + 2 * y) / 229);
  return Math.max(0, Math.min(255, Math.round(128 + 55 * hills + grain)));
}

async function drawScene(path: string): Promise<void> {
  const writer = valueIn(createTiff(path, { width: side, height: side, channels: 3 }));
  for (const { from, to } of bands(range(0, side), 64)) {
    const rows = new Uint8Array((to - from) * side * 3);
    for (let i = 0; i < rows.length; i++) {
      const cell = Math.floor(i / 3);
      rows[i] = pixel(from + Math.floor(cell / side), cell % side, i % 3);
    }
    valueIn(await writer.push(rows));
  }
  valueIn(await writer.close());
}

type Run = { readonly seconds: number; readonly said: string; readonly peaks: readonly number[] };

/** MiB that a process had at most; undefined when it is gone. */
function peakOf(pid: string): number | undefined {
  try {
    const found = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
    return found === null ? undefined : Number(found[1]) / 1024;
  } catch {
    return undefined;
  }
}

function childrenOf(pid: string): string[] {
  try {
    return readdirSync(`/proc/${pid}/task`).flatMap((task) =>
      readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').split(' ').filter(Boolean),
    );
  } catch {
    return [];
  }
}

/** Runs the program; the first peak is that of the parent, the others are those of the devices. */
async function unetc(words: string): Promise<Run> {
  const start = performance.now();
  const child = spawn(process.execPath, ['--import', 'tsx', 'cli/unetc.ts', ...words.split(' ')]);
  const peaks = new Map<string, number>();
  const watch = setInterval(() => {
    const parent = String(child.pid);
    for (const pid of [parent, ...childrenOf(parent)]) {
      const peak = peakOf(pid);
      if (peak !== undefined) peaks.set(pid, peak);
    }
  }, 100);
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (bytes) => {
      said += String(bytes);
    });
  const status = await new Promise<number | null>((resolve) => child.on('close', resolve));
  clearInterval(watch);
  if (status !== 0) throw new Error(`unetc ${words} ended with ${status}:\n${said}`);
  return { seconds: (performance.now() - start) / 1000, said, peaks: [...peaks.values()] };
}

/** How many pixels differ, and how many are of class 1. */
async function compare(a: string, b: string): Promise<{ differ: number; ones: number }> {
  const [one, other] = [
    valueIn(await decode(a, { cache: folder })),
    valueIn(await decode(b, { cache: folder })),
  ];
  let [differ, ones] = [0, 0];
  for (const rows of bands(range(0, side), 256)) {
    const [x, y] = [
      await readRectangle(one, rows, range(0, side)),
      await readRectangle(other, rows, range(0, side)),
    ];
    for (let i = 0; i < x.length; i++) {
      if (x[i] !== y[i]) differ++;
      if (x[i] === 1) ones++;
    }
  }
  return { differ, ones };
}

const scene = inFolder(`scene-${side}.tif`);
if (!existsSync(scene)) await drawScene(scene);
console.log(`Scene of ${side} x ${side}: ${scene}`);
const [bundle, weights] = [inFolder('bundle'), inFolder('weights')];
if (!existsSync(weights)) {
  await unetc(`compile examples/coastline.unet --set side=128 --devices 1 -o ${bundle}`);
  await unetc(`run ${bundle} --data examples/coastline --steps 12 --checkpoint ${weights}`);
}
const masks: string[] = [];
for (const memory of [first, second]) {
  const mask = inFolder(`mask-${memory}.tif`);
  const { seconds, said, peaks } = await unetc(
    `predict ${bundle} ${scene} --weights ${weights} --devices 1 --memory ${memory} -o ${mask}`,
  );
  const [parent = 0, ...devices] = peaks.map(Math.round);
  const [, tiles = '?'] = /\/(\d+) {2}tiles/.exec(said) ?? [];
  const [, planned = '?'] = /Busiest device: (.*?)\./.exec(said) ?? [];
  console.log(
    `--memory ${memory}: ${seconds.toFixed(0)} s, ${tiles} tiles, planned for ${planned}; ` +
      `peak of the parent ${parent} MiB, of the device ${devices.join(' and ')} MiB`,
  );
  masks.push(mask);
}
const [a = '', b = ''] = masks;
const { differ, ones } = await compare(a, b);
console.log(
  `${differ} of ${side * side} pixels differ; class 1 has ${((100 * ones) / side ** 2).toFixed(1)} %`,
);
process.exitCode = differ === 0 ? 0 : 1;
