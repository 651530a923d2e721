/**
 * Decides all that the pins leave open, jointly, for the least predicted step on a machine. `search.ts` is the
 * search; this is its pass, and what a driver calls that wants to know why as well.
 */

import type { Backend } from '../../ir/backend.ts';
import { type Fault, fault, isFault } from '../../ir/diagnostics/diagnostic.ts';
import type { Machine } from '../../ir/machine.ts';
import type { Model } from '../../ir/model.ts';
import type { Pass } from '../../ir/pass.ts';
import type { Pins, Schedule } from '../../ir/schedule.ts';
import { loweredOf } from './first-fit.ts';
import { gridFault } from './pinned-faults.ts';
import { type Outcome, search } from './search.ts';
import { type HaloStrategy, situationOf } from './situation.ts';

const decisions = [
  'devices',
  'replicas',
  'microBatches',
  'order',
  'cuts',
  'stream',
  'exchanges',
  'chunks',
  'drop',
  'strips',
] as const satisfies readonly (keyof Pins)[];

export type Searching = {
  readonly backend?: Backend;
  readonly strategy?: HaloStrategy | undefined;
  /** Whether the decision has its curve of memory against time. */
  readonly memoryCurve?: boolean;
};

/** Undefined where there is nothing to search: everything is pinned. */
export function jointlyDecided(
  model: Model,
  machine: Machine,
  pins: Pins,
  { backend, strategy, memoryCurve = false }: Searching = {},
): Outcome | Fault | undefined {
  const wrong = gridFault(model, pins);
  if (wrong !== undefined) return wrong;
  if (decisions.every((decision) => pins[decision] !== undefined)) return undefined;
  const lower = (schedule: Schedule) => loweredOf(model, schedule, backend);
  return search(situationOf(model, machine, pins, strategy), lower, memoryCurve);
}

export const jointSearch: Pass<'model', 'scheduled'> = {
  name: 'joint-search',
  doc: 'the schedule with the least predicted step on the machine, of all that the pins leave open',
  from: 'model',
  to: 'scheduled',
  run({ model, pins, machine }, backend) {
    if (machine === undefined)
      return fault('wrong-schedule', { why: 'the joint search needs a machine, and the module has none' });
    const found = jointlyDecided(model, machine, pins, {
      ...(backend === undefined ? {} : { backend }),
    });
    if (found === undefined)
      return fault('wrong-schedule', { why: 'every decision is pinned: there is nothing to search' });
    return isFault(found) ? found : { stage: 'scheduled', model, schedule: found.schedule };
  },
};
