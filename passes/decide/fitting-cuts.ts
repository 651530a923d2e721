/** The cut of a shape with the least bottleneck that fits the memory, and the least bottleneck of any. */
import { at } from '../../ir/box.ts';
import { evenFold } from './even-fold.ts';
import { bestFold, type FoldCosts, type Priced } from './fold.ts';
import { leastFold } from './least-fold.ts';
import { type Cut, keptBytes, type Space, type StageQuestion, type Weighed } from './stage-space.ts';
import { bestStraight, leastStraight, type StraightCosts } from './straight.ts';

/** For each stage the numbers of micro-batches that its chunks may have in flight at the same time. */
export type Peaks = readonly (readonly (readonly number[])[])[];

const between = (sums: Float64Array, from: number, to: number) => (sums[to] ?? 0) - (sums[from] ?? 0);

const workOf = ({ forward, backward }: Space, from: number, to: number): number =>
  between(forward, from, to) + between(backward, from, to);

/** The longer way through a run of ops. */
const longerWay = ({ forward, backward }: Space, from: number, to: number): number =>
  Math.max(between(forward, from, to), between(backward, from, to));

/**
 * What `pipelineBound` says of a stage: head and tail, if it begins at an op, and its work on all micro-batches; or one
 * micro-batch all the way, and each other one behind it in the part of the stage with the longest way.
 */
const secondsOf = (space: Space, from: number, microBatches: number, work: number, longest: number): number =>
  Math.max(
    workOf(space, 0, from) + microBatches * work,
    workOf(space, 0, space.ops) + (microBatches - 1) * longest,
  );

function foldCosts(space: Space, question: StageQuestion, limits: Limits): FoldCosts {
  const { kept, state } = space;
  const { stages, workspace } = question;
  const { memory, peaks, microBatches } = limits;
  return {
    stages,
    seconds: (_, e, e2, d2, d) =>
      secondsOf(
        space,
        e,
        microBatches,
        workOf(space, e, e2) + workOf(space, d2, d),
        Math.max(longerWay(space, e, e2), longerWay(space, d2, d)),
      ),
    part: (from, to) => microBatches * workOf(space, from, to),
    fits: (q, e, e2, d2, d) => {
      if (memory === Number.POSITIVE_INFINITY) return true;
      const inner = between(kept, d2, d);
      const parts = q === stages - 1 ? [inner] : [between(kept, e, e2), inner];
      const bytes = between(state, e, e2) + between(state, d2, d) + keptBytes(at(peaks, q), parts);
      return bytes + workspace <= memory;
    },
  };
}

function straightCosts(space: Space, question: StageQuestion, limits: Limits): StraightCosts {
  const { kept, state } = space;
  const { stages, workspace, overlaps } = question;
  const { memory, peaks, microBatches, isPriced, most } = limits;
  const message = (from: number, bytes: number) => question.messageSeconds(from, from + 1, bytes);
  const price = (q: number, gets: number, gives: number): number =>
    (q === 0 ? 0 : message(q - 1, gets)) + (q === stages - 1 ? 0 : message(q, gives));
  const seconds = (from: number, to: number, work: number): number =>
    secondsOf(space, from, microBatches, work, longerWay(space, from, to));
  const least = (from: number, to: number): number => seconds(from, to, workOf(space, from, to));
  return {
    stages,
    seconds: (q, from, to, gets, gives) => {
      const work = workOf(space, from, to);
      const messages = isPriced ? price(q, gets, gives) : 0;
      return seconds(from, to, overlaps ? Math.max(work, messages) : work + 2 * messages);
    },
    least,
    fits: (q, from, to, gets, gives) => {
      if (memory === Number.POSITIVE_INFINITY) return true;
      const held = keptBytes(at(peaks, q), [between(kept, from, to) + gets]);
      return between(state, from, to) + held + gets + gives + workspace <= memory;
    },
    isLost: (from, to) =>
      least(from, to) >= most || between(state, from, to) + between(kept, from, to) + workspace > memory,
  };
}

