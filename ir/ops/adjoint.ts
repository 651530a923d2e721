/** Ops that only gradients are made of. They are local: they never need cells that their operands lack. */
import { at, wholeBox } from '../box.ts';
import { array, elementsOf, map, product, type ValueType } from '../type.ts';
import { arrayAt, fault, mapAt, type OpTable } from './definition.ts';
import { perElement } from './shared.ts';

const like =
  (operand: number) =>
  (_attrs: unknown, inputs: readonly ValueType[]): ValueType =>
    at(inputs, operand);

export const adjointOps = {
  fill: {
    doc: 'an array of one value: the seed of the backward pass',
    kernel: 'move',
    operands: [],
    shape: ({ dims }) => array(dims),
    flops: () => 0,
  },
  paste: {
    doc: 'the share of a strip, where its cells lie among zeros, added to the sum of those before it',
    operands: ['share', 'sum?'],
    meets: true,
    shape({ extent }, inputs) {
      const share = at(inputs, 0);
      return share.kind === 'map' && extent.length > 0
        ? map(share.channels, wholeBox(extent), share.element)
        : share;
    },
    flops: (_attrs, inputs) => elementsOf(at(inputs, 0)),
  },
  conv_data: {
    doc: 'cotangent of the input of `conv`',
    kernel: 'conv_data',
    operands: ['dy', 'weight'],
    shape: ({ extent, groups }, inputs) => map((arrayAt(inputs, 1).dims[1] ?? 0) * groups, wholeBox(extent)),
    flops: (_attrs, inputs) => 2 * product(arrayAt(inputs, 1).dims.slice(1)) * elementsOf(mapAt(inputs, 0)),
  },
  conv_weight: {
    doc: 'cotangent of the weight of `conv`, summed over samples and cells',
    kernel: 'conv_weight',
    operands: ['x', 'dy'],
    shape: ({ kernel, groups }, inputs) =>
      array([mapAt(inputs, 1).channels, mapAt(inputs, 0).channels / groups, ...kernel]),
    flops: ({ kernel, groups }, inputs) =>
      2 * product(kernel) * (mapAt(inputs, 0).channels / groups) * elementsOf(mapAt(inputs, 1)),
  },
  channel_sum: {
    doc: 'sum over samples and cells, for each channel: cotangent of a bias',
    kernel: 'reduction',
    operands: ['dy'],
    shape: (_attrs, inputs) => array([mapAt(inputs, 0).channels]),
    flops: (_attrs, inputs) => elementsOf(mapAt(inputs, 0)),
  },
  relu_grad: {
    doc: 'dy where the output of `relu` is positive, else 0',
    operands: ['y', 'dy'],
    shape: like(1),
    flops: perElement(1),
  },
  leaky_relu_grad: {
    doc: 'dy where the output of `leaky_relu` is positive, else slope * dy',
    operands: ['y', 'dy'],
    shape: like(1),
    flops: perElement(2),
  },
  relu_mask_grad: {
    doc: 'dy where the mask of `relu_mask` is 1, else slope * dy',
    operands: ['mask', 'dy'],
    shape: like(1),
    flops: perElement(1),
  },
  silu_grad: {
    doc: 'dy * s * (1 + x * (1 - s)), s = sigmoid(x)',
    operands: ['x', 'dy'],
    shape: like(0),
    flops: perElement(7),
  },
  sigmoid_grad: {
    doc: 'dy * y * (1 - y), y the output of `sigmoid`',
    operands: ['y', 'dy'],
    shape: like(0),
    flops: perElement(3),
  },
  gelu_grad: {
    doc: 'dy * (Φ(x) + x φ(x)), Φ and φ the normal distribution and its density',
    operands: ['x', 'dy'],
    shape: like(0),
    flops: perElement(12),
  },
  softmax_grad: {
    doc: 'y * (dy - Σ dy y), the sum over the channels of each cell, y the output of `softmax`',
    operands: ['y', 'dy'],
    shape: like(0),
    flops: perElement(4),
  },
  gate_grad: {
    doc: 'sum over the channels of each cell of dy * x: cotangent of a gate of one channel in `mul`',
    operands: ['dy', 'x'],
    shape: (_attrs, inputs) => ({ ...mapAt(inputs, 0), channels: 1 }),
    flops: (_attrs, inputs) => 2 * elementsOf(mapAt(inputs, 0)),
  },
  max_pool_grad: {
    doc: 'dy to the first maximum, in row-major order, of each window of `max_pool`',
    operands: ['x', 'y', 'dy'],
    shape: like(0),
    flops: ({ kernel }, inputs) => product(kernel) * elementsOf(mapAt(inputs, 2)),
  },
  max_pool_index_grad: {
    doc: 'dy to the place of each window of `max_pool` that `max_pool_index` tells',
    operands: ['index', 'dy'],
    shape: ({ extent }, inputs) => map(mapAt(inputs, 1).channels, wholeBox(extent)),
    flops: (_attrs, inputs) => elementsOf(mapAt(inputs, 1)),
  },
  avg_pool_grad: {
    doc: 'dy spread evenly over each window of `avg_pool`',
    operands: ['dy'],
    shape: ({ extent }, inputs) => map(mapAt(inputs, 0).channels, wholeBox(extent)),
    flops: ({ kernel }, inputs) => product(kernel) * elementsOf(mapAt(inputs, 0)),
  },
  channels: {
    doc: 'some of the channels of a map: cotangent of one operand of `concat`',
    kernel: 'move',
    operands: ['x'],
    shape({ from, to }, inputs) {
      const x = mapAt(inputs, 0);
      return to <= x.channels
        ? { ...x, channels: to - from }
        : fault('channels-differ', { op: 'channels', expected: to, channels: x.channels });
    },
    flops: () => 0,
  },
  resize_grad: {
    doc: 'sum of dy over the cells that each cell of the input of `resize` has a share in, each times the share',
    kernel: 'move',
    operands: ['dy'],
    shape: ({ extent }, inputs) => map(mapAt(inputs, 0).channels, wholeBox(extent)),
    flops: (_attrs, inputs) => elementsOf(mapAt(inputs, 0)),
  },
  stretch_grad: {
    doc: 'sum of dy over the cells that each cell of the input of `stretch` has a share in, each times the share',
    kernel: 'move',
    operands: ['dy', 'shares'],
    shape: ({ extent }, inputs) => map(mapAt(inputs, 0).channels, wholeBox(extent)),
    flops: (_attrs, inputs) => 6 * elementsOf(mapAt(inputs, 0)),
  },
  moments_grad: {
    doc: 'dmean / N + dvariance * 2 (x - mean) / N; both cotangents summed over the `over` samples that share them, N their cells',
    operands: ['x', 'moments', 'dmoments'],
    wholeExtent: true,
    shape: like(0),
    flops: perElement(3),
  },
  channel_dot: {
    doc: 'sum over samples and cells of dy * x, for each channel: cotangent of a scale',
    kernel: 'reduction',
    operands: ['dy', 'x'],
    shape: (_attrs, inputs) => array([mapAt(inputs, 0).channels]),
    flops: (_attrs, inputs) => 2 * elementsOf(mapAt(inputs, 0)),
  },
  space_sum: {
    doc: 'sum over the cells, for each sample and channel: cotangent of a vector that was added to a map',
    kernel: 'reduction',
    operands: ['dy'],
    shape: (_attrs, inputs) => map(mapAt(inputs, 0).channels, []),
    flops: (_attrs, inputs) => elementsOf(mapAt(inputs, 0)),
  },
  linear_data: {
    doc: 'cotangent of the input of `linear`',
    kernel: 'matmul',
    operands: ['dy', 'weight'],
    shape: (_attrs, inputs) => map(arrayAt(inputs, 1).dims[1] ?? 0, []),
    flops: (_attrs, inputs) => 2 * product(arrayAt(inputs, 1).dims),
  },
  linear_weight: {
    doc: 'cotangent of the weight of `linear`, summed over samples',
    kernel: 'matmul',
    operands: ['x', 'dy'],
    shape: (_attrs, inputs) => array([mapAt(inputs, 1).channels, mapAt(inputs, 0).channels]),
    flops: (_attrs, inputs) => 2 * mapAt(inputs, 1).channels * mapAt(inputs, 0).channels,
  },
  sine_grad: {
    doc: 'Σ f (cos(x f) dsin - sin(x f) dcos) over the frequencies f of `sine`',
    operands: ['x', 'dy'],
    shape: like(0),
    flops: ({ frequencies }) => 40 * frequencies.length,
  },
  normalize_grad: {
    doc: 'dy / sqrt(variance + epsilon)',
    operands: ['x', 'moments', 'dy'],
    shape: like(0),
    flops: perElement(1),
  },
  normalize_moments_grad: {
    doc: 'cotangents of mean, Σ -dy * r, and of variance, Σ -dy (x - mean) r³ / 2, with r = 1 / sqrt(variance + epsilon)',
    kernel: 'reduction',
    operands: ['x', 'moments', 'dy'],
    shape: like(1),
    flops: (_attrs, inputs) => 5 * elementsOf(mapAt(inputs, 0)),
  },
  cross_entropy_grad: {
    doc: 'dloss * w * (softmax(logits) - one hot label) / count; 0 where not labelled',
    operands: ['logits', 'target', 'count', 'dloss'],
    shape: like(0),
    flops: perElement(6),
  },
  binary_cross_entropy_grad: {
    doc: 'dloss * w * (sigmoid(x) - label) / count; 0 where not labelled',
    operands: ['logits', 'target', 'count', 'dloss'],
    shape: like(0),
    flops: perElement(7),
  },
  focal_grad: {
    doc: 'dloss * w * ((1 - p)^gamma - gamma p (1 - p)^(gamma - 1) log p) * (softmax(logits) - one hot label) / count, p = softmax(logits)[label]; 0 where not labelled',
    operands: ['logits', 'target', 'count', 'dloss'],
    shape: like(0),
    flops: perElement(12),
  },
  l1_grad: {
    doc: 'dloss * sign(x - target) / count',
    operands: ['x', 'target', 'count', 'dloss'],
    shape: like(0),
    flops: perElement(3),
  },
  dice_sums_grad: {
    doc: 'cotangent of the logits of `dice_sums`: dp = t dΣpt + dΣp through softmax or sigmoid; 0 where not labelled',
    operands: ['logits', 'target', 'dsums'],
    shape: like(0),
    flops: perElement(8),
  },
  dice_grad: {
    doc: 'dloss / (classes * samples / over) times -2 / d for Σpt and (2 Σpt + smooth) / d² for Σp and Σt, d = Σp + Σt + smooth, for each sample',
    operands: ['sums', 'dloss'],
    shape: like(0),
    flops: perElement(4),
  },
  mse_grad: {
    doc: 'dloss * 2 (x - target) / count',
    operands: ['x', 'target', 'count', 'dloss'],
    shape: like(0),
    flops: perElement(3),
  },
  scale: {
    doc: 'x times a constant',
    operands: ['x'],
    shape: like(0),
    flops: perElement(1),
  },
} satisfies Partial<OpTable>;
