/**
 * Cuts a network into pipeline stages, straight or folded. Programmes find the cuts with the least bottleneck that
 * fit the memory; the best few are then timed exactly, under the order of the schedule, and improved cut by cut.
 */
import { at } from '../../ir/box.ts';
import type { Chunk, Order, Pace } from '../../ir/schedule.ts';
import { type Item, ordered } from '../lower/order.ts';
import { evenCuts, fittingCut, leastBound, type Peaks } from './fitting-cuts.ts';
import { evaluateItems, pipelineBound, sweep, type TimedItem } from './pipeline.ts';
import {
  type Cut,
  chunksOfCut,
  foldedStages,
  peaksOf,
  type Space,
  type StageQuestion,
  stageBytes,
  stageSpace,
  straightStages,
  upTo,
  type Weighed,
  type WeighedChunk,
  weigh,
} from './stage-space.ts';

export type { StageQuestion } from './stage-space.ts';

export type StageAnswer = {
  readonly chunks: readonly Chunk[];
  /** For the schedule, where the stages are folded and their order keeps to it. */
  readonly pace?: Pace;
  readonly folded: boolean;
  /** Each chunk with the seconds, and the bytes that it sends on, of one micro-batch. */
  readonly loads: readonly {
    readonly stage: number;
    readonly forward: number;
    readonly backward: number;
    readonly sent: number;
  }[];
  /** When each stage has done its last item; seconds. */
  readonly ends: readonly number[];
  /** Seconds of a step without its update, by exact evaluation of the order. */
  readonly stepSeconds: number;
  /** The share of the time of all devices in which they wait. */
  readonly bubble: number;
  /** Bytes of each stage, at most. */
  readonly memory: readonly number[];
  /** No cut into so many stages, straight or nested, takes less time, whatever the order and the memory. */
  readonly bound: number;
};

/** The best cut found; undefined if none fits the memory. `known`: what `leastStages` says, where it was asked. */
export function bestStages(question: StageQuestion, known?: Bounds): StageAnswer | undefined {
  const space = stageSpace(question);
  if (question.stages > space.positions.length + 1) return undefined;
  const bounds = known ?? boundsOf(space, question);
  const best = bestOf(space, question, shapesOf(question), bounds);
  return (
    best && answerOf(question, improved(space, question, best), Math.min(bounds.folded, bounds.straight))
  );
}

/** What no cut into so many stages takes less than, whatever the order and the memory; infinite if there is none. */
export function leastStages(question: StageQuestion): Bounds {
  const space = stageSpace(question);
  return question.stages > space.positions.length + 1
    ? { folded: Number.POSITIVE_INFINITY, straight: Number.POSITIVE_INFINITY }
    : boundsOf(space, question);
}

const boundsOf = (space: Space, question: StageQuestion): Bounds => ({
  folded: question.stages === 1 ? Number.POSITIVE_INFINITY : leastBound(space, question, true),
  straight: leastBound(space, question, false),
});

/** What the cuts of a kind take at least. */
export type Bounds = { readonly folded: number; readonly straight: number };

/** So near to the bound, as a share, nothing more is tried; so near, cuts of other kinds are. */
const [closeEnough, nearEnough] = [0.005, 0.02];

function bestOf(space: Space, question: StageQuestion, shapes: readonly Shape[], bounds: Bounds) {
  let best: Timed | undefined;
  const isWithin = (bound: number, share: number): boolean =>
    best !== undefined && best.seconds <= bound * (1 + share);
  const take = (shape: Shape, one: Ordered): void => {
    const found = timed(question, shape, one);
    if (best === undefined || found.seconds < best.seconds) best = found;
  };
  // The memory does not bind: fewer micro-batches in flight lead to the same cut.
  let isFree = false;
  for (const shape of shapes) {
    const bound = shape.isFolded ? bounds.folded : bounds.straight;
    if (isWithin(bound, isFree && shape.isFolded ? nearEnough : closeEnough)) continue;
    const one = fitting(space, question, shape, [bound, best?.seconds ?? Number.POSITIVE_INFINITY]);
    if (one === undefined) continue;
    take(shape, one);
    const least = pipelineBound(one.loads, question.microBatches, true);
    isFree = least <= bound * (1 + closeEnough);
    if (shape.inFlight === undefined || isWithin(bound, nearEnough)) continue;
    for (const even of evenlyCut(space, question, shape, least)) take(shape, even);
  }
  return best;
}

