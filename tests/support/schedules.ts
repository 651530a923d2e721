/** Schedules drawn over everything that can be decided today, for the laws. */
import { at } from '../../ir/box.ts';
import type { Model } from '../../ir/model.ts';
import type { Pins } from '../../ir/schedule.ts';
import { tiledExtents } from '../../ir/tiling.ts';
import { product } from '../../ir/type.ts';
import { divisorsOf } from '../../passes/decide/grid.ts';

/** A small generator of whole numbers from a seed (a linear congruence of Knuth's): tests only. */
export function numbers(seed: number): (below: number) => number {
  let state = (seed ^ 0x9e3779b9) >>> 0;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

/** Uneven cuts anywhere, replicas, micro-batches. */
export function pinsFor(model: Model, seed: number): Pins {
  const draw = numbers(seed);
  const batch = model.training?.batch ?? 1;
  const pick = <T>(list: readonly T[]): T => at(list, draw(list.length));
  const replicas = pick(divisorsOf(batch));
  const microBatches = pick(divisorsOf(batch / replicas));
  const cuts = tiledExtents(model).map((extent) => {
    const tiles = Math.min(extent, 1 + draw(3));
    const marks = new Set<number>([0]);
    while (marks.size < tiles) marks.add(1 + draw(extent - 1));
    return [...[...marks].sort((a, b) => a - b), extent];
  });
  const devices = replicas * product(cuts.map((marks) => marks.length - 1));
  return { devices, replicas, microBatches, cuts };
}
