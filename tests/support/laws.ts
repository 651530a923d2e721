/** The laws of plans as functions of a drawn case: what a test asserts and `scripts/law.ts` repeats. */
import { initialStates, runPlanStep } from '../../backends/reference/run-plan.ts';
import { errorsOf as compared, type Found, plainTruth, type Truth } from '../../compiler/compare.ts';
import { onDevices, stepOn } from './devices.ts';
import type { LawCase } from './law-cases.ts';

export type Errors = {
  /** |loss - right loss| / max(1, |right loss|) */
  readonly loss: number;
  /** Of the worst parameter, as `unetc verify --numeric` defines it. */
  readonly gradient: number;
  readonly worst: string;
};

/** What is compared: the plan, and the plain network in float64 on the same batch. */
export type Pair = { readonly found: Found; readonly truth: Truth };

const truthOf = ({ plan, feeds, weights }: LawCase): Truth => plainTruth(plan.model, feeds, weights);

/** The plan in float64, all its devices in this process. */
export const inFloat64 = (one: LawCase): Pair => ({
  truth: truthOf(one),
  found: runPlanStep(one.plan, one.feeds, new Map([...initialStates(one.plan), ...one.weights])),
});

/** The plan in fp32 on device processes. */
export const onRealDevices = async (one: LawCase): Promise<Pair> => ({
  truth: truthOf(one),
  found: await onDevices(one.plan, one.feeds, one.weights, (devices) => stepOn(one.plan, devices, 0)),
});

export function errorsOf({ found, truth }: Pair): Errors {
  const { lossError, gradientError, worst } = compared(found, truth);
  return { loss: lossError, gradient: gradientError, worst };
}

/** The first number that is not, bit for bit, the right one; undefined where all are. */
export function firstDifference({ found, truth }: Pair): string | undefined {
  // -0 and 0 are both the sum of nothing.
  const same = (a: number | undefined, b: number) => a === b;
  if (!same(found.loss, truth.loss)) return `loss ${found.loss}, not ${truth.loss}`;
  for (const [name, right] of truth.gradients) {
    const values = found.gradients.get(name);
    const index = right.findIndex((value, i) => !same(values?.[i], value));
    if (index >= 0) return `gradient of ${name}[${index}]: ${values?.[index]}, not ${right[index]}`;
  }
  return undefined;
}
