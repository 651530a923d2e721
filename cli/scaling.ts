/** What `unetc scale --json` found for other numbers of devices, as far as it is shown beside a plan. */
import { readFileSync } from 'node:fs';
import type { Alternative } from '../ir/decision.ts';
import { diagnose, failure, fault, type Result, success } from '../ir/diagnostics/diagnostic.ts';
import type { Plan } from '../ir/plan.ts';
import { reasonOf } from '../runtime/files/reason.ts';
import { check, count, flag, list, number, optional, record, text } from '../runtime/shape.ts';
import { type InShort, inShort } from './decision-words.ts';
import { summarizeModel } from './summary.ts';

export type ScalingRow = {
  /** Devices that could be used. */
  readonly devices: number;
  readonly stepSeconds: number;
  readonly efficiency: number;
  /** No schedule on as many devices is faster. */
  readonly bound: number;
  readonly gap: number;
  readonly peakBytes: number;
  /** In words; absent where everything was pinned. */
  readonly chosen?: string;
  /** The step of another strategy. */
  readonly againstSeconds?: number;
};

export type Scaling = {
  readonly machine: string;
  /** The other strategy, where there is one. */
  readonly against?: string;
  /** By devices. */
  readonly rows: readonly ScalingRow[];
};

type Raw = {
  readonly model: { readonly name: string; readonly parameters: number; readonly forwardFlops: number };
  readonly machine: { readonly name: string; readonly devices: number };
  readonly predicted: {
    readonly stepSeconds: number;
    readonly efficiency: number;
    readonly peakBytes: number;
  };
  readonly bound: { readonly any: number; readonly gap: number };
  readonly decision?: { readonly available: number; readonly chosen: Pick<Alternative, InShort> } | undefined;
  readonly against?: { readonly strategy: string; readonly stepSeconds: number } | undefined;
};

const rawShape = list(
  record<Raw>({
    model: record<Raw['model']>({ name: text, parameters: count, forwardFlops: number }),
    machine: record<Raw['machine']>({ name: text, devices: count }),
    predicted: record<Raw['predicted']>({ stepSeconds: number, efficiency: number, peakBytes: number }),
    bound: record<Raw['bound']>({ any: number, gap: number }),
    decision: optional(
      record<NonNullable<Raw['decision']>>({
        available: count,
        chosen: record<Pick<Alternative, InShort>>({
          replicas: count,
          stages: count,
          folded: flag,
          tiles: list(count),
          stream: list(count),
          microBatches: count,
          recomputed: count,
          lean: count,
          strips: count,
        }),
      }),
    ),
    against: optional(record<NonNullable<Raw['against']>>({ strategy: text, stepSeconds: number })),
  }),
);

/** Of the model of that plan. Errors: `scaling-invalid`. */
export function readScaling(file: string, plan: Plan): Result<Scaling> {
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    return wrong(file, error instanceof SyntaxError ? 'it is not JSON' : reasonOf(error));
  }
  const checked = check(value, rawShape, 'scaling');
  if ('problem' in checked) return wrong(file, checked.problem);
  const [first] = checked.value;
  if (first === undefined) return wrong(file, 'it is empty');
  const { name, parameters, forwardFlops } = summarizeModel(plan.model);
  const other = checked.value.find(
    ({ model }) =>
      model.name !== name || model.parameters !== parameters || model.forwardFlops !== forwardFlops,
  );
  if (other !== undefined) return wrong(file, 'it is of another model than the plan');
  return success(scalingOf(first, checked.value));
}

function scalingOf({ machine, against }: Raw, all: readonly Raw[]): Scaling {
  const compared = all.every((one) => one.against?.strategy === against?.strategy);
  const rows = all.map(
    ({ machine: used, predicted, bound, decision, against: other }): ScalingRow => ({
      devices: decision?.available ?? used.devices,
      ...predicted,
      bound: bound.any,
      gap: bound.gap,
      ...(decision === undefined ? {} : { chosen: inShort(decision.chosen) }),
      ...(compared && other !== undefined ? { againstSeconds: other.stepSeconds } : {}),
    }),
  );
  return {
    machine: machine.name,
    ...(compared && against !== undefined ? { against: against.strategy } : {}),
    rows: rows.sort((a, b) => a.devices - b.devices),
  };
}

const wrong = (file: string, reason: string): Result<never> =>
  failure(diagnose(fault('scaling-invalid', { file, reason })));