const evenlyCut = (space: Space, question: StageQuestion, shape: Shape, least: number) =>
  evenCuts(space, question, usualPeaks(shape, question.microBatches), least, (cut) =>
    orderedCut(space, question, shape, cut),
  );

/** The least number of stages whose memory fits. */
export function fewestStages(question: Omit<StageQuestion, 'stages'>, most: number): number | undefined {
  const space = stageSpace(question);
  const { memory, workspace } = question;
  const least = Math.ceil((space.state[space.ops] ?? 0) / (memory - workspace));
  if (workspace >= memory) return undefined;
  const counts = upTo(Math.min(most, space.positions.length + 1) + 1).slice(Math.max(1, least));
  return counts.find((stages) => {
    const asked = { ...question, stages };
    // The fewest micro-batches in flight first.
    const shapes = shapesOf(asked).toReversed();
    return shapes.some((shape) => fitting(space, asked, shape, [0, Number.POSITIVE_INFINITY]) !== undefined);
  });
}

function answerOf(question: StageQuestion, best: Timed, bound: number): StageAnswer {
  const { profile, stages, microBatches, overlaps } = question;
  const evaluation = evaluateItems(best.items, best.loads, microBatches, overlaps);
  const busy = evaluation.busy.reduce((sum, one) => sum + one, 0);
  return {
    chunks: chunksOfCut(profile, best.cut),
    ...(best.pace === undefined ? {} : { pace: best.pace }),
    folded: isFolded(best.cut.stages),
    loads: best.loads.map(({ stage, forward, backward, sent }) => ({ stage, forward, backward, sent })),
    ends: endsOf(evaluation.timeline, stages),
    stepSeconds: best.seconds,
    bubble: 1 - busy / (best.seconds * stages),
    memory: best.bytes,
    bound,
  };
}

function endsOf(timeline: readonly TimedItem[], stages: number): number[] {
  const ends = new Array<number>(stages).fill(0);
  for (const { stage, end } of timeline) ends[stage] = Math.max(at(ends, stage), end);
  return ends;
}

const isFolded = (stages: readonly number[]): boolean => new Set(stages).size < stages.length;

/** What a cut is sought for: the stages of its chunks and the order of their work. */
type Shape = {
  readonly stages: readonly number[];
  readonly isFolded: boolean;
  readonly order: Order;
  /** Where the order keeps to a pace: the micro-batches in flight. */
  readonly inFlight?: number;
};

/** Micro-batches in flight per stage that are tried: more fill the pipeline better and take more memory. */
const perStage = [3, 2.5, 2, 1.75, 1.5, 1.25, 1] as const;

/** Folded, the most micro-batches in flight first; straight. */
function shapesOf({ stages, order, microBatches }: StageQuestion): Shape[] {
  if (stages === 1) return [{ stages: [0], isFolded: false, order: 'one_after_another' }];
  const straight = { stages: straightStages(stages), isFolded: false, order };
  const folded = { stages: foldedStages(stages), isFolded: true, order };
  if (order !== '1f1b') return [folded, straight];
  const flights = perStage.map((share) => Math.min(Math.ceil(share * stages), microBatches));
  const within = [...new Set(flights)];
  return [...within.map((inFlight) => ({ ...folded, inFlight })), straight];
}

const greatest = 1000;

/** The times of chunks as whole numbers. */
function paceOf(loads: readonly WeighedChunk[], inFlight: number): Pace {
  const longest = Math.max(...loads.flatMap(({ forward, backward }) => [forward, backward]));
  const whole = (seconds: number) => Math.max(1, Math.round((seconds / longest) * greatest));
  return {
    inFlight,
    forward: loads.map(({ forward }) => whole(forward)),
    backward: loads.map(({ backward }) => whole(backward)),
  };
}

type Ordered = Weighed & { readonly items: readonly (readonly Item[])[]; readonly pace?: Pace };

/** A cut with its order, and the bytes that it then takes. */
function orderedCut(
  space: Space,
  question: StageQuestion,
  shape: Shape,
  cut: Cut,
  loads = weigh(space, question, cut),
): Ordered {
  const hasPace = shape.inFlight !== undefined && isFolded(cut.stages);
  const pace = hasPace ? paceOf(loads, shape.inFlight) : undefined;
  const items = ordered(shape.order, cut.stages, question.microBatches, pace);
  const bytes = stageBytes(space, question, cut, loads, items.map(peaksOf));
  return { cut, loads, items, bytes, ...(pace === undefined ? {} : { pace }) };
}

