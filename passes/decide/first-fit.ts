/**
 * Decides all that the pins leave open: the first candidate whose lowered plan fits the memory of a device.
 * A plain default, without any claim to be the best.
 */
import { type Fault, fault, isFault } from '../../ir/diagnostics/diagnostic.ts';
import type { WorkspaceOf } from '../../ir/liveness.ts';
import type { Model } from '../../ir/model.ts';
import type { Pass } from '../../ir/pass.ts';
import type { Plan } from '../../ir/plan.ts';
import type { Pins, Schedule } from '../../ir/schedule.ts';
import { verifySchedule } from '../../ir/verify/schedule.ts';
import { allocate } from '../lower/allocate.ts';
import { gradient } from '../lower/gradient.ts';
import { instruct } from '../lower/instruct.ts';
import { shard } from '../lower/shard.ts';
import { candidates } from './candidates.ts';
import { doesNotFit, peakOf } from './fits.ts';

export const firstFit: Pass<'model', 'scheduled'> = {
  name: 'first-fit',
  doc: 'the first schedule of the plain default that fits the memory',
  from: 'model',
  to: 'scheduled',
  run({ model, pins }, workspaceOf) {
    const wrong = gridFault(model, pins);
    if (wrong !== undefined) return wrong;
    let refusal: Fault | undefined;
    let smallest: Plan | undefined;
    for (const schedule of candidates(model, pins)) {
      const plan = planOf(model, schedule, workspaceOf);
      if (isFault(plan)) {
        refusal ??= plan;
        continue;
      }
      if (peakOf(plan) <= (pins.memory ?? Number.POSITIVE_INFINITY))
        return { stage: 'scheduled', model, schedule };
      if (smallest === undefined || peakOf(plan) < peakOf(smallest)) smallest = plan;
    }
    if (smallest !== undefined) return doesNotFit(smallest, pins.memory ?? 0);
    return refusal ?? noCandidate(model, pins);
  },
};

/** A grid of another number of axes than the model has; nothing else could be made of it. */
function gridFault({ rank }: Model, { tiles, cuts }: Pins): Fault | undefined {
  if (cuts !== undefined && cuts.length !== rank)
    return fault('wrong-schedule', {
      why: `cuts are given for ${cuts.length} of ${rank} axes: give those of every axis, such as \`rows\` and \`columns\``,
    });
  if (tiles === undefined || tiles.length === rank) return undefined;
  const grid = Array.from({ length: rank }, (_, axis) => tiles[axis] ?? 1).join('x');
  return fault('wrong-schedule', {
    why: `\`tiles ${tiles.join('x')}\` is a grid of rank ${tiles.length}, and the model has rank ${rank}: write one count for each axis, such as \`${grid}\``,
  });
}

/** The allocated plan of a schedule, or why there is none. */
export function planOf(model: Model, schedule: Schedule, workspaceOf?: WorkspaceOf): Plan | Fault {
  const [wrong] = verifySchedule(model, schedule);
  if (wrong !== undefined) return { ...fault('wrong-schedule', { why: wrong.message }), hint: wrong.hint };
  const sharded = shard.run({ stage: 'scheduled', model, schedule });
  if (isFault(sharded)) return sharded;
  const differentiated = gradient.run(sharded);
  if (isFault(differentiated)) return differentiated;
  const instructed = instruct.run(differentiated, workspaceOf);
  if (isFault(instructed)) return instructed;
  const allocated = allocate.run(instructed);
  return isFault(allocated) ? allocated : allocated.plan;
}

function noCandidate(model: Model, pins: Pins): Fault {
  const { cuts, tiles, memory: _, ...counts } = pins;
  const grid = cuts?.map((marks) => marks.length - 1) ?? tiles;
  const pinned = [
    ...Object.entries(counts).map(([word, value]) => `${word} ${value}`),
    ...(grid === undefined ? [] : [`tiles ${grid.join(' x ')}`]),
  ].join(', ');
  const { batch = 1 } = model.training ?? {};
  return fault('wrong-schedule', {
    why: `no schedule keeps to what is pinned (${pinned}): replicas x tiles must be the devices, replicas must divide the batch of ${batch}, micro-batches what a replica gets of it, and a tile needs a cell on each axis`,
  });
}
