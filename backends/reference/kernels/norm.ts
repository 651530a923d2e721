/**
 * Statistics over the cells of samples and groups of channels, and normalizing by them. Moments are a map
 * without spatial axes: for each sample the means of all groups, then their variances.
 */
import type { ValueType } from '../../../ir/type.ts';
import { element, type KernelCall, type Kernels, operand, planesOf, zeros } from './kernel.ts';

/** One sample and group of channels: its cells, and where its mean and variance are among the moments. */
type Plane = {
  readonly group: number;
  readonly from: number;
  readonly to: number;
  readonly mean: number;
  readonly variance: number;
};

function planes(x: ValueType | undefined, groups: number, samples: number): Plane[] {
  const { channels, cells } = planesOf(x);
  const size = (channels / groups) * cells;
  return Array.from({ length: samples * groups }, (_, plane) => {
    const [sample, group] = [Math.floor(plane / groups), plane % groups];
    const mean = 2 * sample * groups + group;
    return { group, from: plane * size, to: (plane + 1) * size, mean, variance: mean + groups };
  });
}

/** The planes that share a mean and a variance: those of a group in `over` consecutive samples. */
function sharing(all: readonly Plane[], groups: number, over: number): Plane[][] {
  const sets = new Map<number, Plane[]>();
  all.forEach((plane, i) => {
    const key = Math.floor(i / (groups * over)) * groups + plane.group;
    sets.set(key, [...(sets.get(key) ?? []), plane]);
  });
  return [...sets.values()];
}

/** The planes of the first operand, by the moments that are the second. */
const planesWithMoments = ({ types, samples }: Pick<KernelCall<'normalize'>, 'types' | 'samples'>): Plane[] =>
  planes(types[0], planesOf(types[1]).channels / 2, samples);

const meanOf = (values: Float64Array | readonly number[]): number =>
  Array.from(values).reduce((sum, value) => sum + value, 0) / values.length;

const inverseDeviation = (moments: Float64Array, plane: Plane, epsilon: number): number =>
  1 / Math.sqrt(element(moments, plane.variance) + epsilon);

export const normKernels: Kernels<
  | 'moments'
  | 'running_share'
  | 'normalize'
  | 'normalize_by'
  | 'moments_grad'
  | 'normalize_grad'
  | 'normalize_moments_grad'
> = {
  moments: (call) => {
    const moments = zeros(call);
    const { groups, over } = call.attrs;
    const all = planes(call.types[0], groups, call.samples);
    for (const together of sharing(all, groups, over)) {
      const cells = together.map(({ from, to }) => operand(call.inputs, 0).subarray(from, to));
      const mean = meanOf(cells.map(meanOf));
      const variance = meanOf(cells.map((values) => meanOf(values.map((x) => (x - mean) ** 2))));
      for (const plane of together) {
        moments[plane.mean] = mean;
        moments[plane.variance] = variance;
      }
    }
    return moments;
  },
  running_share: (call) => {
    const share = zeros(call);
    const { of, samples, cells, over } = call.attrs;
    const count = cells * over;
    const moments = operand(call.inputs, 0);
    const factor = (of === 'mean' ? 1 : count / (count - 1)) / samples;
    for (const plane of planes(call.types[0], share.length, call.samples))
      share[plane.group] = element(share, plane.group) + factor * element(moments, plane[of]);
    return share;
  },
  normalize_by: ({ attrs: { epsilon }, inputs, types }) => {
    const [x, mean, variance] = [operand(inputs, 0), operand(inputs, 1), operand(inputs, 2)];
    const { channels, cells } = planesOf(types[0]);
    return x.map((value, i) => {
      const channel = Math.floor(i / cells) % channels;
      return (value - element(mean, channel)) / Math.sqrt(element(variance, channel) + epsilon);
    });
  },
  normalize: (call) => {
    const y = zeros(call);
    const [x, moments] = [operand(call.inputs, 0), operand(call.inputs, 1)];
    for (const plane of planesWithMoments(call)) {
      const [mean, rate] = [
        element(moments, plane.mean),
        inverseDeviation(moments, plane, call.attrs.epsilon),
      ];
      for (let i = plane.from; i < plane.to; i++) y[i] = (element(x, i) - mean) * rate;
    }
    return y;
  },
  moments_grad: (call) => {
    const dx = zeros(call);
    const [x, moments, d] = [operand(call.inputs, 0), operand(call.inputs, 1), operand(call.inputs, 2)];
    const groups = planesOf(call.types[1]).channels / 2;
    for (const together of sharing(planesWithMoments(call), groups, call.attrs.over)) {
      const count = together.reduce((cells, { from, to }) => cells + to - from, 0);
      const sumOf = (of: 'mean' | 'variance') =>
        together.reduce((sum, plane) => sum + element(d, plane[of]), 0);
      const [dMean, dVariance] = [sumOf('mean'), sumOf('variance')];
      for (const { from, to, mean } of together)
        for (let i = from; i < to; i++)
          dx[i] = (dMean + dVariance * 2 * (element(x, i) - element(moments, mean))) / count;
    }
    return dx;
  },
  normalize_grad: (call) => {
    const dx = zeros(call);
    const [moments, dy] = [operand(call.inputs, 1), operand(call.inputs, 2)];
    for (const plane of planesWithMoments(call)) {
      const rate = inverseDeviation(moments, plane, call.attrs.epsilon);
      for (let i = plane.from; i < plane.to; i++) dx[i] = element(dy, i) * rate;
    }
    return dx;
  },
  normalize_moments_grad: (call) => {
    const d = zeros(call);
    const [x, moments, dy] = [operand(call.inputs, 0), operand(call.inputs, 1), operand(call.inputs, 2)];
    for (const plane of planesWithMoments(call)) {
      const rate = inverseDeviation(moments, plane, call.attrs.epsilon);
      const mean = element(moments, plane.mean);
      let [sum, weighted] = [0, 0];
      for (let i = plane.from; i < plane.to; i++) {
        sum += element(dy, i);
        weighted += element(dy, i) * (element(x, i) - mean);
      }
      d[plane.mean] = -sum * rate;
      d[plane.variance] = (-weighted * rate ** 3) / 2;
    }
    return d;
  },
};
