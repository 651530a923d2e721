/**
 * Statistics over the cells of each sample and group of channels, and normalizing by them. Moments are a map
 * without spatial axes: for each sample the means of all groups, then their variances.
 */
import type { ValueType } from '../../../ir/type.ts';
import { element, type KernelCall, type Kernels, operand, planesOf, zeros } from './kernel.ts';

/** One sample and group of channels: its cells, and where its mean and variance are among the moments. */
type Plane = { readonly from: number; readonly to: number; readonly mean: number; readonly variance: number };

function planes(x: ValueType | undefined, groups: number, samples: number): Plane[] {
  const { channels, cells } = planesOf(x);
  const size = (channels / groups) * cells;
  return Array.from({ length: samples * groups }, (_, plane) => {
    const [sample, group] = [Math.floor(plane / groups), plane % groups];
    const mean = 2 * sample * groups + group;
    return { from: plane * size, to: (plane + 1) * size, mean, variance: mean + groups };
  });
}

/** The planes of the first operand, by the moments that are the second. */
const planesWithMoments = ({ types, samples }: Pick<KernelCall<'normalize'>, 'types' | 'samples'>): Plane[] =>
  planes(types[0], planesOf(types[1]).channels / 2, samples);

const meanOf = (values: Float64Array): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

const inverseDeviation = (moments: Float64Array, plane: Plane, epsilon: number): number =>
  1 / Math.sqrt(element(moments, plane.variance) + epsilon);

export const normKernels: Kernels<
  'moments' | 'normalize' | 'moments_grad' | 'normalize_grad' | 'normalize_moments_grad'
> = {
  moments: (call) => {
    const moments = zeros(call);
    for (const plane of planes(call.types[0], call.attrs.groups, call.samples)) {
      const cells = operand(call.inputs, 0).subarray(plane.from, plane.to);
      const mean = meanOf(cells);
      moments[plane.mean] = mean;
      moments[plane.variance] = meanOf(cells.map((x) => (x - mean) ** 2));
    }
    return moments;
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
    for (const plane of planesWithMoments(call)) {
      const count = plane.to - plane.from;
      const mean = element(moments, plane.mean);
      const [dMean, dVariance] = [element(d, plane.mean), element(d, plane.variance)];
      for (let i = plane.from; i < plane.to; i++)
        dx[i] = (dMean + dVariance * 2 * (element(x, i) - mean)) / count;
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
