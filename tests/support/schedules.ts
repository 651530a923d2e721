/** Schedules drawn over everything that can be decided today, for the laws. */
import { at } from '../../ir/box.ts';
import { isFault } from '../../ir/diagnostics/diagnostic.ts';
import type { Model } from '../../ir/model.ts';
import type { Pins, Schedule } from '../../ir/schedule.ts';
import { tiledExtents } from '../../ir/tiling.ts';
import { product } from '../../ir/type.ts';
import { divisorsOf } from '../../passes/decide/grid.ts';
import { shard } from '../../passes/lower/shard.ts';

/** A small generator of whole numbers from a seed (a linear congruence of Knuth's): tests only. */
export function numbers(seed: number): (below: number) => number {
  let state = (seed ^ 0x9e3779b9) >>> 0;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

type Drawn = Omit<Schedule, 'name' | 'halo'>;

/** Uneven cuts anywhere, replicas, micro-batches: what the model allows of them, drawn until it does. */
export function pinsFor(model: Model, seed: number): Pins {
  const draw = numbers(seed);
  // What norms and losses that see whole samples refuse are mostly tiles: half of the tries have none.
  for (let attempt = 0; attempt < 12; attempt++) {
    const pins = drawn(model, draw, attempt < 6 ? 3 : 1);
    const schedule: Schedule = { name: model.name, halo: 'overlap', ...pins };
    if (!isFault(shard.run({ stage: 'scheduled', model, schedule }))) return pins;
  }
  const cuts = tiledExtents(model).map((extent) => [0, extent]);
  return { devices: 1, replicas: 1, microBatches: 1, cuts };
}

function drawn(model: Model, draw: (below: number) => number, mostTiles: number): Drawn {
  const batch = model.training?.batch ?? 1;
  const pick = <T>(list: readonly T[]): T => at(list, draw(list.length));
  const replicas = pick(divisorsOf(batch));
  const microBatches = pick(divisorsOf(batch / replicas));
  const cuts = tiledExtents(model).map((extent) => {
    const tiles = Math.min(extent, 1 + draw(mostTiles));
    const marks = new Set<number>([0]);
    while (marks.size < tiles) marks.add(1 + draw(extent - 1));
    return [...[...marks].sort((a, b) => a - b), extent];
  });
  const devices = replicas * product(cuts.map((marks) => marks.length - 1));
  return { devices, replicas, microBatches, cuts };
}
