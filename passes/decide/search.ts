/**
 * The joint search: tiles, halo, recompute, strips, stages, replicas, micro-batches and order decided together.
 *
 * Every shape has a lower bound (its kernels on owned cells, nothing else). Shapes are taken by ascending bound,
 * priced quickly, and the most promising priced in full, until the next bound is no better than the best found:
 * then nothing in the class is better. A bounded number of shapes is priced, the same on every machine; what was left
 * out is part of the printed bound.
 */
import { at } from '../../ir/box.ts';
import type { Alternative, Decision } from '../../ir/decision.ts';
import { type Fault, fault, isFault } from '../../ir/diagnostics/diagnostic.ts';
import { kernelSeconds } from '../../ir/kernels.ts';
import type { Plan } from '../../ir/plan.ts';
import type { Schedule } from '../../ir/schedule.ts';
import { product } from '../../ir/type.ts';
import { showBytes } from '../../ir/units.ts';
import { type Context, type Evaluated, evaluate, scheduleOf } from './evaluate.ts';
import { recomputeCurve } from './recompute.ts';
import {
  devicesIn,
  extentsOf,
  microBatched,
  type Shape,
  samplesIn,
  shapesWithin,
  streamed,
} from './shapes.ts';
import { leastWork, oneDeviceSeconds, ownCells, ownSeconds, type Situation } from './situation.ts';

export type Outcome = { readonly schedule: Schedule; readonly decision: Decision };

/** How many shapes are priced quickly, and how many in full; and how often the best is lowered in vain. */
const effort = { quick: 256, full: 12, lowered: 16 } as const;

/** A shape with its micro-batches and streams, and what the fastest of them takes at least. */
type Bounded = {
  readonly ways: readonly { readonly shape: Shape; readonly bound: number }[];
  readonly bound: number;
};

export type Lowering = (schedule: Schedule) => Plan | Fault;

export function search(situation: Situation, lower: Lowering): Outcome | Fault {
  const context = contextOf(situation);
  const { extents } = context.space;
  const least = leastWork(situation, extents);
  const own = ownBounds(situation);
  const shapes = [...shapesWithin(situation, context.space)]
    .map((shape): Bounded => {
      const ways = variants(context, shape).map((one) => ({ shape: one, bound: own(one) }));
      return { ways, bound: Math.min(...ways.map(({ bound }) => bound)) };
    })
    .filter(({ ways }) => ways.length > 0)
    .sort((a, b) => a.bound - b.bound);
  const ranked = rank(context, shapes);
  const found = firstThatFits(context, ranked.evaluated, lower);
  if (isFault(found)) return found;
  const any = least / situation.devices;
  const decision = {
    chosen: alternative(found.best),
    runnersUp: runnersUp(ranked.evaluated, found.best).map(alternative),
    bound: { class: Math.max(any, Math.min(ranked.open, found.best.seconds)), any },
    oneDevice: oneDeviceSeconds(situation, extents),
    considered: shapes.length,
    priced: ranked.priced,
  };
  return { schedule: found.schedule, decision };
}

const alternative = ({
  shape,
  order,
  halo,
  point,
  pipeline,
  seconds,
  parts,
  memory,
}: Evaluated): Alternative => ({
  devices: devicesIn(shape),
  replicas: shape.replicas,
  stages: shape.stages,
  folded: pipeline?.folded ?? false,
  tiles: shape.grid.map((count, axis) => count * at(shape.stream, axis)),
  stream: shape.stream,
  microBatches: shape.microBatches,
  order,
  exchanges: halo.exchanges.length,
  coarsened: halo.coarsen !== undefined,
  recomputed: point.drop.length,
  strips: point.strips.length,
  seconds,
  parts,
  memory,
});