type Limits = {
  readonly memory: number;
  readonly peaks: Peaks;
  readonly microBatches: number;
  readonly isPriced: boolean;
  /** A cut that costs as much is of no use. */
  readonly most: number;
};

/**
 * No cut of the shape into so many stages has a `pipelineBound` that is less, messages and memory left out of account. Of
 * folds, what stands behind one micro-batch is left out as well.
 */
export function leastBound(space: Space, question: StageQuestion, isFolded: boolean): number {
  const { microBatches, stages } = question;
  const all = workOf(space, 0, space.ops);
  const share = (microBatches * all) / stages;
  if (isFolded) return leastFold(space, question, 1e-4, Math.max(share, all));
  const limits = {
    memory: Number.POSITIVE_INFINITY,
    peaks: [],
    microBatches,
    isPriced: false,
    most: Number.POSITIVE_INFINITY,
  };
  return Math.max(leastStraight(space, straightCosts(space, question, limits), share), all);
}

/** How often the memory is lowered by what a cut takes too much. */
const mostTries = 6;

/**
 * A cut with the least bottleneck that fits, what is received included, which the programmes leave out or
 * estimate: `weigh` says what a cut takes in truth. `least` is what no cut costs
 * less than, and one that costs `most` is of no use.
 */
export function fittingCut<W extends Pick<Weighed, 'bytes'>>(
  space: Space,
  question: StageQuestion,
  isFolded: boolean,
  peaks: Peaks,
  [least, most]: readonly [number, number],
  weigh: (cut: Cut) => W,
): W | undefined {
  const { microBatches } = question;
  let { memory } = question;
  for (let tries = 0; tries < mostTries; tries++) {
    const limits = { memory, peaks, microBatches, isPriced: true, most };
    const found = isFolded
      ? fullFold(space, foldCosts(space, question, limits), [least, most])
      : bestStraight(space, straightCosts(space, question, limits));
    if (found === undefined) return undefined;
    const weighed = weigh(found.cut);
    const over = Math.max(...weighed.bytes) - question.memory;
    if (over <= 0) return weighed;
    memory -= over;
  }
  return undefined;
}

/**
 * The best fold in which each stage has a part. Where the path of one micro-batch takes longest, stages may be left
 * without any: then one whose stages are alike, if they all have one.
 */
function fullFold(space: Space, costs: FoldCosts, within: readonly [number, number]): Priced | undefined {
  const { stages, part } = costs;
  const isFull = ({ cut }: Priced): boolean => new Set(cut.stages).size === stages;
  const found = bestFold(space, costs, tolerance, within);
  if (found === undefined || isFull(found)) return found;
  const alike: FoldCosts = { ...costs, seconds: (_, e, e2, d2, d) => part(e, e2) + part(d2, d) };
  const even = [part(0, space.ops) / stages, Number.POSITIVE_INFINITY] as const;
  const other = bestFold(space, alike, tolerance, even);
  return other !== undefined && isFull(other) ? other : undefined;
}

const tolerance = 1e-3;

/** Cuts that cost somewhat more than the least, and whose stages have parts that are more alike. */
export function evenCuts<W extends Pick<Weighed, 'bytes'>>(
  space: Space,
  question: StageQuestion,
  peaks: Peaks,
  least: number,
  weigh: (cut: Cut) => W,
): W[] {
  const limits = { memory: question.memory, peaks, microBatches: question.microBatches, isPriced: true };
  const costs = foldCosts(space, question, { ...limits, most: Number.POSITIVE_INFINITY });
  return slacks[question.thorough === true ? 'thorough' : 'usual'].flatMap((slack) => {
    const cut = evenFold(space, costs, least * (1 + slack));
    const weighed = cut && weigh(cut);
    return weighed === undefined || weighed.bytes.some((bytes) => bytes > question.memory) ? [] : [weighed];
  });
}

/** How much more than the least cuts cost, as shares. */
const slacks = { usual: [0.03], thorough: [0.01, 0.03, 0.06] } as const;
