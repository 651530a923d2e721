/** Schedules: that the decisions fit the model and each other. A person may have written one. */
import { at } from '../box.ts';
import { type Diagnostic, diagnose, fault } from '../diagnostics/diagnostic.ts';
import type { Model } from '../model.ts';
import { type Schedule, tilesOf } from '../schedule.ts';
import { tiledExtents } from '../tiling.ts';
import { product } from '../type.ts';

const wrong = (why: string): Diagnostic => diagnose(fault('wrong-schedule', { why }));

/** Far beyond any machine, and small enough that a slip of the pen costs a message and no memory. */
const most = { devices: 1_000_000, microBatches: 4096 } as const;

export function verifySchedule(model: Model, schedule: Schedule): Diagnostic[] {
  const { devices, replicas, microBatches, cuts } = schedule;
  if (cuts.length !== model.rank)
    return [wrong(`the schedule cuts ${cuts.length} axes, and the model has ${model.rank}`)];
  const extents = tiledExtents(model);
  const faults = cuts.flatMap((marks, axis) =>
    marks[0] === 0 &&
    marks.at(-1) === at(extents, axis) &&
    marks.every((cut, i) => i === 0 || cut > at(marks, i - 1))
      ? []
      : [wrong(`cuts ${marks.join(' ')} must rise from 0 to ${at(extents, axis)}, the extent of the output`)],
  );
  if (Math.max(devices, replicas, product(tilesOf(schedule))) > most.devices)
    faults.push(wrong(`a schedule has at most ${most.devices} devices, replicas and tiles`));
  if (microBatches > most.microBatches)
    faults.push(wrong(`a step has at most ${most.microBatches} micro-batches, not ${microBatches}`));
  if (model.training === undefined || model.loss === undefined) return faults;
  const needed = replicas * product(tilesOf(schedule));
  if (devices !== needed)
    faults.push(
      wrong(
        `${replicas} replicas of ${tilesOf(schedule).join(' x ')} tiles are ${needed} devices, not ${devices}`,
      ),
    );
  const { batch } = model.training;
  if (batch % (replicas * microBatches) !== 0)
    faults.push(
      wrong(
        `a batch of ${batch} cannot be shared by ${replicas} replicas in ${microBatches} micro-batches each`,
      ),
    );
  return faults;
}
