/** All figures of a plan: what `--json` prints, and the tables and the report are made of. The keys are stable. */
import type { Activity } from '../backends/simulator/simulation.ts';
import { at } from '../ir/box.ts';
import type { Decision } from '../ir/decision.ts';
import type { Machine } from '../ir/machine.ts';
import type { Plan } from '../ir/plan.ts';
import { summarizeNetwork } from './network-summary.ts';
import { type Prediction, predictionOf } from './prediction.ts';
import { type RoleSummary, summarize } from './summary.ts';

export type ShownPlan = {
  readonly plan: Plan;
  readonly machine?: Machine | undefined;
  readonly decision?: Decision | undefined;
};

/** Seconds of a role's step by what they go to, where there is a machine. */
export type RoleFigures = RoleSummary & { readonly seconds?: Readonly<Record<Activity, number>> };

export type PlanJson = ReturnType<typeof planJson>;

export function planJson({ plan, machine, decision }: ShownPlan) {
  const prediction = machine === undefined ? undefined : predictionOf(plan, machine, decision);
  return figuresOf({ plan, machine, decision }, prediction);
}

/** The same, of a prediction that is there already. */
export function figuresOf({ plan, machine, decision }: ShownPlan, prediction: Prediction | undefined) {
  const { purpose, model, schedule, predicted, roles } = summarize(plan);
  return {
    purpose,
    model,
    network: summarizeNetwork(plan.model),
    machine: {
      name: machine?.name ?? 'local',
      devices: schedule.devices,
      ...(machine === undefined ? {} : { memoryBytes: machine.device.memory - machine.device.reserve }),
    },
    schedule,
    predicted: { ...predicted, ...prediction?.predicted },
    ...(prediction === undefined ? {} : { bound: prediction.bound }),
    ...(decision === undefined ? {} : { decision }),
    roles: roles.map(
      (role, index): RoleFigures =>
        prediction === undefined
          ? role
          : { ...role, seconds: at(prediction.simulation.roles, index).seconds },
    ),
  };
}
