/** A measured step in the terms of a simulated one: where the time of each kind of device went. */
import { at } from '../../ir/box.ts';
import type { Plan } from '../../ir/plan.ts';
import type { DeviceProfile, Profile, RunCurve } from '../../ir/profile.ts';
import { roleIndexAt, seatOf } from '../../ir/ranks.ts';
import { activityOf } from './activities.ts';
import { type Activity, activities } from './simulation.ts';

export type MeasuredRole = {
  readonly role: string;
  /** Ranks that have it. */
  readonly ranks: readonly number[];
  /** Seconds of the step by what they went to, the mean of its devices; they add up to the step. */
  readonly seconds: Readonly<Record<Activity, number>>;
  /** Of the device that took most. */
  readonly peakBytes: number;
};

export type Measured = {
  readonly stepSeconds: number;
  readonly step: number;
  readonly steps: number;
  readonly curves: readonly RunCurve[];
  readonly roles: readonly MeasuredRole[];
};

export function measuredOf(plan: Plan, profile: Profile): Measured {
  const { devices, seconds, step, steps, curves } = profile;
  const roles = plan.roles.map((role, index): MeasuredRole => {
    const own = devices.filter(({ rank }) => roleIndexAt(plan, seatOf(plan, rank)) === index);
    const each = own.map((device) => spent(plan, device, seconds));
    return {
      role: role.name,
      ranks: own.map(({ rank }) => rank),
      seconds: byActivity((one) => each.reduce((sum, all) => sum + all[one], 0) / Math.max(1, each.length)),
      peakBytes: Math.max(0, ...own.map(({ peakBytes }) => peakBytes)),
    };
  });
  return { stepSeconds: seconds, step, steps, curves, roles };
}

const byActivity = (of: (activity: Activity) => number): Record<Activity, number> =>
  Object.fromEntries(activities.map((one) => [one, of(one)])) as Record<Activity, number>;

function spent(plan: Plan, { rank, from, to, own }: DeviceProfile, step: number): Record<Activity, number> {
  const { instructions } = at(plan.roles, roleIndexAt(plan, seatOf(plan, rank)));
  const seconds = byActivity(() => 0);
  for (const [index, instruction] of instructions.entries())
    seconds[activityOf(instruction)] += own === undefined ? at(to, index) - at(from, index) : at(own, index);
  const busy = Object.values(seconds).reduce((sum, one) => sum + one, 0);
  return { ...seconds, idle: Math.max(0, step - busy) };
}
