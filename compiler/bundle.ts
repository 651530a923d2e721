import { createHash } from 'node:crypto';
import { emitOnnx } from '../backends/onnx/emit.ts';
import { bundleFormat, bundlePaths, type Executor, type Manifest, segmentPath } from '../ir/bundle.ts';
import type { Decision } from '../ir/decision.ts';
import type { Machine } from '../ir/machine.ts';
import type { Plan } from '../ir/plan.ts';
import { printMachine } from '../ir/text/machine.ts';
import { printModel } from '../ir/text/model.ts';
import { printPlanParts } from '../ir/text/plan.ts';
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

/** What a file holds, one piece after another. */
export type FileBytes = readonly Uint8Array[];

function sha256(pieces: FileBytes): string {
  const hash = createHash('sha256');
  for (const piece of pieces) hash.update(piece);
  return hash.digest('hex');
}

/** SHA-256 of a model's text: what a checkpoint belongs to, whatever the plan. */
const modelHash = (plan: Plan): string => sha256(encoded([printModel(plan.model)]));

/** Plans of many roles have texts of a hundred megabytes: they are made, hashed and written in pieces of this many characters. */
const pieceLength = 2 ** 20;

function encoded(texts: Iterable<string>): FileBytes {
  const pieces: Uint8Array[] = [];
  let text = '';
  for (const one of texts) {
    text += one;
    if (text.length < pieceLength) continue;
    pieces.push(Buffer.from(text));
    text = '';
  }
  return [...pieces, Buffer.from(text)];
}

/** What `JSON.stringify` gives of a plan. */
function* planAsJson(plan: Plan): Generator<string> {
  let before = '{';
  for (const [key, value] of Object.entries(plan)) {
    yield `${before}${JSON.stringify(key)}:`;
    if (Array.isArray(value)) yield* listAsJson(value);
    else yield JSON.stringify(value);
    before = ',';
  }
  yield '}';
}

function* listAsJson(list: readonly unknown[]): Generator<string> {
  yield '[';
  for (const [index, item] of list.entries()) yield `${index === 0 ? '' : ','}${JSON.stringify(item)}`;
  yield ']';
}

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
export function bundleFiles(plan: Plan, origin: Origin): Map<string, FileBytes> {
  const text = (content: string) => encoded([content]);
  const executors = executorsOf(origin);
  const files = new Map<string, FileBytes>([
    [bundlePaths.plan, encoded(planAsJson(plan))],
    [bundlePaths.origins, text(JSON.stringify(originTable(plan.model, plan.schedule.cuts)))],
    [bundlePaths.planText, encoded(printPlanParts(plan))],
    [bundlePaths.schedule, text(printSchedule(plan.schedule))],
    [bundlePaths.model, text(origin.source)],
  ]);
  if (origin.machine !== undefined) files.set(bundlePaths.machine, text(printMachine(origin.machine)));
  if (origin.decision !== undefined) files.set(bundlePaths.decision, text(JSON.stringify(origin.decision)));
  for (const one of executors)
    for (const [path, bytes] of executorFiles[one](plan, origin)) files.set(path, [bytes]);
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