function contextOf(situation: Situation): Context {
  const { profile, machine } = situation;
  const space = extentsOf(situation);
  const seconds = (kernels: 'forward' | 'backward') =>
    profile.ops.map((op) => {
      const cells = ownCells(profile, op, space.extents, 1);
      return op[kernels].reduce((sum, kernel) => sum + kernelSeconds(machine.device, kernel, cells), 0);
    });
  const forward = seconds('forward');
  const bytes = new Map(
    [...profile.values].map(([name, { extents, cellBytes }]) => [name, product(extents) * cellBytes]),
  );
  const curve = recomputeCurve({ profile, forward, backward: seconds('backward'), bytes });
  return { situation, space, curve, curveForward: forward };
}

/**
 * Kernels on owned cells with their waves and launches, the update, and in a pipeline that no device works before the
 * first micro-batch has come: one micro-batch after another all the way, or all work shared out evenly.
 */
function ownBounds(situation: Situation): (shape: Shape) => number {
  const known = new Map<string, number>();
  return (shape) => {
    const samples = samplesIn(situation, shape);
    const key = `${shape.tile} ${samples}`;
    const once = known.get(key) ?? ownSeconds(situation, shape.tile, samples);
    known.set(key, once);
    const rounds = shape.microBatches * product(shape.stream);
    const shared = Math.max(1 / shape.stages, 1 / shape.microBatches);
    return (shape.stages === 1 ? rounds : rounds * shared) * once + situation.updateSeconds / shape.stages;
  };
}

type Ranking = {
  /** Ascending by seconds. */
  readonly evaluated: readonly Evaluated[];
  /** The least bound of what was not priced in full. */
  readonly open: number;
  readonly priced: number;
};

function rank(context: Context, shapes: readonly Bounded[]): Ranking {
  const { quick, open, priced } = pricedQuickly(context, shapes);
  const exact = quick.filter(({ evaluated }) => evaluated.isRough !== true);
  const full: Evaluated[] = [];
  let least = Math.min(Number.POSITIVE_INFINITY, ...exact.map(({ evaluated }) => evaluated.seconds));
  let proven = open;
  for (const [index, { evaluated, bound }] of quick.entries()) {
    if (bound >= least) continue;
    const better =
      index < effort.full ? evaluate(context, evaluated.shape, 'best', context.situation.memory) : undefined;
    proven = Math.min(proven, better?.bound ?? better?.seconds ?? bound);
    if (better === undefined) continue;
    full.push(better);
    least = Math.min(least, better.seconds);
  }
  const rest = exact
    .map(({ evaluated }) => evaluated)
    .filter(({ shape }) => !full.some((one) => one.shape === shape));
  const evaluated = [...full, ...rest].sort((a, b) => a.seconds - b.seconds);
  return { evaluated, open: Math.max(proven, shapes[0]?.bound ?? 0), priced };
}

type Quick = { readonly evaluated: Evaluated; readonly bound: number };

/**
 * By ascending bound, until that is no better than the best so far; ascending by what was found. Pipelines come last:
 * they are only estimated, so they end nothing.
 */
function pricedQuickly(context: Context, shapes: readonly Bounded[]) {
  const quick: Quick[] = [];
  let best = Number.POSITIVE_INFINITY;
  let priced = 0;
  let open = Number.POSITIVE_INFINITY;
  const isStaged = ({ ways }: Bounded) => at(ways, 0).shape.stages > 1;
  for (const some of [shapes.filter((one) => !isStaged(one)), shapes.filter(isStaged)]) {
    let left: number = effort.quick;
    for (const { ways, bound } of some) {
      if (bound >= best) break;
      if (left <= 0) {
        open = Math.min(open, bound);
        break;
      }
      for (const way of ways.filter((one) => one.bound < best)) {
        const evaluated = evaluate(context, way.shape, 'quick', context.situation.memory);
        left -= 1;
        priced += 1;
        if (evaluated === undefined) continue;
        quick.push({ evaluated, bound: way.bound });
        if (evaluated.isRough !== true) best = Math.min(best, evaluated.seconds);
      }
    }
  }
  quick.sort((a, b) => a.evaluated.seconds - b.evaluated.seconds);
  return { quick: quick.filter(({ evaluated }) => evaluated.seconds < 2 * best), open, priced };
}

