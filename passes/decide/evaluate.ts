/**
 * What a shape costs when the decisions inside it are made: halo and coarsening for its tile, recompute for its
 * memory, cuts into stages for its pipeline. Every figure is analytic and on the safe side: messages get the worst-case
 * share of a link, memory is an upper bound; lowering and the simulator have the last word.
 */
import { at } from '../../ir/box.ts';
import { allReduceSeconds } from '../../ir/collectives.ts';
import type { Parts } from '../../ir/decision.ts';
import { type Order, plainDecisions, type Schedule } from '../../ir/schedule.ts';
import { product } from '../../ir/type.ts';
import { cutsOf } from './grid.ts';
import type { HaloAnswer } from './halo.ts';
import type { RecomputePoint } from './recompute.ts';
import { devicesIn, type Extents, type Shape, samplesIn } from './shapes.ts';
import { ownSeconds, type Situation, updateOf } from './situation.ts';
import { stageMessages } from './stage-messages.ts';
import { type Bounds, bestStages, leastStages, type StageAnswer, type StageQuestion } from './stages.ts';
import { accumulation, sumsAmong } from './sums.ts';
import { sweepSeconds } from './sweep.ts';
import { haloOf, loadSeconds, shareOfBytes } from './tile-halo.ts';

export type Evaluated = {
  readonly shape: Shape;
  readonly order: Order;
  readonly halo: HaloAnswer;
  readonly point: RecomputePoint;
  readonly pipeline?: StageAnswer;
  /** In which the gradients of a stage are summed. */
  readonly buckets: number;
  readonly seconds: number;
  readonly parts: Parts;
  /** Bytes of the fullest device: an upper bound before lowering. */
  readonly memory: number;
  /** What no choice of the decisions inside the shape is faster than, where that is less than its seconds. */
  readonly bound?: number;
};

/** What all candidates share: memory is traded for time along a curve, taken on the untiled network. */
export type Context = {
  readonly situation: Situation;
  readonly space: Extents;
  /** The curve of so many stages. */
  curveOf(stages: number): readonly RecomputePoint[];
  /** Seconds of each op forward on the untiled network, one sample: what the curve was taken with. */
  readonly curveForward: readonly number[];
  /** Halo decisions that were made already. */
  readonly halos: Map<string, HaloAnswer>;
  /** What the cuts of shapes take at least where nothing is computed again, by shape. */
  readonly bounds: Map<string, Bounds>;
  /** The same for candidates on so many devices, which may be in each other's way. */
  among(devices: number): Context;
};

/** Undefined where the shape does not fit the memory whatever is recomputed. */
export function evaluate(all: Context, shape: Shape, memory: number): Evaluated | undefined {
  const context = all.among(devicesIn(shape));
  const halo = haloOf(context, shape);
  return shape.stages === 1 ? unstaged(context, shape, halo, memory) : staged(context, shape, halo, memory);
}

/** Extra backward seconds of each op, the curve's scaled to the tile. */
const extraOf = (
  { curveForward }: Context,
  { extra }: RecomputePoint,
  forward: readonly number[],
): number[] =>
  extra.map((seconds, op) => (seconds === 0 ? 0 : (seconds * at(forward, op)) / at(curveForward, op)));

type Priced = { readonly point: RecomputePoint; readonly extra: readonly number[] };

/**
 * The point that needs no more than so many bytes of the untiled network and takes least on the tile. On the untiled network
 * those that follow take more, and no op is slowed down less than the one that the tile slows down least.
 */
function cheapestWithin(context: Context, forward: readonly number[], bytes: number): Priced | undefined {
  const least = context.curveForward.reduce(
    (share, seconds, op) => (seconds === 0 ? share : Math.min(share, at(forward, op) / seconds)),
    Number.POSITIVE_INFINITY,
  );
  let best: (Priced & { readonly seconds: number }) | undefined;
  for (const point of context.curveOf(1)) {
    if (best !== undefined && sum(point.extra) * least >= best.seconds) break;
    if (point.peak > bytes) continue;
    const extra = extraOf(context, point, forward);
    const seconds = sum(extra);
    if (best === undefined || seconds < best.seconds) best = { point, extra, seconds };
  }
  return best;
}

