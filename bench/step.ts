/**
 * Seconds of a training step, ours against hand-written PyTorch, one thread each, in one run:
 *
 *   npm run bench [rounds]
 *
 * The two take turns, a few steps each, so that a machine whose speed drifts slows both. PyTorch is installed
 * into out/bench-venv; the product never needs it. A ratio above 1: ours is faster.
 */
import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { emitOnnx } from '../backends/onnx/emit.ts';
import { table } from '../cli/table.ts';
import { compile } from '../compiler/compile.ts';
import { at } from '../ir/box.ts';
import { drawInteger } from '../ir/draw.ts';
import type { Plan } from '../ir/plan.ts';
import { dimsOf, elementsOf } from '../ir/type.ts';
import { type Devices, startDevices } from '../runtime/local/devices.ts';
import type { Batch } from '../runtime/local/feeds.ts';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');

type Case = {
  readonly name: string;
  readonly file: string;
  readonly sets: Readonly<Record<string, string>>;
  /** What PyTorch builds: channels, width, poolings, side, batch. */
  readonly torch: readonly number[];
};

const cases: readonly Case[] = [
  { name: 'coastline, 4 x 256²', file: 'examples/coastline.unet', sets: {}, torch: [3, 16, 3, 256, 4] },
  {
    name: 'classic (same), 1 x 128²',
    file: 'bench/networks/classic-same.unet',
    sets: {},
    torch: [1, 64, 4, 128, 1],
  },
];

const stepsEach = 3;
const rounds = Number(process.argv[2] ?? 5);

function pythonWithTorch(): string {
  const venv = join(root, 'out/bench-venv');
  const python = join(venv, 'bin/python');
  const run = (command: string, ...args: string[]) => {
    const { status } = spawnSync(command, args, { stdio: ['ignore', 2, 2] });
    if (status !== 0) throw new Error(`${command} ${args.join(' ')} failed`);
  };
  if (spawnSync(python, ['-c', 'import torch']).status === 0) return python;
  if (!existsSync(python)) run('python3', '-m', 'venv', venv);
  run(python, '-m', 'pip', 'install', '--quiet', 'torch==2.13.0', 'numpy');
  return python;
}

/** A process that answers each line with one line. */
function conversation(child: ChildProcessWithoutNullStreams) {
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return async (line: string): Promise<string> => {
    child.stdin.write(`${line}\n`);
    const answer = await lines.next();
    if (answer.done) throw new Error(`no answer to "${line}"`);
    return answer.value;
  };
}

function planOf({ file, sets }: Case): Plan {
  const source = readFileSync(join(root, file), 'utf8');
  const compiled = compile({ source, file, sets, purpose: 'train', pins: { devices: 1, microBatches: 1 } });
  if (!compiled.ok) throw new Error(compiled.diagnostics.map(({ message }) => message).join('\n'));
  return compiled.value.plan;
}

/** The same drawn batch in every step. */
function batchOf({ model }: Plan): Record<string, Batch> {
  const samples = model.training?.batch ?? 1;
  const entries = model.inputs.flatMap(({ name, type, source }): [string, Batch][] => {
    if (source.from !== 'image' && source.from !== 'target') return [];
    const below = source.from === 'target' ? (source.classes ?? 2) : 256;
    const draw = (_: unknown, index: number) => drawInteger({ seed: 1, step: 0, sample: 0, index }, below);
    const values = Array.from({ length: elementsOf(type) * samples }, draw);
    const data = type.element === 'u8' ? Uint8Array.from(values) : Float32Array.from(values);
    return [[name, { dims: dimsOf(type, samples), data }]];
  });
  return Object.fromEntries(entries);
}

async function withDevice<T>(plan: Plan, body: (devices: Devices) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'unetc-bench-'));
  const files = plan.segments.map((segment): [string, string] => {
    const path = join(folder, `${segment.name}.onnx`);
    writeFileSync(path, emitOnnx(segment));
    return [segment.name, path];
  });
  const feed = { kind: 'batch', inputs: batchOf(plan) } as const;
  const devices = await startDevices({ plan, segments: Object.fromEntries(files), threads: 1, feed });
  if (!devices.ok) throw new Error(devices.diagnostics.map(({ message }) => message).join('\n'));
  try {
    return await body(devices.value);
  } finally {
    await devices.value.close();
    rmSync(folder, { recursive: true });
  }
}

const median = (values: readonly number[]): number => {
  const sorted = [...values].sort((a, b) => a - b);
  return at(sorted, Math.floor(sorted.length / 2));
};

async function measure(one: Case, ask: (line: string) => Promise<string>): Promise<string[]> {
  await ask([...one.torch, 1].join(' '));
  return withDevice(planOf(one), async (devices) => {
    let step = 0;
    const ours = async (): Promise<number> => {
      const began = performance.now();
      const done = await devices.work(0, { step: step++, tile: 0 });
      if (!done.ok) throw new Error(done.diagnostics.map(({ message }) => message).join('\n'));
      return (performance.now() - began) / 1000;
    };
    const theirs = async (count: number): Promise<number[]> =>
      (await ask(`run ${count}`)).split(' ').map(Number);
    await ours();
    await theirs(1);
    const [mine, others, ratios]: [number[], number[], number[]] = [[], [], []];
    for (let round = 0; round < rounds; round++) {
      const a: number[] = [];
      for (let i = 0; i < stepsEach; i++) a.push(await ours());
      const b = await theirs(stepsEach);
      mine.push(median(a));
      others.push(median(b));
      ratios.push(median(b) / median(a));
    }
    const spread = `${Math.min(...ratios).toFixed(2)} .. ${Math.max(...ratios).toFixed(2)}`;
    return [
      one.name,
      `${median(mine).toFixed(3)} s`,
      `${median(others).toFixed(3)} s`,
      median(ratios).toFixed(2),
      spread,
    ];
  });
}

const python = pythonWithTorch();
const child = spawn(python, [join(root, 'bench/torch_step.py')]);
child.stderr.pipe(process.stderr);
const ask = conversation(child);
const rows: string[][] = [];
for (const one of cases) rows.push(await measure(one, ask));
child.kill();
console.log(
  table(
    [
      { title: 'one training step, one thread' },
      { title: 'unetc', align: 'right' },
      { title: 'PyTorch 2.13', align: 'right' },
      { title: 'ratio', align: 'right' },
      { title: 'of all rounds', align: 'right' },
    ],
    rows,
  ),
);
