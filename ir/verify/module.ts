import type { Diagnostic } from '../diagnostics/diagnostic.ts';
import type { ModuleAt, Stage } from '../module.ts';
import { verifyGraph } from './graph.ts';
import { verifyModel } from './model.ts';
import { verifyPlan } from './plan.ts';
import { verifySchedule } from './schedule.ts';

const verifiers: { readonly [S in Stage]: (module: ModuleAt<S>) => Diagnostic[] } = {
  model: ({ model }) => verifyModel(model),
  scheduled: ({ model, schedule }) => [...verifyModel(model), ...verifySchedule(model, schedule)],
  sharded: ({ model, schedule, programs }) => [
    ...verifyModel(model),
    ...verifySchedule(model, schedule),
    ...programs.flatMap(({ name, graph }) => verifyGraph(graph, name)),
  ],
  differentiated: (module) => verifiers.sharded({ ...module, stage: 'sharded' }),
  plan: ({ plan, allocated }) => verifyPlan(plan, allocated),
};

/** All faults of a module, whatever stage it is at. */
export function verifyModule<S extends Stage>(module: ModuleAt<S>): Diagnostic[] {
  const verify = verifiers[module.stage as S] as (module: ModuleAt<S>) => Diagnostic[];
  return verify(module);
}
