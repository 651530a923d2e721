/** What a run tells step by step, kept until its end. */
import type { RunCurve } from '../ir/profile.ts';
import { meanIou, scoreOf } from './metrics.ts';
import type { Curve } from './pictures/curve.ts';
import type { Sample } from './pictures/panel.ts';
import type { TrainEvent } from './train.ts';

export type RunCurves = {
  /** Of each step. */
  readonly losses: readonly Sample[];
  /** Shares by their name: of each step, and of each validation. */
  readonly accuracies: ReadonlyMap<string, readonly Sample[]>;
  readonly validations: readonly Sample[];
};

export type CurveRecorder = { readonly curves: RunCurves; add(event: TrainEvent): void };

export function recordCurves(): CurveRecorder {
  const losses: Sample[] = [];
  const accuracies = new Map<string, Sample[]>();
  const validations: Sample[] = [];
  return {
    curves: { losses, accuracies, validations },
    add(event) {
      if (event.kind === 'validation') validations.push({ step: event.step, value: meanIou(event) });
      if (event.kind !== 'step') return;
      const step = event.step + 1;
      losses.push({ step, value: event.loss });
      for (const [name, counts] of Object.entries(event.confusion))
        listOf(accuracies, name).push({ step, value: scoreOf(counts).accuracy });
    },
  };
}

function listOf(lists: Map<string, Sample[]>, name: string): Sample[] {
  const list = lists.get(name) ?? [];
  lists.set(name, list);
  return list;
}

/** Values of a curve that are kept. */
const most = 1000;

/** No more than are seen: of a long run each is the mean of some steps, at the last of them. */
export function thinned(name: string, samples: readonly Sample[]): RunCurve {
  const told = samples.filter(({ value }) => Number.isFinite(value));
  const every = Math.max(1, Math.ceil(told.length / most));
  const groups = Array.from({ length: Math.ceil(told.length / every) }, (_, index) =>
    told.slice(index * every, (index + 1) * every),
  );
  return {
    name,
    every,
    steps: groups.map((group) => group.at(-1)?.step ?? 0),
    values: groups.map((group) => group.reduce((sum, { value }) => sum + value, 0) / group.length),
  };
}

/** The loss, then the scores. `split`: what was validated on. */
export const thinnedCurves = (
  { losses, accuracies, validations }: RunCurves,
  split: string | undefined,
): RunCurve[] =>
  [
    thinned('loss', losses),
    ...[...accuracies].map(([name, samples]) => thinned(`accuracy: ${name}`, samples)),
    thinned(`mean IoU: ${split ?? 'validation'}`, validations),
  ].filter(({ steps }) => steps.length > 0);

/** The same for a picture. */
export function pictured(curves: readonly RunCurve[]): Pick<Curve, 'losses' | 'scores'> {
  const [losses, ...scores] = curves.map(({ name, steps, values }) => ({
    name,
    samples: steps.map((step, index): Sample => ({ step, value: values[index] ?? Number.NaN })),
  }));
  return { losses: losses?.samples ?? [], scores };
}
