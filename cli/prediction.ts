/** What a plan is expected to do on a machine: the simulator's figures beside the bounds. The keys are stable. */
import { limitsOf } from '../backends/simulator/limits.ts';
import { simulate } from '../backends/simulator/simulate.ts';
import { type Simulation, workedSeconds } from '../backends/simulator/simulation.ts';
import { at } from '../ir/box.ts';
import type { Decision } from '../ir/decision.ts';
import type { Machine } from '../ir/machine.ts';
import type { Plan } from '../ir/plan.ts';
import { yardstickOf } from '../passes/decide/situation.ts';

/**
 * `arithmetic`, `traffic` (of the device's own memory), `launches`: its work; `messages`, `sums`: what it waits for of
 * others; `storage`: reading samples; `idle`: waiting for other stages, and the end of the step.
 */
export const bindings = ['arithmetic', 'traffic', 'launches', 'messages', 'sums', 'storage', 'idle'] as const;

export type Binding = (typeof bindings)[number];

export type Prediction = {
  readonly simulation: Simulation;
  readonly predicted: {
    readonly stepSeconds: number;
    readonly samplesPerSecond: number;
    /** T1 / (N * TN), N the devices there are: 1 is N times as fast as one device with memory for everything. */
    readonly efficiency: number;
    /** Share of all devices' time in which they have nothing to do. */
    readonly bubble: number;
    /** Of the device that computes most. */
    readonly computeSeconds: number;
    readonly exposedCommunicationSeconds: number;
    readonly exposedAllReduceSeconds: number;
    /** Seconds of the step of the device that works longest, by what a faster one of would help. */
    readonly binding: Readonly<Record<Binding, number>>;
  };
  readonly bound: {
    /** Absent where nothing was searched. */
    readonly class?: number;
    readonly any: number;
    /** `any` is said of pipelines in straight or nested stages: pins leave nothing else. */
    readonly pipeline?: true;
    /** stepSeconds / any - 1 */
    readonly gap: number;
  };
};

/** Undefined for a plan that does not train: only steps are timed. `keepsEvents`: of the simulation. */
export function predictionOf(
  plan: Plan,
  machine: Machine,
  decision?: Decision,
  keepsEvents = false,
): Prediction | undefined {
  const { model, schedule } = plan;
  if (plan.purpose !== 'train' || model.training === undefined) return undefined;
  const simulation = simulate(plan, machine, keepsEvents);
  const { stepSeconds } = simulation;
  const devices = decision?.available ?? schedule.devices;
  // What was decided has been measured by the same yardstick.
  const { oneDevice, bound: any } =
    decision === undefined
      ? yardstickOf(model, machine, devices)
      : { oneDevice: decision.oneDevice, bound: decision.bound.any };
  return {
    simulation,
    predicted: {
      stepSeconds,
      samplesPerSecond: model.training.batch / stepSeconds,
      efficiency: oneDevice / (devices * stepSeconds),
      bubble: simulation.bubble,
      computeSeconds: Math.max(
        ...simulation.roles.map(
          ({ seconds }) =>
            seconds.sweep +
            seconds.forward +
            seconds.backward +
            seconds.step +
            seconds.recompute +
            seconds.strip,
        ),
      ),
      exposedCommunicationSeconds: simulation.exposedCommunication,
      exposedAllReduceSeconds: simulation.exposedAllReduce,
      binding: bindingOf(plan, machine, simulation),
    },
    bound: {
      ...(decision === undefined ? {} : { class: decision.bound.class }),
      any,
      ...(decision?.bound.pipeline === undefined ? {} : { pipeline: decision.bound.pipeline }),
      gap: stepSeconds / any - 1,
    },
  };
}

function bindingOf(plan: Plan, machine: Machine, { roles }: Simulation): Record<Binding, number> {
  const works = roles.map(({ seconds }) => workedSeconds(seconds));
  const busiest = works.indexOf(Math.max(...works));
  const { seconds } = at(roles, busiest);
  return {
    ...limitsOf(plan, machine, at(plan.roles, busiest)),
    messages: seconds.exchange + seconds.gather + seconds.send,
    sums: seconds.all_reduce,
    storage: seconds.load,
    idle: seconds.idle,
  };
}
