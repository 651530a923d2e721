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
import { type Fault, isFault } from '../../ir/diagnostics/diagnostic.ts';
import { devicesWorth } from '../../ir/machine.ts';
import { remembered } from '../../ir/remembered.ts';
import type { Schedule } from '../../ir/schedule.ts';
import { product } from '../../ir/type.ts';
import { leastPipeline, ownBounds } from './bounds.ts';
import {
  type Context,
  type Evaluated,
  evaluate,
  leastPipelined,
  roughSeconds,
  scheduleOf,
} from './evaluate.ts';
import type { Lowered } from './first-fit.ts';
import { doesNotFit, peakOf } from './fits.ts';
import { memoryCurve } from './memory-curve.ts';
import { noSchedule } from './pinned-faults.ts';
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
import {
  amongDevices,
  leastWork,
  notingSeconds,
  oneDeviceSeconds,
  opSeconds,
  piecesOf,
  type Situation,
} from './situation.ts';

export type Outcome = {
  readonly schedule: Schedule;
  readonly decision: Decision;
  /** What the passes make of the schedule: it was lowered to see whether it fits. */
  readonly lowered: Lowered;
};

/**
 * How many ways without stages are priced, how many pipelines are cut, and how often the best is lowered in vain; the
 * same on every machine, so that the same plan comes of it.
 */
const effort = { unstaged: 64, pipelines: 8, lowered: 16 } as const;

/** Of a network of so many ops the pipelines that are cut: that takes longer the more ops there are. */
const pipelinesFor = (ops: number): number =>
  Math.max(2, Math.min(effort.pipelines, Math.round((300 * effort.pipelines) / ops)));

/** Pipelines whose bound is this many times the best are not cut, but for one: that would only tell how bad they are. */
const hopeless = 1.25;

/** A shape with its micro-batches and streams, and what the fastest of them takes at least. */
type Bounded = {
  readonly ways: readonly { readonly shape: Shape; readonly bound: number }[];
  readonly bound: number;
};

export type Lowering = (schedule: Schedule) => Lowered | Fault;

/** `curve`: whether the decision has its curve of memory against time. */
export function search(situation: Situation, lower: Lowering, curve = false): Outcome | Fault {
  const found = bestOf(situation, lower);
  if (isFault(found)) return found;
  const { schedule, lowered, decision } = found;
  return curve
    ? {
        schedule,
        lowered,
        decision: { ...decision, memoryCurve: curveOf(situation, found).map(alternative) },
      }
    : { schedule, lowered, decision };
}

/** How it came to the outcome. */
type Searched = Outcome & {
  readonly evaluated: readonly Evaluated[];
  readonly best: Evaluated;
  /** A way without stages would be faster, and does not fit. */
  readonly isShortOfMemory: boolean;
};

/** Strips are looked for where memory is short without them: few networks need them, and the curve takes longer. */
function bestOf(situation: Situation, lower: Lowering): Searched | Fault {
  const plain = searchWith(situation, lower, false);
  if (!isFault(plain) && !plain.isShortOfMemory) return plain;
  const stripped = searchWith(situation, lower, true);
  if (isFault(stripped)) return plain;
  return isFault(plain) || stripped.decision.chosen.seconds < plain.decision.chosen.seconds
    ? stripped
    : plain;
}

const curveOf = (situation: Situation, { evaluated, best }: Searched): readonly Evaluated[] =>
  memoryCurve(contextOf({ ...situation, memory: Number.POSITIVE_INFINITY }, true), evaluated, best);

/** How many shapes are asked whether they would be faster with memory for everything. */
const asked = 4;

/** Strips make room for values, not for parameters: those have to fit. */
function isShortOfMemory(context: Context, own: (shape: Shape) => number, best: Evaluated): boolean {
  const { situation, space } = context;
  const { parameterBytes, stateFactor, memory } = situation;
  if (best.shape.stages === 1 && (best.point.drop.length > 0 || product(best.shape.stream) > 1)) return true;
  if (parameterBytes * stateFactor > memory) return false;
  return [...shapesWithin(situation, space)]
    .flatMap((shape) => (shape.stages === 1 ? microBatched(situation, shape).slice(0, 1) : []))
    .map((shape) => ({ shape, bound: own(shape) }))
    .filter(({ bound }) => bound < best.seconds)
    .sort((a, b) => a.bound - b.bound)
    .slice(0, asked)
    .some(({ shape }) => {
      const free = evaluate(context, shape, Number.POSITIVE_INFINITY);
      return free !== undefined && free.memory > memory && free.seconds < best.seconds;
    });
}

