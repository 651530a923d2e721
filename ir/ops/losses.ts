/** Ends of a network: classes and losses. */
import { array, elementsOf, map } from '../type.ts';
import { mapAt, type OpTable } from './definition.ts';
import { sameCells, unequal, weightFault } from './shared.ts';

export const losses = {
  classify: {
    doc: 'index of the largest channel of each cell; the lowest wins a tie. Of one channel 1 where it is above 0, else 0',
    operands: ['logits'],
    shape: (_attrs, inputs) => map(1, mapAt(inputs, 0).box, 'u8'),
    flops: (_attrs, inputs) => elementsOf(mapAt(inputs, 0)),
    region: sameCells,
    gradient: () => [undefined],
  },
  cross_entropy: {
    doc: 'sum of w * -log softmax(logits)[label] over the labelled cells, divided by the count; 0 if that is 0',
    kernel: 'reduction',
    operands: ['logits', 'target', 'count'],
    sumsOwnedCells: true,
    shape: (_attrs, inputs) => unequal('cross_entropy', inputs.slice(0, 2)) ?? array([]),
    flops: (_attrs, inputs) => 6 * elementsOf(mapAt(inputs, 0)),
    region: sameCells,
    gradient: (b, { inputs, attrs }, dy) => [
      b.emit('cross_entropy_grad', [...inputs, dy], attrs),
      undefined,
      undefined,
    ],
  },
  binary_cross_entropy: {
    doc: 'sum of w * -log sigmoid(±x) over the labelled cells, + for label 1, - for 0, divided by the count; 0 if that is 0',
    kernel: 'reduction',
    operands: ['logits', 'target', 'count'],
    sumsOwnedCells: true,
    shape(_attrs, inputs) {
      const channels = weightFault('binary_cross_entropy', mapAt(inputs, 0), 1);
      return unequal('binary_cross_entropy', inputs.slice(0, 2)) ?? channels ?? array([]);
    },
    flops: (_attrs, inputs) => 8 * elementsOf(mapAt(inputs, 0)),
    region: sameCells,
    gradient: (b, { inputs, attrs }, dy) => [
      b.emit('binary_cross_entropy_grad', [...inputs, dy], attrs),
      undefined,
      undefined,
    ],
  },
  focal: {
    doc: 'sum of w * -(1 - p)^gamma log p over the labelled cells, p = softmax(logits)[label], divided by the count; 0 if that is 0 (Lin et al. 2017)',
    kernel: 'reduction',
    operands: ['logits', 'target', 'count'],
    sumsOwnedCells: true,
    shape: (_attrs, inputs) => unequal('focal', inputs.slice(0, 2)) ?? array([]),
    flops: (_attrs, inputs) => 10 * elementsOf(mapAt(inputs, 0)),
    region: sameCells,
    gradient: (b, { inputs, attrs }, dy) => [
      b.emit('focal_grad', [...inputs, dy], attrs),
      undefined,
      undefined,
    ],
  },
  mse: {
    doc: 'sum of (x - target)² divided by the count; 0 if that is 0',
    kernel: 'reduction',
    operands: ['x', 'target', 'count'],
    sumsOwnedCells: true,
    shape(_attrs, inputs) {
      const channels = weightFault('mse', mapAt(inputs, 1), mapAt(inputs, 0).channels);
      return unequal('mse', inputs.slice(0, 2)) ?? channels ?? array([]);
    },
    flops: (_attrs, inputs) => 3 * elementsOf(mapAt(inputs, 0)),
    region: sameCells,
    gradient: (b, { inputs }, dy) => [b.emit('mse_grad', [...inputs, dy], {}), undefined, undefined],
  },
  l1: {
    doc: 'sum of |x - target| divided by the count; 0 if that is 0',
    kernel: 'reduction',
    operands: ['x', 'target', 'count'],
    sumsOwnedCells: true,
    shape(_attrs, inputs) {
      const channels = weightFault('l1', mapAt(inputs, 1), mapAt(inputs, 0).channels);
      return unequal('l1', inputs.slice(0, 2)) ?? channels ?? array([]);
    },
    flops: (_attrs, inputs) => 3 * elementsOf(mapAt(inputs, 0)),
    region: sameCells,
    gradient: (b, { inputs }, dy) => [b.emit('l1_grad', [...inputs, dy], {}), undefined, undefined],
  },
  dice_sums: {
    doc: 'for each sample, over the labelled cells and for each class, the sums of p t, then of p, then of t: p = softmax(logits), t = 1 where the label is the class, else 0. Of one channel p = sigmoid(x), and 1 is the class',
    kernel: 'reduction',
    operands: ['logits', 'target'],
    sumsOwnedCells: true,
    shape: (_attrs, inputs) => unequal('dice', inputs) ?? map(3 * mapAt(inputs, 0).channels, []),
    flops: (_attrs, inputs) => 10 * elementsOf(mapAt(inputs, 0)),
    region: sameCells,
    gradient: (b, { inputs }, dy) => [b.emit('dice_sums_grad', [...inputs, dy], {}), undefined],
  },
  dice: {
    doc: 'what the samples here give to the mean over classes and samples of the step of 1 - (2 Σpt + smooth) / (Σp + Σt + smooth), the sums of each `over` consecutive samples added first; a term without anything to divide by is 0 (Milletari et al. 2016)',
    operands: ['sums'],
    needsSums: true,
    spread: ({ smooth, samples, over }, { parts, samples: local }) => ({
      smooth,
      samples: samples * parts,
      over: Math.min(over, local),
    }),
    together: ({ over }) => over,
    shape: () => array([]),
    flops: (_attrs, inputs) => 3 * elementsOf(mapAt(inputs, 0)),
    region: sameCells,
    gradient: (b, { inputs, attrs }, dy) => [b.emit('dice_grad', [...inputs, dy], attrs)],
  },
  weighted_sum: {
    doc: 'sum of losses, each times its weight',
    kernel: 'reduction',
    operands: ['loss...'],
    shape: () => array([]),
    flops: ({ weights }) => 2 * weights.length,
    region: sameCells,
    gradient: (b, { attrs }, dy) =>
      attrs.weights.map((factor) => (factor === 1 ? dy : b.emit('scale', [dy], { factor }))),
  },
} satisfies Partial<OpTable>;
