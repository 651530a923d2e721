import { createHash } from 'node:crypto';
import { emitOnnx } from '../backends/onnx/emit.ts';
import { bundleFormat, bundlePaths, type Executor, type Manifest, segmentPath } from '../ir/bundle.ts';
import type { Decision } from '../ir/decision.ts';
import type { Machine } from '../ir/machine.ts';
import type { Plan } from '../ir/plan.ts';
import { printMachine } from '../ir/text/machine.ts';
import { printModel } from '../ir/text/model.ts';
import { printPlan } from '../ir/text/plan.ts';
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

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** SHA-256 of a model's text: what a checkpoint belongs to, whatever the plan. */
const modelHash = (plan: Plan): string => sha256(new TextEncoder().encode(printModel(plan.model)));

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

/** All files of a bundle by their path. The same plan and origin give the same bytes. */
export function bundleFiles(plan: Plan, origin: Origin): Map<string, Uint8Array> {
  const text = (content: string) => new TextEncoder().encode(content);
  const executors = executorsOf(origin);
  const files = new Map<string, Uint8Array>([
    [bundlePaths.plan, text(JSON.stringify(plan))],
    [bundlePaths.origins, text(JSON.stringify(originTable(plan.model, plan.schedule.cuts)))],
    [bundlePaths.planText, text(printPlan(plan))],
    [bundlePaths.schedule, text(printSchedule(plan.schedule))],
    [bundlePaths.model, text(origin.source)],
    ...(origin.machine === undefined
      ? []
      : [[bundlePaths.machine, text(printMachine(origin.machine))] as [string, Uint8Array]]),
    ...(origin.decision === undefined
      ? []
      : [[bundlePaths.decision, text(JSON.stringify(origin.decision))] as [string, Uint8Array]]),
    ...executors.flatMap((one) => executorFiles[one](plan, origin)),
  ]);
  const manifest: Manifest = {
    format: bundleFormat,
    compiler: origin.version,
    model: modelHash(plan),
    sets: origin.sets,
    threads: origin.threads,
    executors,
    files: Object.fromEntries([...files].map(([path, bytes]) => [path, sha256(bytes)])),
  };
  return files.set(bundlePaths.manifest, text(`${JSON.stringify(manifest, null, 2)}\n`));
}
