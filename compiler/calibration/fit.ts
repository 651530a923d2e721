/**
 * From times of kernels to attainable shares of a peak: those curves with which the cost model (`ir/kernels.ts`) comes
 * closest to what was measured, as a sum of squared logarithms of the ratio, in which a kernel weighs as much as
 * the square root of its time in a step. Found by going up and down each point of the curves in turn.
 */
import type { Curve, KernelClass, KernelName } from '../../ir/machine.ts';
import { shareAt } from '../../ir/machine.ts';

export type Timed = {
  readonly kernel: KernelClass;
  readonly kind: KernelName;
  readonly flops: number;
  readonly bytes: number;
  /** FLOPs for each byte of its maps. */
  readonly intensity: number;
  /** Of one kernel, its launch not counted. */
  readonly seconds: number;
  /** How often a step has it. */
  readonly times: number;
};

export type Peaks = { readonly flops: number; readonly bytes: number };

export type Shares = { readonly arithmetic?: Curve; readonly intensity?: Curve; readonly traffic: Curve };

/** Which curves are looked for: `traffic` always. */
export type Wanted = { readonly arithmetic: boolean; readonly intensity: boolean };

/** Factors between the sizes of neighbouring points. */
const pointsApart = { flops: 10, intensity: 3, bytes: 4 };

/** How far two neighbouring points may differ before it counts as much as an error of a kernel. */
const stiffness = 0.002;

const steps = [2, 1.4, 1.15, 1.05, 1.02, 1.01];

/** Shorter kernels, their launch taken off, are no measure of what can be had at best. */
const longEnough = 1e-4;

export function peaksOf(timed: readonly Timed[], copyRate: number): Peaks {
  const long = timed.filter(({ seconds }) => seconds >= longEnough);
  const seen = long.length > 0 ? long : timed;
  return {
    flops: Math.max(...seen.map(({ flops, seconds }) => flops / seconds)),
    bytes: Math.max(copyRate, ...seen.map(({ bytes, seconds }) => bytes / seconds)),
  };
}

type Point = { size: number; share: number };
type Draft = { readonly arithmetic: Point[]; readonly intensity: Point[]; readonly traffic: Point[] };

/** The shares of kernels that are alike. */
export function fitShares(timed: readonly Timed[], peaks: Peaks, wanted: Wanted): Shares {
  if (timed.length === 0) throw new RangeError('there is no kernel to fit shares to');
  const worked = timed.filter(({ flops }) => flops > 0);
  const draft: Draft = {
    arithmetic: pointsFor(
      wanted.arithmetic
        ? worked.map(({ flops, seconds }) => ({ size: flops, share: flops / seconds / peaks.flops }))
        : [],
      pointsApart.flops,
    ),
    intensity: pointsFor(
      wanted.intensity ? worked.map((one) => ({ size: one.intensity, share: 1 })) : [],
      pointsApart.intensity,
    ),
    traffic: pointsFor(
      timed.map(({ bytes, seconds }) => ({ size: bytes, share: bytes / seconds / peaks.bytes })),
      pointsApart.bytes,
    ),
  };
  const points = [...draft.arithmetic, ...draft.intensity, ...draft.traffic];
  let error = errorOf(draft, timed, peaks);
  for (const step of steps)
    for (let moved = true; moved; ) {
      moved = false;
      for (const point of points)
        for (const factor of [step, 1 / step]) {
          const before = point.share;
          point.share = Math.min(1, before * factor);
          const now = errorOf(draft, timed, peaks);
          if (now < error - 1e-9) {
            error = now;
            moved = true;
          } else point.share = before;
        }
    }
  const { arithmetic, intensity, traffic } = draft;
  return {
    ...(arithmetic.length > 0 ? { arithmetic: rounded(arithmetic) } : {}),
    ...(intensity.length > 0 ? { intensity: rounded(intensity) } : {}),
    traffic: rounded(traffic),
  };
}

/** Points over the range of the sizes, each with the best share of those around it. */
function pointsFor(seen: readonly Point[], apart: number): Point[] {
  if (seen.length === 0) return [];
  const exponents = seen.map(({ size }) => Math.log(size) / Math.log(apart));
  const [low, high] = [Math.floor(Math.min(...exponents)), Math.ceil(Math.max(...exponents))];
  return Array.from({ length: high - low + 1 }, (_, i) => {
    const near = seen.filter((_, j) => Math.abs((exponents[j] ?? 0) - low - i) <= 1);
    const shares = near.map(({ share }) => share);
    return {
      size: Number((apart ** (low + i)).toPrecision(3)),
      share: Math.min(1, Math.max(1e-4, ...shares)),
    };
  });
}

/** Seconds that the cost model gives a kernel, without its launch. */
export const secondsWith = (
  { arithmetic, intensity, traffic }: Shares,
  { flops, bytes, intensity: own }: Timed,
  peaks: Peaks,
): number =>
  Math.max(
    flops === 0 ? 0 : flops / (peaks.flops * shareAt(arithmetic, flops) * shareAt(intensity, own)),
    bytes / (peaks.bytes * shareAt(traffic, bytes)),
  );

/** A draft without points has no such curve. */
const drawn = (points: readonly Point[]): Curve | undefined => (points.length > 0 ? points : undefined);

function errorOf(draft: Draft, timed: readonly Timed[], peaks: Peaks): number {
  const [arithmetic, intensity] = [drawn(draft.arithmetic), drawn(draft.intensity)];
  const shares: Shares = {
    ...(arithmetic === undefined ? {} : { arithmetic }),
    ...(intensity === undefined ? {} : { intensity }),
    traffic: draft.traffic,
  };
  const misses = timed.reduce((sum, one) => {
    const miss = Math.log(secondsWith(shares, one, peaks) / one.seconds);
    return sum + Math.sqrt(one.seconds * one.times) * miss * miss;
  }, 0);
  const weight = timed.reduce((sum, { seconds, times }) => sum + Math.sqrt(seconds * times), 0);
  return (
    misses / weight +
    stiffness * (roughness(draft.arithmetic) + roughness(draft.intensity) + roughness(draft.traffic))
  );
}

const roughness = (points: readonly Point[]): number =>
  points.reduce((sum, { share }, i) => {
    const before = points[i - 1]?.share ?? share;
    return sum + Math.log(share / before) ** 2;
  }, 0);

const rounded = (points: readonly Point[]): Curve =>
  points.map(({ size, share }) => ({ size, share: Number(share.toPrecision(3)) }));
