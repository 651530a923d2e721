import { createHash, type Hash } from 'node:crypto';
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

/** A piece holds its bytes until the next is asked for, and all are asked for before the next file is. */
export type BundleFile = { readonly path: string; readonly pieces: Iterable<Uint8Array> };

/** SHA-256 of a model's text: what a checkpoint belongs to, whatever the plan. */
const modelHash = (plan: Plan): string => createHash('sha256').update(printModel(plan.model)).digest('hex');

/** Plans of many roles have texts of a hundred megabytes: they are made, hashed and written in pieces of about this size. */
const pieceBytes = 2 ** 22;

function* encoded(texts: Iterable<string>): Generator<Uint8Array> {
  let room = Buffer.allocUnsafe(0);
  let filled = 0;
  for (const text of texts) {
    // A character of a string is at most three bytes.
    const most = 3 * text.length;
    if (most > room.length - filled) {
      if (filled > 0) yield room.subarray(0, filled);
      filled = 0;
      if (most > room.length) room = Buffer.allocUnsafe(Math.max(most, pieceBytes));
    }
    filled += room.write(text, filled);
  }
  if (filled > 0) yield room.subarray(0, filled);
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

/** The files of a bundle but for its manifest: their paths, and their texts or bytes. */
function* contentsOf(
  plan: Plan,
  origin: Origin,
  executors: readonly Executor[],
): Generator<readonly [string, Iterable<string> | Uint8Array]> {
  yield [bundlePaths.plan, planAsJson(plan)];
  yield [bundlePaths.origins, [JSON.stringify(originTable(plan.model, plan.schedule.cuts))]];
  yield [bundlePaths.planText, printPlanParts(plan)];
  yield [bundlePaths.schedule, [printSchedule(plan.schedule)]];
  yield [bundlePaths.model, [origin.source]];
  if (origin.machine !== undefined) yield [bundlePaths.machine, [printMachine(origin.machine)]];
  if (origin.decision !== undefined) yield [bundlePaths.decision, [JSON.stringify(origin.decision)]];
  for (const one of executors) yield* executorFiles[one](plan, origin);
}

/** All files of a bundle, the manifest last. The same plan and origin give the same bytes. */
export function* bundleFiles(plan: Plan, origin: Origin): Generator<BundleFile> {
  const executors = executorsOf(origin);
  const hashes: Record<string, string> = {};
  for (const [path, content] of contentsOf(plan, origin, executors)) {
    const hash = createHash('sha256');
    yield { path, pieces: hashed(content instanceof Uint8Array ? [content] : encoded(content), hash) };
    hashes[path] = hash.digest('hex');
  }
  const manifest: Manifest = {
    format: bundleFormat,
    compiler: origin.version,
    model: modelHash(plan),
    sets: origin.sets,
    threads: origin.threads,
    executors,
    files: hashes,
  };
  yield { path: bundlePaths.manifest, pieces: encoded([`${JSON.stringify(manifest, null, 2)}\n`]) };
}

function* hashed(pieces: Iterable<Uint8Array>, hash: Hash): Generator<Uint8Array> {
  for (const piece of pieces) {
    hash.update(piece);
    yield piece;
  }
}
