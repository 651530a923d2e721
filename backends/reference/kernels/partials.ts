/**
 * Statistics of a part of a map, and of all parts together. A partial is, for each sample, the numbers of cells of all
 * groups, then their means, then their sums of squares around the mean.
 */
import { element, type KernelCall, type Kernels, operand, planesOf, zeros } from './kernel.ts';

/** One sample and group: its cells in the map, and its three places in a partial of that sample. */
type Plane = {
  readonly from: number;
  readonly to: number;
  readonly n: number;
  readonly mean: number;
  readonly squares: number;
};

function planes(
  { types, samples }: Pick<KernelCall<'partial_moments'>, 'types' | 'samples'>,
  groups: number,
): Plane[] {
  const { channels, cells } = planesOf(types[0]);
  const size = (channels / groups) * cells;
  return Array.from({ length: samples * groups }, (_, plane) => {
    const [sample, group] = [Math.floor(plane / groups), plane % groups];
    const n = 3 * sample * groups + group;
    return { from: plane * size, to: (plane + 1) * size, n, mean: n + groups, squares: n + 2 * groups };
  });
}

const sumOf = (values: Float64Array): number => values.reduce((sum, value) => sum + value, 0);

type Place = Omit<Plane, 'from' | 'to'>;

/** For one group of the samples that share their moments, where these are and where the parts have theirs. */
type Merging = {
  readonly moments: readonly { readonly mean: number; readonly variance: number }[];
  readonly parts: readonly Place[];
};

type MergeAttributes = { readonly groups: number; readonly parts: number; readonly over: number };

const mergings = ({ groups, parts, over }: MergeAttributes, samples: number): Merging[] =>
  Array.from({ length: (samples / over) * groups }, (_, index) => {
    const [first, group] = [Math.floor(index / groups) * over, index % groups];
    const together = Array.from({ length: over }, (_sample, i) => first + i);
    return {
      moments: together.map((sample) => {
        const mean = 2 * sample * groups + group;
        return { mean, variance: mean + groups };
      }),
      parts: together.flatMap((sample) =>
        Array.from({ length: parts }, (_part, part): Place => {
          const n = 3 * groups * (sample * parts + part) + group;
          return { n, mean: n + groups, squares: n + 2 * groups };
        }),
      ),
    };
  });

export const partialKernels: Kernels<
  | 'partial_moments'
  | 'merge_moments'
  | 'merge_sums'
  | 'blank'
  | 'partial_moments_grad'
  | 'merge_moments_grad'
  | 'merge_sums_grad'
> = {
  blank: (call) => zeros(call),
  merge_sums: (call) => {
    const sums = zeros(call);
    const { channels } = planesOf(call.type);
    operand(call.inputs, 0).forEach((value, i) => {
      const place = Math.floor(i / (channels * call.attrs.parts)) * channels + (i % channels);
      sums[place] = element(sums, place) + value;
    });
    return sums;
  },
  merge_sums_grad: (call) => {
    const { channels } = planesOf(call.types[0]);
    const dy = operand(call.inputs, 0);
    return zeros(call).map((_, i) =>
      element(dy, Math.floor(i / (channels * call.attrs.parts)) * channels + (i % channels)),
    );
  },
  partial_moments: (call) => {
    const result = zeros(call);
    for (const { from, to, n, mean, squares } of planes(call, call.attrs.groups)) {
      const cells = operand(call.inputs, 0).subarray(from, to);
      result[n] = to - from;
      result[mean] = sumOf(cells) / (to - from);
      result[squares] = sumOf(cells.map((x) => (x - element(result, mean)) ** 2));
    }
    return result;
  },
  merge_moments: (call) => {
    const result = zeros(call);
    const all = operand(call.inputs, 0);
    for (const { moments, parts } of mergings(call.attrs, call.samples)) {
      const total = parts.reduce((sum, { n }) => sum + element(all, n), 0);
      const middle =
        parts.reduce((sum, part) => sum + element(all, part.n) * element(all, part.mean), 0) / total;
      const squares = parts.reduce(
        (sum, part) =>
          sum + element(all, part.squares) + element(all, part.n) * (element(all, part.mean) - middle) ** 2,
        0,
      );
      for (const { mean, variance } of moments) {
        result[mean] = middle;
        result[variance] = squares / total;
      }
    }
    return result;
  },
  partial_moments_grad: (call) => {
    const dx = zeros(call);
    const [x, partial, d] = [operand(call.inputs, 0), operand(call.inputs, 1), operand(call.inputs, 2)];
    for (const { from, to, mean, squares } of planes(call, call.attrs.groups))
      for (let i = from; i < to; i++)
        dx[i] =
          element(d, mean) / (to - from) + element(d, squares) * 2 * (element(x, i) - element(partial, mean));
    return dx;
  },
  merge_moments_grad: (call) => {
    const result = zeros(call);
    const [all, merged, d] = [operand(call.inputs, 0), operand(call.inputs, 1), operand(call.inputs, 2)];
    for (const { moments, parts } of mergings(call.attrs, call.samples)) {
      const total = parts.reduce((sum, { n }) => sum + element(all, n), 0);
      const dMean = moments.reduce((sum, { mean }) => sum + element(d, mean), 0);
      const dVariance = moments.reduce((sum, { variance }) => sum + element(d, variance), 0);
      const middle = element(merged, moments[0]?.mean ?? 0);
      for (const part of parts) {
        const away = element(all, part.mean) - middle;
        result[part.mean] = (element(all, part.n) / total) * (dMean + dVariance * 2 * away);
        result[part.squares] = dVariance / total;
      }
    }
    return result;
  },
};
