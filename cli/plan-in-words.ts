/** All that `compile` and `inspect` show of a plan: tables, figures of the simulator, and why it was chosen. */
import type { Decision } from '../ir/decision.ts';
import type { Machine } from '../ir/machine.ts';
import type { Plan } from '../ir/plan.ts';
import { decisionInWords } from './decision-words.ts';
import { planTables } from './plan-tables.ts';
import { predictionOf } from './prediction.ts';
import { summarize } from './summary.ts';
import { type Colours, plainColours } from './terminal.ts';

export type ShownPlan = {
  readonly plan: Plan;
  readonly machine?: Machine | undefined;
  readonly decision?: Decision | undefined;
};

export function planInWords({ plan, machine, decision }: ShownPlan, colours: Colours = plainColours): string {
  const prediction = machine === undefined ? undefined : predictionOf(plan, machine, decision);
  const words =
    prediction === undefined ? [] : ['', decisionInWords(prediction, decision, plan.schedule.devices)];
  return [planTables(plan, colours), ...words].join('\n');
}

/** The keys are stable. */
export function planJson({ plan, machine, decision }: ShownPlan) {
  const { model, schedule, predicted, roles } = summarize(plan);
  const prediction = machine === undefined ? undefined : predictionOf(plan, machine, decision);
  return {
    model,
    machine: {
      name: machine?.name ?? 'local',
      devices: schedule.devices,
      ...(machine === undefined ? {} : { memoryBytes: machine.device.memory - machine.device.reserve }),
    },
    schedule,
    predicted: { ...predicted, ...prediction?.predicted },
    ...(prediction === undefined ? {} : { bound: prediction.bound }),
    ...(decision === undefined ? {} : { decision }),
    roles,
  };
}
