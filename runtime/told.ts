/** What the PyTorch executor tells of a run, one JSON line a step (`unetc_torch/training.py`), and the curves of it. */
import { meanIou } from './metrics.ts';
import type { Sample } from './pictures/panel.ts';
import type { RunCurves } from './run-curves.ts';

/** One a step, one a validation, one at the end. Where a number is none JSON has null. */
export type Told = {
  /** Counted from 0; in a validation the steps that were done before it. */
  readonly step?: number;
  readonly total?: number;
  readonly loss?: number | null;
  readonly seconds?: number;
  readonly metrics?: { readonly [target: string]: { readonly accuracy: number | null } };
  /** The split that was scored. */
  readonly validation?: string;
  readonly accuracy?: number | null;
  readonly iou?: readonly (number | null)[];
  readonly best?: boolean;
  readonly done?: boolean;
  readonly checkpoint?: string | null;
};

/** Undefined for lines of anybody else. */
export function toldIn(line: string): Told | undefined {
  try {
    return line.startsWith('{') ? JSON.parse(line) : undefined;
  } catch {
    return undefined;
  }
}

export const meanIouOf = ({ iou = [] }: Told): number =>
  meanIou({ iou: iou.map((one) => one ?? Number.NaN) });

export type ToldCurves = RunCurves & { readonly split?: string };

/** A run whose ranks were started again tells some steps twice: what it told last counts. */
export function curvesOf(told: readonly Told[]): ToldCurves {
  const steps = told.flatMap((one) =>
    one.step === undefined || one.validation !== undefined ? [] : [{ ...one, step: one.step + 1 }],
  );
  const scores = told.flatMap((one) =>
    one.step === undefined || one.validation === undefined ? [] : [{ ...one, step: one.step }],
  );
  const names = [...new Set(steps.flatMap(({ metrics = {} }) => Object.keys(metrics)))];
  const split = scores.at(-1)?.validation;
  return {
    losses: latest(steps, ({ loss }) => loss),
    accuracies: new Map(
      names.map((name) => [name, latest(steps, ({ metrics = {} }) => metrics[name]?.accuracy)]),
    ),
    validations: latest(scores, meanIouOf),
    ...(split === undefined ? {} : { split }),
  };
}

type At = Told & { readonly step: number };

function latest(told: readonly At[], value: (one: At) => number | null | undefined): Sample[] {
  const values = new Map(told.map((one) => [one.step, value(one) ?? Number.NaN]));
  return [...values].map(([step, value]) => ({ step, value })).sort((a, b) => a.step - b.step);
}
