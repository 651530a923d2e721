/** What a plan is expected to do on a machine: the simulator's figures beside the bounds. The keys are stable. */
import { simulate } from '../backends/simulator/simulate.ts';
import type { Simulation } from '../backends/simulator/simulation.ts';
import type { Decision } from '../ir/decision.ts';
import type { Machine } from '../ir/machine.ts';
import type { Plan } from '../ir/plan.ts';
import { yardstickOf } from '../passes/decide/situation.ts';

export type Prediction = {
  readonly simulation: Simulation;
  readonly predicted: {
    readonly stepSeconds: number;
    readonly samplesPerSecond: number;
    /** T1 / (N * TN): 1 is N times as fast as one device with memory for everything. */
    readonly efficiency: number;
    /** Share of all devices' time in which they have nothing to do. */
    readonly bubble: number;
    /** Of the device that computes most. */
    readonly computeSeconds: number;
    readonly exposedCommunicationSeconds: number;
    readonly exposedAllReduceSeconds: number;
  };
  readonly bound: {
    /** Absent where nothing was searched. */
    readonly class?: number;
    readonly any: number;
    /** stepSeconds / any - 1 */
    readonly gap: number;
  };
};

/** Undefined for a plan that does not train: only steps are timed. */
export function predictionOf(plan: Plan, machine: Machine, decision?: Decision): Prediction | undefined {
  const { model, schedule } = plan;
  if (plan.purpose !== 'train' || model.training === undefined) return undefined;
  const simulation = simulate(plan, machine);
  const { stepSeconds } = simulation;
  const { oneDevice, bound } = yardstickOf(model, machine, schedule.devices);
  const any = decision?.bound.any ?? bound;
  return {
    simulation,
    predicted: {
      stepSeconds,
      samplesPerSecond: model.training.batch / stepSeconds,
      efficiency: oneDevice / (schedule.devices * stepSeconds),
      bubble: simulation.bubble,
      computeSeconds: Math.max(
        ...simulation.roles.map(
          ({ seconds }) => seconds.forward + seconds.backward + seconds.step + seconds.recompute,
        ),
      ),
      exposedCommunicationSeconds: simulation.exposedCommunication,
      exposedAllReduceSeconds: simulation.exposedAllReduce,
    },
    bound: {
      ...(decision === undefined ? {} : { class: decision.bound.class }),
      any,
      gap: stepSeconds / any - 1,
    },
  };
}