const sum = (numbers: readonly number[]): number => numbers.reduce((all, one) => all + one, 0);

function unstaged(context: Context, shape: Shape, halo: HaloAnswer, memory: number): Evaluated | undefined {
  const { situation } = context;
  const { parameterBytes, stateFactor, updateSeconds } = situation;
  const rounds = shape.microBatches * product(shape.stream);
  // What a round gives is added to what was there before.
  const states = parameterBytes * (stateFactor + (rounds > 1 ? 1 : 0));
  const share = shareOfBytes(situation, shape, halo);
  const cheapest = cheapestWithin(context, halo.forward, (memory - states - halo.copies) / share);
  if (cheapest === undefined) return undefined;
  const { point, extra } = cheapest;
  const kernels = rounds * (sum(halo.forward) + sum(halo.backward));
  const compute = Math.min(kernels, rounds * ownSeconds(situation, shape.tile, samplesIn(situation, shape)));
  const added = accumulation(situation, rounds);
  const sums = sumsAmong(
    situation,
    {
      members: { count: devicesIn(shape), spacing: 1, first: 0 },
      schedule: { chunks: [], strips: point.strips },
      idle: [0],
    },
    {
      work: halo.backward.map((seconds, op) => seconds + at(extra, op) + at(added, op)),
      messages: halo.messages.backwardOf,
    },
    situation.pins.buckets,
  );
  const parts = withLoad(context, shape, halo, {
    compute,
    margins: kernels - compute,
    sweep: sweepSeconds(situation, shape, halo),
    recompute: rounds * sum(extra),
    messages: rounds * (halo.messages.forward + halo.messages.backward) + sums.slowed,
    bubble: 0,
    allReduce: sums.exposed,
    update: updateSeconds + rounds * sum(added),
  });
  const order = 'one_after_another';
  return {
    shape,
    order,
    halo,
    point,
    parts,
    buckets: sums.buckets,
    seconds: total(parts),
    memory: states + halo.copies + point.peak * share,
  };
}

/** Clusters read the next step's windows ahead, so only what takes longer than the step shows. */
function withLoad({ situation }: Context, shape: Shape, halo: HaloAnswer, parts: Omit<Parts, 'load'>): Parts {
  const hidden = situation.machine.launcher === 'local' ? 0 : total({ ...parts, load: 0 });
  return { ...parts, load: Math.max(0, loadSeconds(situation, shape, halo) - hidden) };
}

const total = (parts: Parts): number => sum(Object.values(parts));

/**
 * From experience: the share of the rest of a micro-batch's path for which a folded pipeline fills and drains if it has twice
 * as many micro-batches as stages (with fewer, all of it), and of the sums of gradients what no bubble hides.
 */
const [fillShare, shownShare] = [0.5, 0.5];

/**
 * A pipeline before it is cut: work shared out evenly, some of it idle while the pipeline fills and drains. Pipelines
 * are cut in the order of this estimate.
 */
export function roughSeconds(context: Context, shape: Shape): number {
  const { situation } = context.among(devicesIn(shape));
  const { stages, microBatches, replicas } = shape;
  const { machine, parameterBytes, updateSeconds } = situation;
  const work = ownSeconds(situation, shape.tile, samplesIn(situation, shape));
  const places = product(shape.grid);
  const members = { count: replicas * places, spacing: replicas === 1 ? 1 : stages, first: 0 };
  const sums = allReduceSeconds(machine, members, parameterBytes / stages);
  const fill = microBatches < 2 * stages ? 1 : fillShare;
  return ((microBatches + fill * (stages - 1)) * work + updateSeconds) / stages + shownShare * sums;
}

/** Networks of more ops are cut for fewer points of the curve: each cut takes long. */
const largeNetwork = 1000;

