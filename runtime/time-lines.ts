/**
 * Time lines that the PyTorch executor writes (`unetc_torch/profile.py`): of each rank a file of JSON lines, in which
 * are whose it is, what rank 0 told of the run, and what its last steps spent their time on.
 */
import { existsSync, readFileSync } from 'node:fs';
import { format, parse } from 'node:path';
import { diagnose, failure, fault, type Result, success } from '../ir/diagnostics/diagnostic.ts';
import type { RunCurve } from '../ir/profile.ts';
import { reasonOf } from './files/reason.ts';
import { thinnedCurves } from './run-curves.ts';
import { check, count, list, number, optional, record, text } from './shape.ts';
import { curvesOf, toldIn } from './told.ts';

/** An event of the simulator's kind, as far as a profile needs it. Seconds from the begin of the rank's step. */
export type LineEvent = {
  readonly instruction: number;
  readonly from: number;
  readonly to: number;
  /** Of a meeting: what it took of the device itself. */
  readonly own?: number | undefined;
};

export type TimeLine = {
  readonly rank: number;
  readonly step: number;
  readonly stepSeconds: number;
  readonly peakBytes: number;
  readonly events: readonly LineEvent[];
};

export type TimeLines = {
  readonly file: string;
  /** Hash of the plan. */
  readonly plan: string;
  /** Of each rank its last steps. */
  readonly ranks: readonly (readonly TimeLine[])[];
  readonly curves: readonly RunCurve[];
};

type Header = { readonly timeline: number; readonly plan: string; readonly rank: number };

const headerShape = record<Header>({ timeline: count, plan: text, rank: count });

const lineShape = record<TimeLine>({
  rank: count,
  step: count,
  stepSeconds: number,
  peakBytes: number,
  events: list(record<LineEvent>({ instruction: count, from: number, to: number, own: optional(number) })),
});

/** Version of the lines. */
const FORMAT = 1;

export const damaged = (file: string, reason: string): Result<never> =>
  failure(diagnose(fault('profile-invalid', { file, reason })));

/** Where one of several ranks writes, if all were told `file`. */
function fileOf(file: string, rank: number): string {
  const { dir, name, ext } = parse(file);
  return format({ dir, name: `${name}.${rank}`, ext });
}

const begin = '{"timeline"';

/**
 * The time lines in `file`, or in those of its ranks; undefined where it is something else. Errors:
 * `profile-invalid`.
 */
export function timeLinesIn(file: string, ranks: number): Result<TimeLines | undefined> {
  const many = !existsSync(file) && existsSync(fileOf(file, 0));
  const files = many ? Array.from({ length: ranks }, (_, rank) => fileOf(file, rank)) : [file];
  const read: Own[] = [];
  for (const path of files) {
    const own = readOwn(path);
    if (!own.ok) return own;
    if (own.value === undefined) return many ? damaged(path, 'it has no time lines') : success(undefined);
    read.push(own.value);
  }
  const [first] = read;
  if (first === undefined) return success(undefined);
  if (read.some(({ header }) => header.plan !== first.header.plan))
    return damaged(file, 'its ranks had different plans');
  const told = curvesOf(first.told.flatMap((line) => toldIn(line) ?? []));
  return success({
    file,
    plan: first.header.plan,
    ranks: read.map(({ steps }) => steps),
    curves: thinnedCurves(told, told.split),
  });
}

type Own = {
  readonly header: Header;
  readonly told: readonly string[];
  readonly steps: readonly TimeLine[];
};

/** Of a run that went on the file has several parts: what was told counts of all, steps of the last. */
function readOwn(path: string): Result<Own | undefined> {
  let lines: string[];
  try {
    lines = readFileSync(path, 'utf8').split('\n');
  } catch (error) {
    return damaged(path, reasonOf(error));
  }
  const last = lines.findLastIndex((line) => line.startsWith(begin));
  if (last < 0) return success(undefined);
  const header = check(parsed(lines[last]), headerShape, 'line');
  if ('problem' in header) return damaged(path, header.problem);
  if (header.value.timeline !== FORMAT)
    return damaged(path, `it has format ${header.value.timeline}, and this version reads ${FORMAT}`);
  const steps: TimeLine[] = [];
  for (const line of lines.slice(last).filter((one) => one.startsWith('{"rank"'))) {
    const step = check(parsed(line), lineShape, 'line');
    if ('problem' in step) return damaged(path, step.problem);
    steps.push(step.value);
  }
  return success({
    header: header.value,
    told: lines.filter((line) => !/^{"(rank|timeline)"/.test(line)),
    steps,
  });
}

function parsed(line = ''): unknown {
  try {
    return JSON.parse(line);
  } catch {
    // What a run that was killed was writing.
    return undefined;
  }
}
