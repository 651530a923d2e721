/** Ops that work on each element alone, or on each channel with one number. */
import { erf } from './erf.ts';
import { element, type Kernels, operand, planesOf } from './kernel.ts';

/** Standard normal distribution, and its density. */
const normal = (x: number): number => (1 + erf(x / Math.SQRT2)) / 2;
const density = (x: number): number => Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI);

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

/** y[i] = f(a[i]) */
const each = (a: Float64Array, f: (a: number) => number): Float64Array => a.map(f);

/** y[i] = f(a[i], b[i]); both are of the same size. */
export function pairwise(
  a: Float64Array,
  b: Float64Array,
  f: (a: number, b: number, index: number) => number,
): Float64Array {
  if (a.length !== b.length) throw new RangeError(`${a.length} and ${b.length} elements`);
  return a.map((value, i) => f(value, element(b, i), i));
}

type ElementwiseKind =
  | 'affine'
  | 'relu'
  | 'leaky_relu'
  | 'silu'
  | 'sigmoid'
  | 'gelu'
  | 'add'
  | 'mask'
  | 'scale'
  | 'relu_mask'
  | 'relu_grad'
  | 'relu_mask_grad'
  | 'leaky_relu_grad'
  | 'silu_grad'
  | 'sigmoid_grad'
  | 'gelu_grad';

export const elementwiseKernels: Kernels<ElementwiseKind> = {
  affine: ({ attrs: { scale, shift }, inputs, types }) => {
    const { channels, cells } = planesOf(types[0]);
    return operand(inputs, 0).map((x, i) => {
      const channel = Math.floor(i / cells) % channels;
      return x * element(scale, channel) + element(shift, channel);
    });
  },
  relu: ({ inputs }) => each(operand(inputs, 0), (x) => Math.max(x, 0)),
  leaky_relu: ({ attrs, inputs }) => each(operand(inputs, 0), (x) => (x > 0 ? x : attrs.slope * x)),
  silu: ({ inputs }) => each(operand(inputs, 0), (x) => x * sigmoid(x)),
  sigmoid: ({ inputs }) => each(operand(inputs, 0), sigmoid),
  gelu: ({ inputs }) => each(operand(inputs, 0), (x) => x * normal(x)),
  add: ({ inputs }) => {
    const [a, b] = [operand(inputs, 0), operand(inputs, 1)];
    // Cells of a for each number of b: 1, or a whole plane where b is a vector.
    const share = a.length / b.length;
    return a.map((value, i) => value + element(b, Math.floor(i / share)));
  },
  mask: ({ inputs, types }) => {
    const [x, mask] = [operand(inputs, 0), operand(inputs, 1)];
    // Cells of x for each number of the mask: 1, or a whole plane where whole channels are masked.
    const share = planesOf(types[0]).cells / planesOf(types[1]).cells;
    return x.map((value, i) => value * element(mask, Math.floor(i / share)));
  },
  scale: ({ attrs, inputs }) => each(operand(inputs, 0), (x) => attrs.factor * x),
  relu_grad: ({ inputs }) => pairwise(operand(inputs, 0), operand(inputs, 1), (y, dy) => (y > 0 ? dy : 0)),
  leaky_relu_grad: ({ attrs, inputs }) =>
    pairwise(operand(inputs, 0), operand(inputs, 1), (y, dy) => (y > 0 ? dy : attrs.slope * dy)),
  relu_mask: ({ inputs }) => each(operand(inputs, 0), (y) => (y > 0 ? 1 : 0)),
  relu_mask_grad: ({ attrs, inputs }) =>
    pairwise(operand(inputs, 0), operand(inputs, 1), (mask, dy) => (mask === 1 ? dy : attrs.slope * dy)),
  silu_grad: ({ inputs }) =>
    pairwise(operand(inputs, 0), operand(inputs, 1), (x, dy) => {
      const s = sigmoid(x);
      return dy * (s + x * s * (1 - s));
    }),
  sigmoid_grad: ({ inputs }) => pairwise(operand(inputs, 0), operand(inputs, 1), (y, dy) => dy * y * (1 - y)),
  gelu_grad: ({ inputs }) =>
    pairwise(operand(inputs, 0), operand(inputs, 1), (x, dy) => dy * (normal(x) + x * density(x))),
};
