/** Measured steps: which one is shown, and how it is written and read. */
import { readFileSync } from 'node:fs';
import { diagnose, failure, fault, type Result, success } from '../ir/diagnostics/diagnostic.ts';
import type { Plan } from '../ir/plan.ts';
import { type DeviceProfile, type Profile, profileFormat, type RunCurve } from '../ir/profile.ts';
import { roleIndexAt, seatOf } from '../ir/ranks.ts';
import { reasonOf } from './files/reason.ts';
import { check, count, list, number, optional, record, text } from './shape.ts';
import { damaged, type TimeLines, timeLinesIn } from './time-lines.ts';

/** A step as its devices saw it. Times: milliseconds since 1970, begin and end of each instruction in turn. */
export type MeasuredStep = {
  readonly step: number;
  readonly seconds: number;
  readonly times: readonly Float64Array[];
  readonly peakBytes: readonly number[];
};

/** Steps that are kept: enough for a median, little beside a run. */
const most = 25;

/** The latest steps, and one before them. */
export const keepMeasured = (steps: readonly MeasuredStep[], next: MeasuredStep): MeasuredStep[] =>
  [...steps, next].slice(-most - 1);

/** That of median length; the first of a run is slower than the others and not among them, if there are others. */
export function medianStep<T extends { readonly seconds: number }>(kept: readonly T[]) {
  const steps = kept.length > 1 ? kept.slice(1) : kept;
  const chosen = steps.toSorted((a, b) => a.seconds - b.seconds)[Math.floor((steps.length - 1) / 2)];
  return { steps: steps.length, chosen };
}

/** Of the kept steps that of median length. */
export function profileOf(
  plan: string,
  kept: readonly MeasuredStep[],
  curves: readonly RunCurve[],
): Profile | undefined {
  const { steps, chosen } = medianStep(kept);
  if (chosen === undefined) return undefined;
  const began = Math.min(...chosen.times.map((times) => times[0] ?? Number.POSITIVE_INFINITY));
  const { step, seconds, times, peakBytes } = chosen;
  return {
    format: profileFormat,
    plan,
    step,
    steps,
    seconds,
    curves,
    devices: times.map((all, rank) => deviceOf(rank, all, began, peakBytes[rank] ?? 0)),
  };
}

function deviceOf(rank: number, times: Float64Array, began: number, peakBytes: number): DeviceProfile {
  const seconds = (parity: number): number[] =>
    [...times].filter((_, index) => index % 2 === parity).map((time) => (time - began) / 1000);
  return { rank, from: seconds(0), to: seconds(1), peakBytes };
}

const profileShape = record<Profile>({
  format: count,
  plan: text,
  step: count,
  steps: count,
  seconds: number,
  curves: list(record<RunCurve>({ name: text, every: count, steps: list(count), values: list(number) })),
  devices: list(
    record<DeviceProfile>({
      rank: count,
      from: list(number),
      to: list(number),
      own: optional(list(number)),
      peakBytes: number,
    }),
  ),
});

const formatShape = record<Pick<Profile, 'format'>>({ format: count });

/**
 * Of that plan, which has that hash: what either executor wrote. Errors: `profile-invalid`,
 * `profile-of-another-plan`.
 */
export function readProfile(file: string, plan: Plan, hash: string): Result<Profile> {
  const lines = timeLinesIn(file, plan.schedule.devices);
  if (!lines.ok) return lines;
  const profile = lines.value === undefined ? parseProfile(file) : profileOfLines(lines.value);
  if (!profile.ok) return profile;
  if (profile.value.plan !== hash) return failure(diagnose(fault('profile-of-another-plan', { file })));
  return isComplete(plan, profile.value) ? profile : damaged(file, 'instructions are missing');
}

function parseProfile(file: string): Result<Profile> {
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    return damaged(file, error instanceof SyntaxError ? 'it is not JSON' : reasonOf(error));
  }
  const format = check(value, formatShape, 'profile');
  if ('value' in format && format.value.format !== profileFormat)
    return damaged(file, `it has format ${format.value.format}, and this version reads ${profileFormat}`);
  const checked = check(value, profileShape, 'profile');
  return 'problem' in checked ? damaged(file, checked.problem) : success(checked.value);
}

/** What the PyTorch executor wrote, as a profile of its step of median length. */
function profileOfLines({ file, plan, ranks, curves }: TimeLines): Result<Profile> {
  const [first = []] = ranks;
  const whole = first.flatMap(({ step }) => {
    const all = ranks.flatMap((lines) => lines.find((one) => one.step === step) ?? []);
    const seconds = Math.max(...all.map((one) => one.stepSeconds));
    return all.length === ranks.length ? [{ step, all, seconds }] : [];
  });
  const { steps, chosen } = medianStep(whole);
  if (chosen === undefined) return damaged(file, 'no step was measured to its end');
  const { step, seconds, all } = chosen;
  const devices = all.map(({ rank, events, peakBytes }): DeviceProfile => {
    const each = events.toSorted((a, b) => a.instruction - b.instruction);
    const [from, to] = [each.map((one) => one.from), each.map((one) => one.to)];
    return { rank, from, to, own: each.map((one) => one.own ?? one.to - one.from), peakBytes };
  });
  return success({ format: profileFormat, plan, step, steps, seconds, curves, devices });
}

const isComplete = (plan: Plan, { devices }: Profile): boolean =>
  devices.length === plan.schedule.devices &&
  devices.every(({ rank, from, to, own = to }, index) => {
    const { length } = plan.roles[roleIndexAt(plan, seatOf(plan, rank))]?.instructions ?? [];
    return rank === index && [from, to, own].every((one) => one.length === length);
  });
