/**
 * Decides all that the pins leave open: the first candidate whose lowered plan fits the memory of a device.
 * A plain default, without any claim to be the best.
 */
import type { Backend } from '../../ir/backend.ts';
import { type Fault, fault, isFault } from '../../ir/diagnostics/diagnostic.ts';
import type { Model } from '../../ir/model.ts';
import type { Module } from '../../ir/module.ts';
import type { Pass } from '../../ir/pass.ts';
import type { Plan } from '../../ir/plan.ts';
import type { Schedule } from '../../ir/schedule.ts';
import { verifySchedule } from '../../ir/verify/schedule.ts';
import { allocate } from '../lower/allocate.ts';
import { gradient } from '../lower/gradient.ts';
import { instruct } from '../lower/instruct.ts';
import { shard } from '../lower/shard.ts';
import { candidates } from './candidates.ts';
import { doesNotFit, peakOf } from './fits.ts';
import { gridFault, noSchedule } from './pinned-faults.ts';

export const firstFit: Pass<'model', 'scheduled'> = {
  name: 'first-fit',
  doc: 'the first schedule of the plain default that fits the memory',
  from: 'model',
  to: 'scheduled',
  run({ model, pins }, backend) {
    const wrong = gridFault(model, pins);
    if (wrong !== undefined) return wrong;
    let refusal: Fault | undefined;
    let smallest: Plan | undefined;
    for (const schedule of candidates(model, pins)) {
      const plan = planOf(model, schedule, backend);
      if (isFault(plan)) {
        refusal ??= plan;
        continue;
      }
      if (peakOf(plan) <= (pins.memory ?? Number.POSITIVE_INFINITY))
        return { stage: 'scheduled', model, schedule };
      if (smallest === undefined || peakOf(plan) < peakOf(smallest)) smallest = plan;
    }
    if (smallest !== undefined) return doesNotFit(smallest, pins.memory ?? 0);
    return refusal ?? noSchedule(model, pins);
  },
};

/** The allocated plan of a schedule, or why there is none. */
export function planOf(model: Model, schedule: Schedule, backend?: Backend): Plan | Fault {
  const lowered = loweredOf(model, schedule, backend);
  return isFault(lowered) ? lowered : lowered.plan;
}

/** What each pass makes of a schedule, one after another; the last is the allocated plan. */
export type Lowered = { readonly modules: readonly Module[]; readonly plan: Plan };

export function loweredOf(model: Model, schedule: Schedule, backend?: Backend): Lowered | Fault {
  const [wrong] = verifySchedule(model, schedule);
  if (wrong !== undefined) return { ...fault('wrong-schedule', { why: wrong.message }), hint: wrong.hint };
  const sharded = shard.run({ stage: 'scheduled', model, schedule });
  if (isFault(sharded)) return sharded;
  const differentiated = gradient.run(sharded);
  if (isFault(differentiated)) return differentiated;
  const instructed = instruct.run(differentiated, backend);
  if (isFault(instructed)) return instructed;
  const allocated = allocate.run(instructed);
  return isFault(allocated)
    ? allocated
    : { modules: [sharded, differentiated, instructed, allocated], plan: allocated.plan };
}
