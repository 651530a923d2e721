/**
 * Cuts a network into pipeline stages, straight or folded. Programmes find the cuts with the least bottleneck that
 * fit the memory; the best few are then timed exactly, under the order of the schedule, and improved cut by cut.
 */
import { at } from '../../ir/box.ts';
import type { Chunk, Order } from '../../ir/schedule.ts';
import { bestFold, type FoldCosts } from './fold.ts';
import { type Evaluation, evaluateOrder, pipelineBound } from './pipeline.ts';
import {
  type Cut,
  chunksOfCut,
  foldedStages,
  keptBytes,
  peaksOf,
  type Space,
  type StageQuestion,
  stageBytes,
  stageSpace,
  straightStages,
  upTo,
  type WeighedChunk,
  weigh,
} from './stage-space.ts';
import { bestStraight, type StraightCosts } from './straight.ts';

export type { StageQuestion } from './stage-space.ts';

export type StageAnswer = {
  readonly chunks: readonly Chunk[];
  readonly folded: boolean;
  /** Each chunk with the seconds, and the bytes that it sends on, of one micro-batch. */
  readonly loads: readonly {
    readonly stage: number;
    readonly forward: number;
    readonly backward: number;
    readonly sent: number;
  }[];
  /** Seconds of a step without its update, by exact evaluation of the order. */
  readonly stepSeconds: number;
  /** The share of the time of all devices in which they wait. */
  readonly bubble: number;
  /** Bytes of each stage, at most. */
  readonly memory: readonly number[];
  /** No cut of this kind into so many stages takes less time, whatever the order and the memory. */
  readonly bound: number;
};

/** The best cut found; undefined if none fits the memory. */
export function bestStages(question: StageQuestion): StageAnswer | undefined {
  const space = stageSpace(question);
  if (question.stages > space.positions.length + 1) return undefined;
  const searches = shapesOf(question.stages).map((stages) => new ShapeSearch(space, question, stages));
  const timed = searches.flatMap((search) => search.timed());
  const [first, ...others] = timed;
  if (first === undefined) return undefined;
  const best = others.reduce((a, b) => (b.seconds < a.seconds ? b : a), first);
  const chunks = best.loads;
  const busy = best.evaluation.busy.reduce((sum, one) => sum + one, 0);
  return {
    chunks: chunksOfCut(question.profile, best.cut),
    folded: isFolded(best.cut.stages),
    loads: chunks.map(({ stage, forward, backward, sent }) => ({ stage, forward, backward, sent })),
    stepSeconds: best.seconds,
    bubble: 1 - busy / (best.seconds * question.stages),
    memory: best.memory,
    bound: Math.min(...searches.map((search) => search.bound())),
  };
}

/** The least number of stages whose memory fits. */
export function fewestStages(question: Omit<StageQuestion, 'stages'>, most: number): number | undefined {
  const space = stageSpace(question);
  return upTo(most)
    .map((index) => index + 1)
    .find((stages) =>
      shapesOf(stages).some((shape) => new ShapeSearch(space, { ...question, stages }, shape).fits()),
    );
}

/** The stages of the chunks: straight, and, from two stages on, folded. */
const shapesOf = (stages: number): number[][] =>
  stages === 1 ? [[0]] : [straightStages(stages), foldedStages(stages)];

const isFolded = (stages: readonly number[]): boolean => new Set(stages).size < stages.length;

type Timed = {
  readonly cut: Cut;
  readonly loads: readonly WeighedChunk[];
  readonly memory: readonly number[];
  readonly evaluation: Evaluation;
  readonly seconds: number;
};

/** How many cuts of a shape are timed at most. */
const mostTimed = 120;

/** The search among the cuts of one shape. */
class ShapeSearch {
  readonly #space: Space;
  readonly #question: StageQuestion;
  readonly #stages: readonly number[];
  readonly #peaks: readonly (readonly (readonly number[])[])[];
  #left = mostTimed;

  constructor(space: Space, question: StageQuestion, stages: readonly number[]) {
    this.#space = space;
    this.#question = question;
    this.#stages = stages;
    this.#peaks = peaksOf(this.#rule, stages, question.microBatches);
  }