function searchWith(situation: Situation, lower: Lowering, strips: boolean): Searched | Fault {
  const context = contextOf(situation, strips);
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
  const shared = least / devicesWorth(situation.machine, situation.devices);
  const pipelined = leastPipeline(situation, context.space) ?? 0;
  const any = Math.max(shared, pipelined);
  const decision = {
    available: situation.devices,
    chosen: alternative(found.best),
    runnersUp: runnersUp(ranked.evaluated, found.best).map(alternative),
    bound: {
      class: Math.max(any, Math.min(ranked.open, found.best.seconds)),
      any,
      ...(pipelined > shared ? { pipeline: true as const } : {}),
    },
    oneDevice: oneDeviceSeconds(amongDevices(situation)(1), extents),
    considered: shapes.length,
    priced: ranked.priced,
  };
  return {
    schedule: found.schedule,
    lowered: found.lowered,
    decision,
    evaluated: ranked.evaluated,
    best: found.best,
    isShortOfMemory: isShortOfMemory(context, own, found.best),
  };
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
  lean: point.lean.length,
  strips: point.strips.length,
  seconds,
  parts,
  memory,
});

function contextOf(situation: Situation, strips: boolean): Context {
  const { profile } = situation;
  const space = extentsOf(situation);
  const forward = opSeconds(situation, 'forward', space.extents, 1);
  const backward = opSeconds(situation, 'backward', space.extents, 1);
  const bytes = new Map(
    [...profile.values].map(([name, { extents, cellBytes }]) => [name, product(extents) * cellBytes]),
  );
  const pieces = piecesOf(situation, space.extents, 1);
  const question = { profile, forward, backward, bytes, strips, pieces };
  const { lean } = situation.pins;
  const maps = once(() => recomputeCurve({ ...question, noted: lean ?? [] }));
  const bytesToo = once(() =>
    recomputeCurve({ ...question, noting: notingSeconds(situation, space.extents, 1) }),
  );
  const isOpen = (stages: number) => lean === undefined && mayNote(situation, stages);
  const curveOf = (stages: number) => (isOpen(stages) ? bytesToo() : maps());
  const amongAll = amongDevices(situation);
  const contextFor = remembered(
    (own: Situation): Context => ({
      situation: own,
      space,
      curveOf,
      curveForward: forward,
      halos: new Map(),
      bounds: new Map(),
      among: (devices) => contextFor(amongAll(devices)),
    }),
  );
  return contextFor(situation);
}

/**
 * Whether bytes in place of maps save memory. A process of this machine does forward and backward in one session where
 * there are no stages, and ONNX Runtime keeps the place of a map that dies early for later ones of its size.
 */
const mayNote = ({ machine }: Situation, stages: number): boolean =>
  stages > 1 || machine.launcher !== 'local';

function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}

type Ranking = {
  /** Ascending by seconds. */
  readonly evaluated: readonly Evaluated[];
  /** The least bound of what was not priced in full. */
  readonly open: number;
  readonly priced: number;
};

type Way = Bounded['ways'][number];

/**
 * Ways by ascending bound, until the next is no better than the best found. Those without stages are priced as they
 * are; pipelines, whose cuts take longest, in the order of an estimate.
 */
function rank(context: Context, shapes: readonly Bounded[]): Ranking {
  const ways = shapes.flatMap((one) => one.ways).sort((a, b) => a.bound - b.bound);
  const isStaged = ({ shape }: Way) => shape.stages > 1;
  const plain = priced(
    context,
    ways.filter((way) => !isStaged(way)),
    effort.unstaged,
    Number.POSITIVE_INFINITY,
  );
  const estimated = ways
    .filter((way) => isStaged(way) && way.bound < plain.best)
    .map((way) => ({ way, seconds: roughSeconds(context, way.shape) }))
    .sort((a, b) => a.seconds - b.seconds)
    .map(({ way }) => way);
  const staged = pricedPipelines(context, estimated, plain.best);
  return {
    evaluated: [...plain.evaluated, ...staged.evaluated].sort((a, b) => a.seconds - b.seconds),
    open: Math.min(plain.open, staged.open),
    priced: plain.evaluated.length + staged.evaluated.length,
  };
}

/** The most promising are bounded with their margins, and cut in the order of that. */
function pricedPipelines(context: Context, ways: readonly Way[], before: number) {
  const most = pipelinesFor(context.situation.model.ops.length);
  const bounded = ways
    .slice(0, most)
    .map(({ shape, bound }) => ({ shape, bound: Math.max(bound, leastPipelined(context, shape)) }))
    .sort((a, b) => a.bound - b.bound);
  const hopeful = bounded.filter(({ bound }, index) => index === 0 || bound < hopeless * before);
  const cut = priced(context, hopeful, most, Number.POSITIVE_INFINITY);
  const { open } = priced(context, ways.slice(most), 0, Math.min(before, cut.best));
  return { evaluated: cut.evaluated, open: Math.min(open, cut.open) };
}

