/**
 * Where the time of a training step goes, ours by kinds of ops and PyTorch's by its own names, one thread each:
 *
 *   npx tsx bench/profile.ts [runs] [part of a name]
 *
 * Of each node the least of all runs counts, by the clock: run it on a quiet machine. Loops count without what is in
 * them. What lies between nodes (copies of results, the device's own instructions) is not in it: `unetc run --profile`.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { emitOnnx } from '../backends/onnx/emit.ts';
import { table } from '../cli/table.ts';
import { at } from '../ir/box.ts';
import { typesOf } from '../ir/graph.ts';
import type { Plan, Segment } from '../ir/plan.ts';
import { dimsOf, product, type ValueType } from '../ir/type.ts';
import { type NodeTime, nodeTimes, opOf } from '../runtime/local/node-times.ts';
import { sessionOptions } from '../runtime/local/sessions.ts';
import { type Case, cases, planOf } from './networks.ts';
import { conversation, pythonWithTorch, root } from './turns.ts';

const runs = Number(process.argv[2] ?? 5);
const wanted = process.argv[3] ?? '';

/** Numbers around 0, half of them 0 as after a ReLU; labels of two classes. */
function tensorOf(type: ValueType, samples: number): Tensor {
  const dims = dimsOf(type, samples);
  const length = product(dims);
  return type.element === 'u8'
    ? new Tensor(
        'uint8',
        Uint8Array.from({ length }, (_, i) => i % 2),
        dims,
      )
    : new Tensor(
        'float32',
        Float32Array.from({ length }, (_, i) => Math.max(0, Math.sin(i * 12.9898)) / 9),
        dims,
      );
}

/** The times of the nodes in some runs of a segment. */
async function timesOf(segment: Segment): Promise<NodeTime[]> {
  const folder = mkdtempSync(join(tmpdir(), 'unetc-profile-'));
  const options = { enableProfiling: true, profileFilePrefix: join(folder, 'run') };
  const session = await InferenceSession.create(emitOnnx(segment), {
    ...sessionOptions(1, 'arena'),
    ...options,
  });
  const types = typesOf(segment.graph);
  const tensors = (names: readonly string[]) =>
    Object.fromEntries(
      names.flatMap((name) => {
        const type = types.get(name);
        return type === undefined ? [] : [[name, tensorOf(type, segment.samples)]];
      }),
    );
  const feeds = tensors(segment.graph.inputs.map(({ name }) => name));
  const results = tensors(segment.graph.outputs);
  for (let run = 0; run < runs; run++) await session.run(feeds, results);
  session.endProfiling();
  await session.release();
  const file = at(readdirSync(folder), 0);
  const text = readFileSync(join(folder, file), 'utf8');
  rmSync(folder, { recursive: true });
  return nodeTimes(text);
}

/** Milliseconds of each kind of op of a segment in its best run, node by node. */
async function kindsOf(segment: Segment): Promise<Map<string, number>> {
  const perNode = new Map<string, number[]>();
  for (const { node, run, own } of await timesOf(segment)) {
    const times = perNode.get(node) ?? [];
    times[run] = (times[run] ?? 0) + own;
    perNode.set(node, times);
  }
  const kinds = new Map(segment.graph.ops.map(({ output, kind }): [string, string] => [output, kind]));
  const results = new Set(kinds.keys());
  const sums = new Map<string, number>();
  for (const [node, times] of perNode) {
    const kind = kinds.get(opOf(results, node) ?? '') ?? 'other';
    const least = Math.min(...times.filter((time) => time !== undefined)) / 1000;
    sums.set(kind, (sums.get(kind) ?? 0) + least);
  }
  return sums;
}

async function ours({ segments }: Plan): Promise<[string, number][]> {
  const sums = new Map<string, number>();
  for (const segment of segments.filter(({ name }) => !name.startsWith('update')))
    for (const [kind, time] of await kindsOf(segment)) sums.set(kind, (sums.get(kind) ?? 0) + time);
  return [...sums];
}

async function theirs({ torch }: Case): Promise<[string, number][]> {
  const child = spawn(pythonWithTorch(), [join(root, 'bench/torch_step.py')]);
  const ask = conversation(child);
  await ask(`${torch} 1`);
  await ask('run 1');
  const answer = await ask(`profile ${runs}`);
  child.kill();
  return answer.split(' ').map((one): [string, number] => {
    const end = one.lastIndexOf(':');
    return [one.slice(0, end), Number(one.slice(end + 1))];
  });
}

/** What takes at least a hundredth, the most first, and the rest. */
function rowsOf(times: readonly [string, number][]): string[][] {
  const total = times.reduce((sum, [, time]) => sum + time, 0);
  const shown = times.filter(([, time]) => time >= total / 100).sort((a, b) => b[1] - a[1]);
  const rest = total - shown.reduce((sum, [, time]) => sum + time, 0);
  const row = (name: string, time: number): string[] => [
    name,
    time.toFixed(0),
    `${((100 * time) / total).toFixed(0)} %`,
  ];
  return [...shown.map(([name, time]) => row(name, time)), row('everything else', rest), row('all', total)];
}

for (const one of cases.filter(({ name }) => name.includes(wanted)))
  for (const [who, times] of [
    ['unetc', await ours(planOf(one))] as const,
    ['PyTorch', await theirs(one)] as const,
  ])
    console.log(
      `${table([{ title: `${one.name}: ${who}` }, { title: 'ms', align: 'right' }, { title: 'share', align: 'right' }], rowsOf(times))}\n`,
    );