/** Points of the curve that a pipeline is tried with: close together where little is computed again. */
function tried({ curveOf, situation }: Context, { stages }: Shape): RecomputePoint[] {
  const curve = curveOf(stages);
  const last = curve.length - 1;
  const close = Array.from({ length: 8 }, (_, i) => Math.round(2 ** (i / 2)) - 1);
  const few = situation.model.ops.length > largeNetwork ? close.slice(-1) : close;
  const indices = [0, ...few, last >> 1, last];
  return [...new Set(indices.map((index) => Math.min(index, last)))].map((index) => at(curve, index));
}

/** The first point that fits is the fastest but for what the order makes of it: the next is tried, too. */
function staged(context: Context, shape: Shape, halo: HaloAnswer, memory: number): Evaluated | undefined {
  const order = context.situation.pins.order ?? '1f1b';
  let best: Evaluated | undefined;
  for (const point of tried(context, shape)) {
    const found = pipelined(context, shape, halo, { point, order, memory });
    if (found === undefined) continue;
    if (best !== undefined && found.seconds >= best.seconds) return best;
    best = found;
  }
  return best;
}

/**
 * What no pipeline of the shape takes less than, its margins as they were decided: no cut, order, or recompute is
 * faster, messages between stages for nothing.
 */
export function leastPipelined(all: Context, shape: Shape): number {
  const context = all.among(devicesIn(shape));
  const { situation } = context;
  const [point] = context.curveOf(shape.stages);
  if (point === undefined) return 0;
  const choice = { point, order: '1f1b', memory: Number.POSITIVE_INFINITY } as const;
  const question = stageQuestion(context, shape, haloOf(context, shape), choice);
  const bounds = leastStages(question);
  context.bounds.set(JSON.stringify(shape), bounds);
  return Math.min(bounds.folded, bounds.straight) + situation.updateSeconds / shape.stages;
}

type Choice = { readonly point: RecomputePoint; readonly order: Order; readonly memory: number };

function pipelined(context: Context, shape: Shape, halo: HaloAnswer, choice: Choice): Evaluated | undefined {
  const { situation } = context;
  const { point, order } = choice;
  const places = product(shape.grid);
  const extra = extraOf(context, point, halo.forward);
  const isFirst = point === context.curveOf(shape.stages)[0];
  const known = isFirst ? context.bounds.get(JSON.stringify(shape)) : undefined;
  const pipeline = bestStages(stageQuestion(context, shape, halo, choice), known);
  if (pipeline === undefined) return undefined;
  const idle = pipeline.ends.map((end) => pipeline.stepSeconds - end);
  const added = accumulation(situation, shape.microBatches);
  const sums = sumsAmong(
    situation,
    {
      members: {
        count: shape.replicas * places,
        spacing: shape.replicas === 1 ? 1 : shape.stages,
        first: 0,
      },
      schedule: { chunks: pipeline.chunks, strips: point.strips },
      idle,
    },
    {
      work: halo.backward.map((seconds, op) => seconds + at(extra, op) + at(added, op)),
      messages: halo.backward.map(() => 0),
    },
    situation.pins.buckets,
  );
  const updates = stageBytes(situation, pipeline).map(
    (bytes, stage) => updateOf(situation, bytes) - at(idle, stage),
  );
  const work = shape.microBatches * (sum(halo.forward) + sum(halo.backward));
  const recompute = (shape.microBatches * sum(extra)) / shape.stages;
  const messages = (shape.microBatches * (halo.messages.forward + halo.messages.backward)) / shape.stages;
  const adding = (shape.microBatches * sum(added)) / shape.stages;
  const own = shape.microBatches * ownSeconds(situation, shape.tile, samplesIn(situation, shape));
  const parts = withLoad(context, shape, halo, {
    compute: Math.min(own, work) / shape.stages,
    margins: Math.max(0, work - own) / shape.stages,
    sweep: 0,
    recompute,
    messages,
    bubble: pipeline.stepSeconds - work / shape.stages - recompute - messages - adding,
    allReduce: sums.exposed,
    update: adding + Math.max(0, ...updates),
  });
  return {
    shape,
    order,
    halo,
    point,
    pipeline,
    parts,
    buckets: sums.buckets,
    seconds: total(parts),
    memory: Math.max(...pipeline.memory),
    bound: pipeline.bound,
  };
}

