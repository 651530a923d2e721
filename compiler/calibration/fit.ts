/**
 * From times of kernels to attainable shares of a peak: those curves with which the cost model (`ir/kernels.ts`) comes
 * closest to what was measured, as a sum of squared logarithms of the ratio, in which a kernel weighs as much as
 * the square root of its time in a step. Found by going up and down each point of the curves in turn.
 */
import type { Curve, KernelClass } from '../../ir/machine.ts';
import { shareAt } from '../../ir/machine.ts';

export type Timed = {
  readonly kernel: KernelClass;
  readonly flops: number;
  readonly bytes: number;
  /** Of one kernel, its launch not counted. */
  readonly seconds: number;
  /** How often a step has it. */
  readonly times: number;
};

export type Peaks = { readonly flops: number; readonly bytes: number };

export type Shares = { readonly arithmetic?: Curve; readonly traffic: Curve };

/** Factors between the sizes of neighbouring points. */
const pointsApart = { flops: 10, bytes: 8 };

/** How far two neighbouring points may differ before it counts as much as an error of a kernel. */
const stiffness = 0.004;

const steps = [2, 1.4, 1.15, 1.05, 1.02, 1.01];

/**
 * Classes of kernels that only move bytes. In the others FLOPs tell those apart that do more with a byte, such as the
 * gradient of a max pooling from that of a ReLU.
 */
const movingClasses: ReadonlySet<KernelClass> = new Set(['move', 'update']);

export const peaksOf = (timed: readonly Timed[], copyRate: number): Peaks => ({
  flops: Math.max(...timed.map(({ flops, seconds }) => flops / seconds)),
  bytes: Math.max(copyRate, ...timed.map(({ bytes, seconds }) => bytes / seconds)),
});

type Point = { size: number; share: number };
type Draft = { readonly arithmetic: Point[]; readonly traffic: Point[] };

/** The shares of one class. */
export function fitShares(timed: readonly Timed[], peaks: Peaks): Shares {
  const [first] = timed;
  if (first === undefined) throw new RangeError('there is no kernel to fit shares to');
  const draft: Draft = {
    arithmetic: movingClasses.has(first.kernel)
      ? []
      : pointsFor(
          timed.map(({ flops, seconds }) => ({ size: flops, share: flops / seconds / peaks.flops })),
          pointsApart.flops,
        ),
    traffic: pointsFor(
      timed.map(({ bytes, seconds }) => ({ size: bytes, share: bytes / seconds / peaks.bytes })),
      pointsApart.bytes,
    ),
  };
  const points = [...draft.arithmetic, ...draft.traffic];
  let error = errorOf(draft, timed, peaks);
  for (const step of steps)
    for (let moved = true; moved; ) {
      moved = false;
      for (const point of points)
        for (const factor of [step, 1 / step]) {
          const before = point.share;
          point.share = Math.min(1, before * factor);
          const now = errorOf(draft, timed, peaks);
          if (now < error - 1e-12) {
            error = now;
            moved = true;
          } else point.share = before;
        }
    }
  const { arithmetic, traffic } = draft;
  return arithmetic.length > 0
    ? { arithmetic: rounded(arithmetic), traffic: rounded(traffic) }
    : { traffic: rounded(traffic) };
}

/** Points over the range of the sizes, each with the best share of those around it. */
function pointsFor(seen: readonly Point[], apart: number): Point[] {
  const exponents = seen.map(({ size }) => Math.log(Math.max(1, size)) / Math.log(apart));
  const [low, high] = [Math.floor(Math.min(...exponents)), Math.ceil(Math.max(...exponents))];
  return Array.from({ length: high - low + 1 }, (_, i) => {
    const near = seen.filter((_, j) => Math.abs((exponents[j] ?? 0) - low - i) <= 1);
    const shares = near.map(({ share }) => share);
    return { size: apart ** (low + i), share: Math.min(1, Math.max(1e-4, ...shares)) };
  });
}

/** Seconds that the cost model gives a kernel, without its launch. */
export const secondsWith = ({ arithmetic, traffic }: Shares, { flops, bytes }: Timed, peaks: Peaks): number =>
  Math.max(
    flops / (peaks.flops * shareAt(arithmetic, flops)),
    bytes / (peaks.bytes * shareAt(traffic, bytes)),
  );

function errorOf({ arithmetic, traffic }: Draft, timed: readonly Timed[], peaks: Peaks): number {
  const shares: Shares = arithmetic.length > 0 ? { arithmetic, traffic } : { traffic };
  const misses = timed.reduce((sum, one) => {
    const miss = Math.log(secondsWith(shares, one, peaks) / one.seconds);
    return sum + Math.sqrt(one.seconds * one.times) * miss * miss;
  }, 0);
  const weight = timed.reduce((sum, { seconds, times }) => sum + Math.sqrt(seconds * times), 0);
  return misses / weight + stiffness * (roughness(arithmetic) + roughness(traffic));
}

const roughness = (points: readonly Point[]): number =>
  points.reduce((sum, { share }, i) => {
    const before = points[i - 1]?.share ?? share;
    return sum + Math.log(share / before) ** 2;
  }, 0);

const rounded = (points: readonly Point[]): Curve =>
  points.map(({ size, share }) => ({ size, share: Number(share.toPrecision(3)) }));
