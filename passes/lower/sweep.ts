/**
 * The sweep: all parts of a step go forward once ahead of all else, and what they add to the sums of samples is added up
 * over parts and devices. So the sums are complete when the first part goes backward. Nothing else of it is kept.
 */
import { partOfSum } from '../../ir/sweeps.ts';
import { bufferOf, type Scene, type Step } from './making.ts';
import { perform, provide, reduceOver } from './performing.ts';

export function sweepAhead(step: Step): void {
  const { schedule, shares, swept } = step;
  if (swept.size === 0) return;
  const sums = { grid: new Set<string>(), stage: new Set<string>() };
  for (let micro = 0; micro < schedule.microBatches; micro++)
    for (const [share, { split }] of shares.entries()) {
      const scene = { micro, share, split, ahead: true, written: new Set<string>() } as const;
      provide(step, scene, split.ahead);
      for (const task of split.ahead.tasks) perform(step, scene, task);
      for (const [name, { over }] of swept) sums[over].add(addPart(step, scene, name));
    }
  reduceOver(step, 'grid', [...sums.grid]);
  reduceOver(step, 'stage', [...sums.stage]);
}

/** Adds what a part of the step gives to a sum; gives the buffer of the sum. */
function addPart(step: Step, scene: Scene, name: string): string {
  const from = bufferOf(step, scene, partOfSum(name));
  const into = bufferOf(step, scene, name);
  step.script.do({ do: 'accumulate', from, into, first: !step.script.writes(into) });
  return into;
}