  /** Cuts that fit, timed, the last the best. */
  timed(): Timed[] {
    const { microBatches } = this.#question;
    // The second counts the bottleneck alone.
    const timed = [microBatches, 1e6].flatMap((micro) => {
      const cut = this.#fitting(micro);
      return (cut && this.#time(cut)) ?? [];
    });
    const [first, ...others] = timed;
    if (first === undefined) return [];
    return [this.#improved(others.reduce((a, b) => (b.seconds < a.seconds ? b : a), first))];
  }

  fits(): boolean {
    return this.#fitting(this.#question.microBatches) !== undefined;
  }

  /** The least that `pipelineBound` is of any cut, messages and memory left out of account. */
  bound(): number {
    const { forward, backward, ops } = this.#space;
    const free = this.#search(this.#question.microBatches, Number.POSITIVE_INFINITY, false);
    return Math.max(free?.most ?? Number.POSITIVE_INFINITY, (forward[ops] ?? 0) + (backward[ops] ?? 0));
  }

  /** A cut with the least bottleneck whose memory fits, what is received included. */
  #fitting(microBatches: number): Cut | undefined {
    let { memory } = this.#question;
    for (let tries = 0; tries < 8; tries++) {
      const found = this.#search(microBatches, memory, true);
      if (found === undefined) return undefined;
      if (new Set(found.cut.stages).size < this.#question.stages) return undefined;
      const over = Math.max(...this.#weighed(found.cut).bytes) - this.#question.memory;
      if (over <= 0) return found.cut;
      memory -= over;
    }
    return undefined;
  }

  #weighed(cut: Cut): { loads: WeighedChunk[]; bytes: number[] } {
    const loads = weigh(this.#space, this.#question, cut);
    const isUsual = cut.stages.length === this.#stages.length;
    const peaks = isUsual ? this.#peaks : peaksOf(this.#rule, cut.stages, this.#question.microBatches);
    return { loads, bytes: stageBytes(this.#space, this.#question, cut, loads, peaks) };
  }

  get #rule(): Order {
    return this.#question.stages === 1 ? 'one_after_another' : this.#question.order;
  }

  #search(microBatches: number, memory: number, priced: boolean) {
    return isFolded(this.#stages)
      ? bestFold(this.#space, this.#foldCosts(microBatches, memory))
      : bestStraight(this.#space, this.#straightCosts(microBatches, memory, priced));
  }

  /** Head, tail and work of all micro-batches. */
  #seconds(from: number, microBatches: number, load: number): number {
    const { forward, backward } = this.#space;
    return (forward[from] ?? 0) + (backward[from] ?? 0) + microBatches * load;
  }

  #load(from: number, to: number): number {
    const { forward, backward } = this.#space;
    return (forward[to] ?? 0) - (forward[from] ?? 0) + (backward[to] ?? 0) - (backward[from] ?? 0);
  }

  #foldCosts(microBatches: number, memory: number): FoldCosts {
    const { kept, state } = this.#space;
    const { stages, workspace } = this.#question;
    const sum = (sums: Float64Array, from: number, to: number) => (sums[to] ?? 0) - (sums[from] ?? 0);
    return {
      stages,
      seconds: (_, e, e2, d2, d) => this.#seconds(e, microBatches, this.#load(e, e2) + this.#load(d2, d)),
      fits: (q, e, e2, d2, d) => {
        if (memory === Number.POSITIVE_INFINITY) return true;
        const parts = q === stages - 1 ? [sum(kept, d2, d)] : [sum(kept, e, e2), sum(kept, d2, d)];
        const bytes = sum(state, e, e2) + sum(state, d2, d) + keptBytes(at(this.#peaks, q), parts);
        return bytes + workspace <= memory;
      },
    };
  }

  #straightCosts(microBatches: number, memory: number, priced: boolean): StraightCosts {
    const { kept, state } = this.#space;
    const { stages, workspace, overlaps, messageSeconds } = this.#question;
    const sum = (sums: Float64Array, from: number, to: number) => (sums[to] ?? 0) - (sums[from] ?? 0);
    const price = (q: number, gets: number, gives: number): number =>
      (q === 0 ? 0 : messageSeconds(q - 1, q, gets)) +
      (q === stages - 1 ? 0 : messageSeconds(q, q + 1, gives));
    return {
      stages,
      seconds: (q, from, to, gets, gives) => {
        const load = this.#load(from, to);
        if (!priced) return this.#seconds(from, microBatches, load);
        const messages = 2 * price(q, gets, gives);
        return this.#seconds(from, microBatches, overlaps ? Math.max(load, messages / 2) : load + messages);
      },
      fits: (q, from, to, gets, gives) =>
        memory === Number.POSITIVE_INFINITY ||
        sum(state, from, to) +
          keptBytes(at(this.#peaks, q), [sum(kept, from, to) + gets]) +
          gets +
          gives +
          workspace <=
          memory,
    };
  }

  #time(cut: Cut): Timed | undefined {
    const { microBatches, overlaps, memory } = this.#question;
    const { loads, bytes } = this.#weighed(cut);
    if (bytes.some((one) => one > memory)) return undefined;
    this.#left--;
    const evaluation = evaluateOrder(this.#rule, loads, microBatches, overlaps);
    return { cut, loads, memory: bytes, evaluation, seconds: evaluation.seconds };
  }

  /** Moves one cut at a time, as long as that saves time. */
  #improved(start: Timed): Timed {
    let best = start;
    for (let size = 4; size >= 1 && this.#left > 0; size = size >> 1)
      for (let moved = true; moved && this.#left > 0; ) {
        moved = false;
        for (let chunk = 1; chunk < best.cut.stages.length; chunk++)
          for (const by of [size, -size]) {
            const other = this.#left > 0 ? this.#moved(best, chunk, by) : undefined;
            if (other === undefined || other.seconds >= best.seconds * (1 - 1e-9)) continue;
            best = other;
            moved = true;
          }
      }
    return best;
  }

  /** The cut with the start of a chunk moved by so many places, if that is valid and may be better. */
  #moved({ cut, seconds }: Timed, chunk: number, by: number): Timed | undefined {
    const { positions, ops } = this.#space;
    const { overlaps, microBatches } = this.#question;
    const start = positions[positions.indexOf(at(cut.starts, chunk)) + by];
    const [before, after] = [at(cut.starts, chunk - 1), cut.starts[chunk + 1] ?? ops];
    if (start === undefined || start <= before || start >= after) return undefined;
    const moved = { ...cut, starts: cut.starts.with(chunk, start) };
    if (isFolded(cut.stages) && !isFold(this.#space, moved)) return undefined;
    const loads = weigh(this.#space, this.#question, moved);
    return pipelineBound(loads, microBatches, overlaps) < seconds ? this.#time(moved) : undefined;
  }
}

/** Whether what lies inside each stage gets one value and gives one. */
const isFold = ({ isNested, ops }: Space, { starts, stages }: Cut): boolean =>
  upTo(Math.max(...stages)).every((stage) => {
    const inner = upTo(stages.length).filter((chunk) => at(stages, chunk) > stage);
    return isNested(at(starts, at(inner, 0)), starts[at(inner, inner.length - 1) + 1] ?? ops);
  });
