import { createHash } from 'node:crypto';
import { emitOnnx } from '../backends/onnx/emit.ts';
import { bundleFormat, bundlePaths, type Executor, type Manifest, segmentPath } from '../ir/bundle.ts';
import type { Decision } from '../ir/decision.ts';
import type { Machine } from '../ir/machine.ts';
import type { Plan } from '../ir/plan.ts';
import { planFiles } from '../ir/plan-files.ts';
import { printMachine } from '../ir/text/machine.ts';
import { printModel } from '../ir/text/model.ts';
import { printSchedule } from '../ir/text/schedule.ts';
import { originTable } from '../ir/tiling.ts';

/** What a bundle says of where it comes from; none of it changes what it computes. */
export type Origin = {
  /** The `.unet` text. */
  readonly source: string;
  readonly sets: Readonly<Record<string, string>>;
  /** Version of the compiler. */
  readonly version: string;
  /** Compute threads of each device. */
  readonly threads: number;
  /** The machine it was planned for, and why so. */
  readonly machine?: Machine;
  readonly decision?: Decision;
  /** Files of the PyTorch executor by their path in its folder; without them only this machine can run it. */
  readonly torch?: ReadonlyMap<string, Uint8Array>;
};

export type BundleFile = { readonly path: string; readonly bytes: Uint8Array };

const sha256 = (data: string | Uint8Array): string => createHash('sha256').update(data).digest('hex');

/** SHA-256 of a model's text: what a checkpoint belongs to, whatever the plan. */
const modelHash = (plan: Plan): string => sha256(printModel(plan.model));

/** A machine that a launcher starts elsewhere has no use for the sessions of this one. */
const executorsOf = ({ machine, torch }: Origin): readonly Executor[] => [
  ...(machine === undefined || machine.launcher === 'local' || torch === undefined
    ? (['local'] as const)
    : []),
  ...(torch === undefined ? [] : (['torch'] as const)),
];

const executorFiles: {
  readonly [K in Executor]: (plan: Plan, origin: Origin) => readonly (readonly [string, Uint8Array])[];
} = {
  local: ({ segments }) => segments.map((segment) => [segmentPath(segment.name), emitOnnx(segment)]),
  torch: (_, { torch }) => [...(torch ?? [])].map(([path, bytes]) => [`${bundlePaths.torch}/${path}`, bytes]),
};

/** The files of a bundle but for those of the plan and the manifest: their paths, and their texts or bytes. */
function* contentsOf(
  plan: Plan,
  origin: Origin,
  executors: readonly Executor[],
): Generator<readonly [string, string | Uint8Array]> {
  yield [bundlePaths.origins, JSON.stringify(originTable(plan.model, plan.schedule.cuts))];
  yield [bundlePaths.schedule, printSchedule(plan.schedule)];
  yield [bundlePaths.model, origin.source];
  if (origin.machine !== undefined) yield [bundlePaths.machine, printMachine(origin.machine)];
  if (origin.decision !== undefined) yield [bundlePaths.decision, JSON.stringify(origin.decision)];
  for (const one of executors) yield* executorFiles[one](plan, origin);
}

/** All files of a bundle, the manifest last. The same plan and origin give the same bytes. */
export function* bundleFiles(plan: Plan, origin: Origin): Generator<BundleFile> {
  const executors = executorsOf(origin);
  const hashes: Record<string, string> = {};
  const file = (path: string, content: string | Uint8Array): BundleFile => {
    const bytes = typeof content === 'string' ? Buffer.from(content) : content;
    hashes[path] = sha256(bytes);
    return { path, bytes };
  };
  for (const { path, content } of planFiles(plan)) yield file(path, JSON.stringify(content));
  const planHash = sha256(Object.values(hashes).join('\n'));
  for (const [path, content] of contentsOf(plan, origin, executors)) yield file(path, content);
  const manifest: Manifest = {
    format: bundleFormat,
    compiler: origin.version,
    model: modelHash(plan),
    plan: planHash,
    sets: origin.sets,
    threads: origin.threads,
    executors,
    files: hashes,
  };
  yield { path: bundlePaths.manifest, bytes: Buffer.from(`${JSON.stringify(manifest, null, 2)}\n`) };
}
