import { failure, type Result, success } from '../../ir/diagnostics/diagnostic.ts';
import type { Plan } from '../../ir/plan.ts';
import { rankOf } from '../../ir/ranks.ts';
import { stagesOf } from '../../ir/schedule.ts';
import type { Devices } from './devices.ts';
import type { StateValues } from './protocol.ts';

/**
 * All that lives from step to step, each stage's part from one of its devices: the others of a stage hold the same,
 * for it came from the same sums. In the order of the plan's states.
 */
export async function wholeStates(plan: Plan, devices: Devices): Promise<Result<StateValues[]>> {
  const place = plan.axes.map(() => 0);
  const found: StateValues[] = [];
  for (let stage = 0; stage < stagesOf(plan.schedule); stage++) {
    const states = await devices.states(rankOf(plan, { replica: 0, stage, place }));
    if (!states.ok) return failure(...states.diagnostics);
    found.push(...states.value);
  }
  const key = (parameter: string, slot: string) => `${parameter} ${slot}`;
  const byKey = new Map(found.map((state) => [key(state.parameter, state.slot), state]));
  return success(plan.states.flatMap(({ parameter, slot }) => byKey.get(key(parameter, slot)) ?? []));
}
