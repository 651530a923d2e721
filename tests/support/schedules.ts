/** Schedules drawn over everything that can be decided, for the laws. */
import { at } from '../../ir/box.ts';
import { isFault } from '../../ir/diagnostics/diagnostic.ts';
import { isSpatial, modelTypes } from '../../ir/intervals.ts';
import { leanValues } from '../../ir/lean.ts';
import type { Model } from '../../ir/model.ts';
import type { Chunk, Exchange, Pins, Schedule, Strips } from '../../ir/schedule.ts';
import { axisWords, plainDecisions, stagesOf } from '../../ir/schedule.ts';
import { sumsIn } from '../../ir/sharers.ts';
import { stridesOf, tiledExtents } from '../../ir/tiling.ts';
import { product } from '../../ir/type.ts';
import { verifySchedule } from '../../ir/verify/schedule.ts';
import { stripFaults } from '../../ir/verify/strip-decisions.ts';
import { divisorsOf } from '../../passes/decide/grid.ts';
import { shard } from '../../passes/lower/shard.ts';

type Draw = (below: number) => number;

/** A small generator of whole numbers from a seed (a linear congruence of Knuth's): tests only. */
export function numbers(seed: number): Draw {
  let state = (seed ^ 0x9e3779b9) >>> 0;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

/** Any decisions that the model allows, drawn until it does. */
export function pinsFor(model: Model, seed: number): Pins {
  const draw = numbers(seed);
  // Ever plainer tries: what a norm or a narrow image refuses is mostly tiles.
  for (let attempt = 0; attempt < 16; attempt++) {
    const schedule = drawn(model, draw, attempt < 12 ? 3 : 1);
    if (verifySchedule(model, schedule).length > 0) continue;
    if (!isFault(shard.run({ stage: 'scheduled', model, schedule }))) return pinsOf(schedule);
  }
  const cuts = tiledExtents(model).map((extent) => [0, extent]);
  return { devices: 1, replicas: 1, microBatches: 1, cuts };
}

const pinsOf = ({ name: _, ...pins }: Schedule): Pins => pins;

function drawn(model: Model, draw: Draw, mostTiles: number): Schedule {
  const pick = <T>(list: readonly T[]): T => at(list, draw(list.length));
  const batch = model.training?.batch ?? 1;
  const replicas = pick(divisorsOf(batch));
  const microBatches = pick(divisorsOf(batch / replicas));
  // Few networks have a dice loss, whose sums are swept over what is streamed.
  const streams = draw(sumsIn(model).size > 0 ? 2 : 4) === 0;
  const stream = tiledExtents(model).map(() => (streams ? 1 + draw(3) : 1));
  const cuts = tiledExtents(model).map((extent, axis) => {
    const most = Math.max(1, Math.floor(extent / at(stream, axis)));
    return cutsOf(extent, Math.min(most, 1 + draw(mostTiles)) * at(stream, axis), draw);
  });
  const chunks = draw(3) === 0 && !streams ? chunksFor(model, draw) : [];
  const places = product(cuts.map((marks, axis) => (marks.length - 1) / at(stream, axis)));
  const exchanges = draw(2) === 0 && !streams ? exchangesFor(model, draw) : [];
  const coarsens = exchanges.length > 0 && draw(3) === 0;
  const schedule: Schedule = {
    ...plainDecisions(model.rank),
    name: model.name,
    devices: replicas * places * stagesOf({ chunks }),
    replicas,
    microBatches,
    cuts,
    stream,
    order:
      stagesOf({ chunks }) > 1 ? pick(['gpipe', '1f1b', 'one_after_another'] as const) : 'one_after_another',
    exchanges,
    ...(coarsens ? { coarsen: { grid: cuts.map(() => 1 + draw(2)), level: draw(3) } } : {}),
    chunks,
    ...(draw(3) === 0 ? { buckets: 1 + draw(6) } : {}),
    drop:
      draw(3) === 0
        ? model.ops.filter(({ type }) => isSpatial(type) && draw(3) === 0).map(({ output }) => output)
        : [],
  };
  const strips = draw(3) === 0 ? stripsFor(model, schedule, draw) : [];
  return { ...schedule, strips, ...(draw(3) > 0 ? { lean: leanFor(model, draw) } : {}) };
}

/** Some of the ops that can do with bytes, or all of them. */
function leanFor(model: Model, draw: Draw): string[] {
  const share = 1 + draw(2);
  return leanValues(model).filter(() => draw(share) === 0);
}

/** Up to three parts anywhere, short and long, as far as the model and the other decisions allow. */
function stripsFor(model: Model, schedule: Schedule, draw: Draw): Strips[] {
  const strips: Strips[] = [];
  for (let tries = 0; tries < 6 && strips.length < 3; tries++) {
    const first = draw(model.ops.length);
    const last = first + draw(draw(2) === 0 ? 4 : model.ops.length - first);
    const [from, to] = [model.ops[first], model.ops[last]];
    if (from === undefined || to === undefined) continue;
    const of = axisWords.slice(-model.rank)[draw(model.rank + 1)];
    const one = { from: from.output, to: to.output, count: 1 + draw(5), ...(of === undefined ? {} : { of }) };
    if (stripFaults(model, { ...schedule, strips: [...strips, one] }).length === 0) strips.push(one);
  }
  return strips;
}

/** Cuts anywhere, or on even cells, where tiles share roles. */
function cutsOf(extent: number, tiles: number, draw: Draw): number[] {
  const even = draw(3) === 0 && extent >= 4 * tiles;
  const marks = new Set<number>([0]);
  while (marks.size < Math.min(tiles, extent))
    marks.add(even ? 2 * (1 + draw(Math.ceil(extent / 2) - 1)) : 1 + draw(extent - 1));
  return [...[...marks].sort((a, b) => a - b), extent];
}

/** Margins fetched before some of the ops that read cells, wholly or in part. */
function exchangesFor(model: Model, draw: Draw): Exchange[] {
  const types = modelTypes(model);
  const share = 1 + draw(3);
  return model.ops.flatMap((op) =>
    op.inputs.flatMap((name, operand): Exchange[] => {
      const fits = isSpatial(types.get(name)) && types.get(name)?.element === 'f32' && isSpatial(op.type);
      return fits && draw(share) === 0
        ? [{ before: op.output, operand, cells: draw(3) === 0 ? 1 : 1 + draw(20) }]
        : [];
    }),
  );
}

/** Straight or folded cuts anywhere. */
function chunksFor(model: Model, draw: Draw): Chunk[] {
  const stages = 2 + draw(2);
  const folded = draw(2) === 0;
  const count = folded ? 2 * stages - 1 : stages;
  const places = new Set<number>();
  for (let tries = 0; places.size < count - 1 && tries < 50; tries++)
    places.add(1 + draw(model.ops.length - 1));
  if (places.size < count - 1) return [];
  const starts = [0, ...[...places].sort((a, b) => a - b)];
  return starts.map((index, chunk) => ({
    from: chunk === 0 ? '' : at(model.ops, index).output,
    stage: folded && chunk >= stages ? count - 1 - chunk : chunk,
  }));
}

/** Values on levels, for whoever wants to know which are coarse. */
export const levelsOf = (model: Model): Map<string, number> =>
  new Map([...stridesOf(model)].map(([name, strides]) => [name, Math.log2(Math.max(...strides))]));