/** Prices ways in their order, as many as are allowed and may still be better. `open`: none is proven to be faster. */
function priced(context: Context, ways: readonly Way[], most: number, before: number) {
  const evaluated: Evaluated[] = [];
  let best = before;
  let open = Number.POSITIVE_INFINITY;
  let left = most;
  for (const { shape, bound } of ways) {
    if (bound >= best) continue;
    const found = left > 0 ? evaluate(context, shape, context.situation.memory) : undefined;
    open = Math.min(open, found?.bound ?? found?.seconds ?? bound);
    left -= 1;
    if (found === undefined) continue;
    evaluated.push(found);
    best = Math.min(best, found.seconds);
  }
  return { evaluated, best, open };
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
      (one) =>
        one.microBatches >= Math.min(shape.stages, at(all, all.length - 1).microBatches) &&
        stateBytes(situation, one) <= shape.stages * situation.memory,
    );
  const fits = (one: Shape) => leastMemory(context, one) <= situation.memory;
  const whole = all.filter(fits);
  const kept = whole.filter((one) => leastMemory(context, one, 0) <= situation.memory);
  const chosen = [...new Set([...whole.slice(0, 1), ...kept.slice(0, 2)])];
  const last = all.at(-1);
  if (kept.length > 0 || last === undefined) return chosen;
  const tiles = streamed(situation, last, space).filter(fits);
  return [
    ...chosen,
    ...tiles.slice(0, 1),
    ...tiles.filter((one) => leastMemory(context, one, 0) <= situation.memory).slice(0, 2),
  ];
}

/** Bytes of parameters, gradients and optimizer state; what several micro-batches give is added to what was there. */
const stateBytes = ({ parameterBytes, stateFactor }: Situation, { microBatches }: Shape): number =>
  parameterBytes * (stateFactor + (microBatches > 1 ? 1 : 0));

/** Bytes without margins, at a point of the curve (the least where none is named). */
function leastMemory({ situation, curveOf, space }: Context, shape: Shape, point?: number): number {
  const curve = curveOf(shape.stages);
  const { parameterBytes, stateFactor } = situation;
  const share = (product(shape.tile) / product(space.extents)) * samplesIn(situation, shape);
  return parameterBytes * stateFactor + at(curve, point ?? curve.length - 1).peak * share;
}

type Found = { readonly best: Evaluated; readonly schedule: Schedule; readonly lowered: Lowered };

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
    const lowered = schedule === undefined ? undefined : lower(schedule);
    if (schedule === undefined || lowered === undefined) continue;
    if (isFault(lowered)) {
      refusal ??= lowered;
      continue;
    }
    const peak = peakOf(lowered.plan);
    if (peak <= situation.memory) return { best, schedule, lowered };
    refusal ??= doesNotFit(lowered.plan, situation.memory);
    const again = withLess(context, best, (0.98 * situation.memory) / peak);
    if (again !== undefined) queue = [...queue, again].sort((a, b) => a.seconds - b.seconds);
  }
  return refusal ?? leastThatFits(context, lower);
}

/** Parts of the way, as powers, that memory is lowered by: where there is nothing all the way down, there may be before. */
const partsOfWay = [1, 0.5, 0.25] as const;

/** The shape in as much less memory as it took too much when it was lowered. */
function withLess(context: Context, { shape, memory }: Evaluated, ratio: number): Evaluated | undefined {
  for (const part of partsOfWay) {
    const found = evaluate(context, shape, memory * ratio ** part);
    if (found !== undefined && found.memory < memory) return found;
  }
  return undefined;
}

/**
 * What the shapes that need the least memory need, lowered where that can be done: seldom one fits after all, for what is
 * counted with before lowering is on the safe side.
 */
function leastThatFits({ situation, space }: Context, lower: Lowering): Found | Fault {
  const context = contextOf({ ...situation, memory: Number.POSITIVE_INFINITY }, true);
  const shapes = [...shapesWithin(situation, space)].flatMap((shape) => {
    const last = microBatched(situation, shape).at(-1);
    return last === undefined ? [] : [last, ...streamed(situation, last, space).slice(-1)];
  });
  const least = shapes.map((shape) => ({ shape, bytes: leastMemory(context, shape) / shape.stages }));
  least.sort((a, b) => a.bytes - b.bytes);
  const evaluated = least.slice(0, 4).flatMap(({ shape, bytes }) => {
    const found = [1.1, 1.5, 3, Number.POSITIVE_INFINITY]
      .map((slack) => evaluate(context, shape, bytes * slack))
      .find((one) => one !== undefined);
    return found === undefined ? [] : [found];
  });
  const found = evaluated.flatMap((best): Found[] => {
    const schedule = scheduleOf(situation, best);
    const lowered = schedule === undefined ? undefined : lower(schedule);
    return schedule === undefined || lowered === undefined || isFault(lowered)
      ? []
      : [{ best, schedule, lowered }];
  });
  const [smallest] = found.sort((a, b) => peakOf(a.lowered.plan) - peakOf(b.lowered.plan));
  if (smallest === undefined) return noSchedule(situation.model, situation.pins);
  const { plan } = smallest.lowered;
  return peakOf(plan) <= situation.memory ? smallest : doesNotFit(plan, situation.memory);
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