/** What a shape asks of its cuts into stages. */
function stageQuestion(
  context: Context,
  shape: Shape,
  halo: HaloAnswer,
  { point, order, memory }: Choice,
): StageQuestion {
  const { situation } = context;
  const { machine, profile, stateFactor } = situation;
  const places = product(shape.grid);
  const samples = samplesIn(situation, shape);
  const share = shareOfBytes(situation, shape, halo);
  const extra = extraOf(context, point, halo.forward);
  const added = accumulation(situation, shape.microBatches);
  // Margins are exchanged where the ops are: their seconds go with the work.
  const slower = {
    forward: 1 + halo.messages.forward / sum(halo.forward),
    backward: 1 + halo.messages.backward / sum(halo.backward),
  };
  // What a micro-batch gives is added to what was there before.
  const factor = stateFactor + (shape.microBatches > 1 ? 1 : 0);
  return {
    profile,
    forward: halo.forward.map((seconds) => seconds * slower.forward),
    backward: halo.backward.map((seconds, op) => seconds * slower.backward + at(extra, op) + at(added, op)),
    kept: point.keptBytes.map((bytes) => bytes * share),
    state: profile.ops.map((op) => op.parameterBytes * factor),
    valueBytes: new Map(
      [...profile.values].map(([name, { stride, extents, cellBytes }]) => [
        name,
        samples *
          cellBytes *
          product(stride.map((step, axis) => Math.min(at(extents, axis), at(shape.tile, axis) / step))),
      ]),
    ),
    stages: shape.stages,
    microBatches: shape.microBatches,
    order,
    memory,
    workspace: point.working * share + halo.copies / shape.stages,
    messageSeconds: stageMessages(machine, places),
    overlaps: machine.launcher !== 'local',
  };
}

/** Bytes of the parameters of each stage. */
function stageBytes({ profile }: Situation, { chunks }: StageAnswer): number[] {
  const bytes: number[] = [];
  let stage = chunks[0]?.stage ?? 0;
  for (const { op, parameterBytes } of profile.ops) {
    stage = chunks.find(({ from }, index) => index > 0 && from === op.output)?.stage ?? stage;
    bytes[stage] = (bytes[stage] ?? 0) + parameterBytes;
  }
  return bytes;
}

/** The decisions of a candidate as a schedule; undefined where an axis has fewer cells than tiles. */
export function scheduleOf(
  situation: Situation,
  { shape, order, halo, point, pipeline, buckets }: Evaluated,
): Schedule | undefined {
  const { model, pins } = situation;
  const cuts =
    pins.cuts ??
    cutsOf(
      model,
      shape.grid.map((count, axis) => count * at(shape.stream, axis)),
      shape.units,
    );
  if (cuts === undefined) return undefined;
  const coarsen = pins.coarsen ?? halo.coarsen;
  const pace = pins.pace ?? (pins.chunks === undefined ? pipeline?.pace : undefined);
  const lean = pins.lean ?? point.lean;
  return {
    ...plainDecisions(model.rank),
    name: model.name,
    devices: devicesIn(shape),
    replicas: shape.replicas,
    microBatches: shape.microBatches,
    order,
    cuts,
    stream: shape.stream,
    exchanges: halo.exchanges,
    ...(coarsen === undefined ? {} : { coarsen }),
    chunks: pins.chunks ?? pipeline?.chunks ?? [],
    ...(pace === undefined ? {} : { pace }),
    ...(buckets > 1 ? { buckets } : {}),
    drop: pins.drop ?? point.drop,
    ...(lean.length > 0 ? { lean } : {}),
    strips: pins.strips ?? point.strips,
  };
}
