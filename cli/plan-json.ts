/** All figures of a plan: what `--json` prints, and the tables and the report are made of. The keys are stable. */
import { type Topology, topologyOf } from '../backends/simulator/link-traffic.ts';
import { measuredOf } from '../backends/simulator/measured.ts';
import type { Activity } from '../backends/simulator/simulation.ts';
import { at } from '../ir/box.ts';
import type { Decision } from '../ir/decision.ts';
import { type Machine, usableMemory } from '../ir/machine.ts';
import type { Plan } from '../ir/plan.ts';
import type { Profile } from '../ir/profile.ts';
import { blocksOf } from './network-blocks.ts';
import { summarizeNetwork } from './network-summary.ts';
import { type Prediction, predictionOf } from './prediction.ts';
import type { Scaling } from './scaling.ts';
import { type RoleSummary, summarize } from './summary.ts';

export type ShownPlan = {
  readonly plan: Plan;
  readonly machine?: Machine | undefined;
  readonly decision?: Decision | undefined;
  /** Of a run of the plan. */
  readonly profile?: Profile | undefined;
  /** The same model on other numbers of devices. */
  readonly scaling?: Scaling | undefined;
};

/** Seconds of a role's step by what they go to, where there is a machine. */
export type RoleFigures = RoleSummary & { readonly seconds?: Readonly<Record<Activity, number>> };

export type PlanJson = ReturnType<typeof planJson>;

export const planJson = (shown: ShownPlan) => figuresOf(shown, predictedOf(shown));

/** What is known where there is a machine. */
export type Predicted = {
  readonly prediction?: Prediction | undefined;
  readonly topology?: Topology | undefined;
};

/** `keepsEvents`: of the simulation, for whoever shows them. */
export function predictedOf({ plan, machine, decision }: ShownPlan, keepsEvents = false): Predicted {
  if (machine === undefined || plan.purpose !== 'train') return {};
  return {
    prediction: predictionOf(plan, machine, decision, keepsEvents),
    topology: topologyOf(plan, machine),
  };
}

/** The links as their traffic; of nodes only how much leaves them. */
function communicationOf({ links, leaving, busiest }: Topology) {
  return {
    links: links.map(({ link: { name, bandwidth, latency }, given }) => ({
      name,
      bandwidth,
      latency,
      ...given,
    })),
    nodes: leaving.length,
    leavingLeast: Math.min(...leaving),
    leavingMost: Math.max(...leaving),
    busiestNode: busiest.node,
    ways: busiest.ways,
  };
}

/** The same, of a prediction that is there already. */
export function figuresOf(
  { plan, machine, decision, profile, scaling }: ShownPlan,
  { prediction, topology }: Predicted,
) {
  const { purpose, model, schedule, predicted, roles } = summarize(plan);
  return {
    purpose,
    model,
    network: summarizeNetwork(plan.model),
    ...blocksOf(plan),
    machine: {
      name: machine?.name ?? 'local',
      devices: schedule.devices,
      ...(machine === undefined ? {} : { memoryBytes: usableMemory(machine.device) }),
    },
    schedule,
    predicted: { ...predicted, ...prediction?.predicted },
    ...(prediction === undefined ? {} : { bound: prediction.bound }),
    ...(topology === undefined ? {} : { communication: communicationOf(topology) }),
    ...(decision === undefined ? {} : { decision }),
    ...(scaling === undefined ? {} : { scaling }),
    ...(profile === undefined ? {} : { measured: measuredOf(plan, profile) }),
    roles: roles.map(
      (role, index): RoleFigures =>
        prediction === undefined
          ? role
          : { ...role, seconds: at(prediction.simulation.roles, index).seconds },
    ),
  };
}
