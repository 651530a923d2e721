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

/** Head and tail of a stage that begins at an op, and its work on all micro-batches. */
const secondsOf = (space: Space, from: number, microBatches: number, work: number): number =>
  workOf(space, 0, from) + microBatches * work;

/** One micro-batch all the way, and each other one behind it in a run of ops, forward or backward. */
const chainOf = (space: Space, from: number, to: number, microBatches: number): number =>
  workOf(space, 0, space.ops) +
  (microBatches - 1) * Math.max(between(space.forward, from, to), between(space.backward, from, to));

function foldCosts(space: Space, question: StageQuestion, limits: Limits): FoldCosts {
  const { kept, state } = space;
  const { stages, workspace } = question;
  const { memory, peaks, microBatches } = limits;
  return {
    stages,
    seconds: (_, e, e2, d2, d) =>
      Math.max(
        secondsOf(space, e, microBatches, workOf(space, e, e2) + workOf(space, d2, d)),
        chainOf(space, e, e2, microBatches),
        chainOf(space, d2, d, microBatches),
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
  const least = (from: number, to: number): number =>
    Math.max(
      secondsOf(space, from, microBatches, workOf(space, from, to)),
      chainOf(space, from, to, microBatches),
    );
  return {
    stages,
    seconds: (q, from, to, gets, gives) => {
      const work = workOf(space, from, to);
      const messages = isPriced ? price(q, gets, gives) : 0;
      const own = overlaps ? Math.max(work, messages) : work + 2 * messages;
      return Math.max(secondsOf(space, from, microBatches, own), chainOf(space, from, to, microBatches));
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
 * The least that `pipelineBound` is of any cut of the shape into so many stages, messages and memory left out of
 * account.
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
    if (found === undefined || new Set(found.cut.stages).size < question.stages) return undefined;
    const weighed = weigh(found.cut);
    const over = Math.max(...weighed.bytes) - question.memory;
    if (over <= 0) return weighed;
    memory -= over;
  }
  return undefined;
}

/**
 * The best fold, in which each stage has a part. Where the path of one micro-batch takes longest, stages may be left
 * without any: then one whose stages are alike.
 */
function fullFold(space: Space, costs: FoldCosts, within: readonly [number, number]): Priced | undefined {
  const found = bestFold(space, costs, tolerance, within);
  if (found === undefined || new Set(found.cut.stages).size === costs.stages) return found;
  const { part } = costs;
  const alike = { ...costs, seconds: partsOf(part) };
  return bestFold(space, alike, tolerance, [part(0, space.ops) / costs.stages, Number.POSITIVE_INFINITY]);
}

const tolerance = 1e-3;

const partsOf =
  (part: FoldCosts['part']): FoldCosts['seconds'] =>
  (_, e, e2, d2, d) =>
    part(e, e2) + part(d2, d);

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