/**
 * How many micro-batches of each chunk are in flight: of the order, or, where it depends on the times of the chunks,
 * those for which the way through the pipeline and back lies ahead, if all chunks take their even share of it.
 */
function usualPeaks({ stages, order, inFlight }: Shape, microBatches: number): Peaks {
  if (inFlight === undefined) return ordered(order, stages, microBatches).map(peaksOf);
  const ahead = (chunk: number) => Math.ceil(inFlight * (1 - (chunk + 0.5) / stages.length));
  return upTo(Math.max(...stages) + 1).map((stage) => [
    stages.flatMap((one, chunk) => (one === stage ? [ahead(chunk)] : [])),
  ]);
}

/** A cut of the shape that fits the memory and has the least bottleneck, if that is within a range of seconds. */
const fitting = (space: Space, question: StageQuestion, shape: Shape, within: readonly [number, number]) =>
  fittingCut(space, question, shape.isFolded, usualPeaks(shape, question.microBatches), within, (cut) =>
    orderedCut(space, question, shape, cut),
  );

type Timed = Ordered & { readonly shape: Shape; readonly seconds: number };

const timed = ({ microBatches, overlaps }: StageQuestion, shape: Shape, one: Ordered): Timed => ({
  ...one,
  shape,
  seconds: sweep(one.items, one.loads, microBatches, overlaps),
});

/** How many cuts are timed to improve one, where the order is to be found anew for each and where not. */
const mostTimed = { paced: 8, thorough: 64, fixed: 60 } as const;

/** Moves one cut at a time, as long as that saves time. */
function improved(space: Space, question: StageQuestion, start: Timed): Timed {
  const { shape } = start;
  let best = start;
  const paced = question.thorough === true ? mostTimed.thorough : mostTimed.paced;
  let left: number = shape.inFlight === undefined ? mostTimed.fixed : paced;
  for (let size = 4; size >= 1; size = size >> 1)
    for (let hasMoved = true; hasMoved; ) {
      hasMoved = false;
      for (let chunk = 1; chunk < best.cut.stages.length; chunk++)
        for (const by of [size, -size]) {
          const cut = left > 0 ? movedCut(space, best.cut, chunk, by) : undefined;
          const other = cut && betterCut(space, question, shape, cut, best.seconds);
          if (other === undefined) continue;
          left--;
          if (other.seconds >= best.seconds * (1 - 1e-9)) continue;
          best = other;
          hasMoved = true;
        }
    }
  return best;
}

/** The cut with the start of a chunk moved by so many places, if that is one. */
function movedCut(space: Space, cut: Cut, chunk: number, by: number): Cut | undefined {
  const { positions, ops } = space;
  const start = positions[positions.indexOf(at(cut.starts, chunk)) + by];
  const [before, after] = [at(cut.starts, chunk - 1), cut.starts[chunk + 1] ?? ops];
  if (start === undefined || start <= before || start >= after) return undefined;
  const moved = { ...cut, starts: cut.starts.with(chunk, start) };
  return isFolded(cut.stages) && !isFold(space, moved) ? undefined : moved;
}

/** A cut, timed, if it fits and its bound says that it may take less. */
function betterCut(space: Space, question: StageQuestion, shape: Shape, cut: Cut, seconds: number) {
  const { microBatches, overlaps, memory } = question;
  const loads = weigh(space, question, cut);
  if (pipelineBound(loads, microBatches, overlaps) >= seconds) return undefined;
  const one = orderedCut(space, question, shape, cut, loads);
  return one.bytes.some((bytes) => bytes > memory) ? undefined : timed(question, shape, one);
}

/** Whether what lies inside each stage gets one value and gives one. */
const isFold = ({ isNested, ops }: Space, { starts, stages }: Cut): boolean =>
  upTo(Math.max(...stages)).every((stage) => {
    const inner = upTo(stages.length).filter((chunk) => at(stages, chunk) > stage);
    return isNested(at(starts, at(inner, 0)), starts[at(inner, inner.length - 1) + 1] ?? ops);
  });