/**
 * Micro-batches as few as fit and, in a pipeline, all; and, where one sample at a time is too much, tiles one
 * after another.
 */
function variants(context: Context, shape: Shape): Shape[] {
  const { situation, space } = context;
  const all = microBatched(situation, shape);
  if (shape.stages > 1)
    return all.filter(
      ({ microBatches }) => microBatches >= Math.min(shape.stages, at(all, all.length - 1).microBatches),
    );
  const fits = (one: Shape) => leastMemory(context, one) <= situation.memory;
  const whole = all.filter(fits);
  const kept = whole.filter((one) => leastMemory(context, one, 0) <= situation.memory);
  const chosen = [...new Set([...whole.slice(0, 1), ...kept.slice(0, 1)])];
  const last = all.at(-1);
  if (kept.length > 0 || last === undefined) return chosen;
  const tiles = streamed(situation, last, space).filter(fits);
  return [
    ...chosen,
    ...tiles.slice(0, 1),
    ...tiles.filter((one) => leastMemory(context, one, 0) <= situation.memory).slice(0, 2),
  ];
}

/** Bytes without margins, at a point of the curve (the least where none is named). */
function leastMemory({ situation, curve, space }: Context, shape: Shape, point = curve.length - 1): number {
  const { parameterBytes, stateFactor } = situation;
  const share = (product(shape.tile) / product(space.extents)) * samplesIn(situation, shape);
  return parameterBytes * stateFactor + at(curve, point).peak * share;
}

type Found = { readonly best: Evaluated; readonly schedule: Schedule };

/** Lowers the best; where its allocated peak is too much, tries it with less memory, or the next. */
function firstThatFits(context: Context, evaluated: readonly Evaluated[], lower: Lowering): Found | Fault {
  const { situation } = context;
  let queue = [...evaluated];
  let refusal: Fault | undefined;
  for (let attempt = 0; attempt < effort.lowered; attempt++) {
    const [best, ...others] = queue;
    if (best === undefined) break;
    queue = others;
    const schedule = scheduleOf(situation, best);
    const plan = schedule === undefined ? undefined : lower(schedule);
    if (schedule === undefined || plan === undefined) continue;
    if (isFault(plan)) {
      refusal ??= plan;
      continue;
    }
    const peak = Math.max(...plan.roles.map(({ peakBytes }) => peakBytes));
    if (peak <= situation.memory) return { best, schedule };
    refusal ??= tooMuch(situation, peak);
    const again = evaluate(context, best.shape, 'best', (0.98 * best.memory * situation.memory) / peak);
    if (again !== undefined && again.memory < best.memory)
      queue = [...queue, again].sort((a, b) => a.seconds - b.seconds);
  }
  return refusal ?? nothingFits(context);
}

const tooMuch = ({ memory, devices }: Situation, needed: number): Fault =>
  fault('does-not-fit', {
    devices: devices === 1 ? '1 device' : `${devices} devices`,
    memory: showBytes(memory),
    needed: showBytes(needed),
    missing: showBytes(needed - memory),
    binding: 'the plan',
  });

function nothingFits(context: Context): Fault {
  const { situation } = context;
  return tooMuch(situation, situation.parameterBytes * situation.stateFactor);
}

/** The next best, one for each combination of replicas, stages and streaming. */
function runnersUp(evaluated: readonly Evaluated[], best: Evaluated): Evaluated[] {
  const kind = ({ shape }: Evaluated) =>
    `${shape.replicas} ${shape.stages} ${product(shape.stream) > 1} ${product(shape.grid) > 1}`;
  const seen = new Set([kind(best)]);
  return evaluated
    .filter((one) => {
      const isNew = !seen.has(kind(one));
      seen.add(kind(one));
      return isNew;
    })
    .slice(0, 3);
}
