/** What a plan says of itself: grid, roles, stages, states. */
import { at } from '../../../ir/box.ts';
import type { Role } from '../../../ir/plan.ts';
import { atRole, type Mutation, replaceAt, whole } from './edit.ts';

/** Whether two roles do the same on equal buffers. */
const isAlike = (a: Role, b: Role): boolean =>
  JSON.stringify([a.instructions, a.buffers]) === JSON.stringify([b.instructions, b.buffers]);

export const onPlans: Readonly<Record<string, Mutation>> = {
  'lose a role': (plan) =>
    plan.roles.map((_, index) => () => ({ ...plan, roles: replaceAt(plan.roles, index) })),
  'have a role twice': (plan) => plan.roles.map((role) => () => ({ ...plan, roles: [...plan.roles, role] })),
  'give two roles each other’s places': (plan) =>
    plan.roles
      .filter((other) => !isAlike(other, at(plan.roles, 0)))
      .map((other) => () => {
        const first = at(plan.roles, 0);
        const named = ({ stage, classes }: Role) => ({ stage, classes });
        return {
          ...plan,
          roles: plan.roles.map((role) => {
            if (role === first) return { ...role, ...named(other) };
            return role === other ? { ...role, ...named(first) } : role;
          }),
        };
      }),
  'put a role into another stage': atRole((role, { roles }) => {
    const other = roles.find(({ stage }) => stage !== role.stage);
    return other && { ...role, stage: other.stage };
  }),
  'cut elsewhere than scheduled': whole((plan) =>
    plan.axes.some(({ cuts }) => cuts.length > 2)
      ? {
          ...plan,
          axes: plan.axes.map((axis) => ({
            ...axis,
            cuts: axis.cuts.map((cut, i) => (i === 1 && axis.cuts.length > 2 ? cut + 1 : cut)),
          })),
        }
      : undefined,
  ),
  'schedule other cuts': whole((plan) =>
    plan.schedule.cuts.some((cuts) => cuts.length > 2)
      ? {
          ...plan,
          schedule: {
            ...plan.schedule,
            cuts: plan.schedule.cuts.map((cuts) =>
              cuts.length > 2 ? replaceAt(cuts, 1, at(cuts, 1) + 1) : cuts,
            ),
          },
        }
      : undefined,
  ),
  'schedule and cut elsewhere than the roles are for': whole((plan) => {
    const cut = (cuts: readonly number[]) =>
      cuts.length > 2 ? replaceAt(cuts, 1, at(cuts, 1) + 1) : [...cuts];
    return plan.schedule.cuts.some((cuts) => cuts.length > 2)
      ? {
          ...plan,
          schedule: { ...plan.schedule, cuts: plan.schedule.cuts.map(cut) },
          axes: plan.axes.map((axis) => ({ ...axis, cuts: cut(axis.cuts) })),
        }
      : undefined;
  }),
  'begin a stage an op later than it is done': (plan) =>
    plan.schedule.chunks.slice(1).flatMap(({ from, stage }, i) => {
      const index = plan.model.ops.findIndex(({ output }) => output === from);
      const next = plan.model.ops[index + 1];
      if (next === undefined || plan.schedule.chunks.some((chunk) => chunk.from === next.output)) return [];
      const chunks = replaceAt(plan.schedule.chunks, i + 1, { from: next.output, stage });
      return [() => ({ ...plan, schedule: { ...plan.schedule, chunks } })];
    }),
  'have a device too many': whole((plan) => ({
    ...plan,
    schedule: { ...plan.schedule, devices: plan.schedule.devices + 1 },
  })),
  'give a tile the role of its neighbour': whole((plan) =>
    plan.axes.some(({ classes }) => classes.join() !== [...classes].reverse().join())
      ? {
          ...plan,
          axes: plan.axes.map(({ cuts, tiles, classes }) => ({
            cuts,
            tiles: [...tiles].reverse(),
            classes: [...classes].reverse(),
          })),
        }
      : undefined,
  ),
  'work on fewer samples': whole((plan) => ({ ...plan, samples: plan.samples + 1 })),
  'have another replica': whole((plan) => ({
    ...plan,
    schedule: { ...plan.schedule, replicas: 2 * plan.schedule.replicas, devices: 2 * plan.schedule.devices },
  })),
  'leave a micro-batch out': whole((plan) => ({
    ...plan,
    schedule: { ...plan.schedule, microBatches: 2 * plan.schedule.microBatches },
  })),
  'predict where the model trains': whole((plan) => ({ ...plan, purpose: 'predict' })),
  'keep a state for another parameter': whole((plan) => ({
    ...plan,
    states: replaceAt(plan.states, 0, {
      ...at(plan.states, 0),
      parameter: at(plan.states, plan.states.length - 1).parameter,
    }),
  })),
  'forget a state': (plan) =>
    plan.states.map((_, index) => () => ({ ...plan, states: replaceAt(plan.states, index) })),
};
