/** What ways to share out devices and samples take at least, whatever is decided inside them. */
import { remembered } from '../../ir/remembered.ts';
import { pinnedStages, pinnedTiles } from '../../ir/schedule.ts';
import { product } from '../../ir/type.ts';
import { leastBound } from './fitting-cuts.ts';
import { devicesIn, type Extents, microBatched, type Shape, samplesIn, shapesWithin } from './shapes.ts';
import { amongDevices, opSeconds, ownSeconds, type Situation } from './situation.ts';
import { stageSpace } from './stage-space.ts';
import { sumsInSweep, sweepOnce } from './sweep.ts';

/**
 * Kernels on owned cells with their waves and launches, those of a sweep twice, the update, and in a pipeline that no device works before the
 * first micro-batch has come: one micro-batch after another all the way, or all work shared out evenly.
 */
export function ownBounds(all: Situation): (shape: Shape) => number {
  const among = amongDevices(all);
  const knownIn = remembered((_: Situation) => new Map<string, number>());
  const sweep = (situation: Situation, { tile }: Shape, samples: number, sums: ReadonlySet<string>) =>
    sums.size === 0 ? 0 : sweepOnce(situation, sums, opSeconds(situation, 'forward', tile, samples));
  return (shape) => {
    const situation = among(devicesIn(shape));
    const known = knownIn(situation);
    const samples = samplesIn(situation, shape);
    const sums = sumsInSweep(situation, shape);
    const key = [shape.tile, samples, ...sums].join(' ');
    const once =
      known.get(key) ?? ownSeconds(situation, shape.tile, samples) + sweep(situation, shape, samples, sums);
    known.set(key, once);
    const rounds = shape.microBatches * product(shape.stream);
    const shared = Math.max(1 / shape.stages, 1 / shape.microBatches);
    return (shape.stages === 1 ? rounds : rounds * shared) * once + situation.updateSeconds / shape.stages;
  };
}

/**
 * Where replicas and the cuts of tiles are pinned, what is left is a pipeline: what none in straight or nested stages is
 * faster than, whatever its cuts, micro-batches, order and memory, nothing computed again and messages for nothing.
 * Undefined where they are not pinned, or there are more numbers of stages than are looked at.
 */
export function leastPipeline(situation: Situation, space: Extents): number | undefined {
  const { pins, devices } = situation;
  const tiles = pinnedTiles(pins);
  if (pins.replicas === undefined || tiles === undefined) return undefined;
  // Tiles that are only counted may be cut more evenly than any that are looked at.
  if (pins.cuts === undefined && product(tiles) > 1) return undefined;
  if (pinnedStages(pins) === undefined && devices / (pins.replicas * product(tiles)) > allCounts)
    return undefined;
  const own = ownBounds(situation);
  const among = amongDevices(situation);
  const ways = [...shapesWithin(situation, space)]
    .flatMap((shape) => microBatched(situation, shape))
    .map((shape) => ({ shape, bound: own(shape) }))
    .sort((a, b) => a.bound - b.bound);
  let least = Number.POSITIVE_INFINITY;
  for (const { shape, bound } of ways) {
    if (bound >= least) break;
    least = Math.min(
      least,
      Math.max(bound, shape.stages === 1 ? 0 : leastOfCuts(among(devicesIn(shape)), shape)),
    );
  }
  return least;
}

/** Up to so many stages every number of them is looked at. */
const allCounts = 12;

function leastOfCuts(situation: Situation, shape: Shape): number {
  const { profile } = situation;
  const samples = samplesIn(situation, shape);
  const nothing = profile.ops.map(() => 0);
  const question = {
    profile,
    forward: opSeconds(situation, 'forward', shape.tile, samples),
    backward: opSeconds(situation, 'backward', shape.tile, samples),
    kept: nothing,
    state: nothing,
    valueBytes: new Map(),
    stages: shape.stages,
    microBatches: shape.microBatches,
    order: '1f1b',
    memory: Number.POSITIVE_INFINITY,
    workspace: 0,
    messageSeconds: () => 0,
    overlaps: true,
  } as const;
  const space = stageSpace(question);
  if (shape.stages > space.positions.length + 1) return Number.POSITIVE_INFINITY;
  return Math.min(leastBound(space, question, true), leastBound(space, question, false));
}
