/** Statistics of samples and what is done with them. */
import { at } from '../box.ts';
import { array, elementsOf, map } from '../type.ts';
import { arrayAt, fault, mapAt, type OpTable } from './definition.ts';
import { perElement, sameCells, sameType, weightFault } from './shared.ts';

export const norms = {
  moments: {
    doc: 'for each sample and group of channels the mean, then for each the biased variance, over the whole extent of `over` consecutive samples, which all get the same',
    kernel: 'reduction',
    operands: ['x'],
    wholeExtent: true,
    together: ({ over }) => over,
    shape({ groups }, inputs) {
      const { channels } = mapAt(inputs, 0);
      if (channels % groups === 0) return map(2 * groups, []);
      return fault('groups-divide', { groups, from: channels, to: channels });
    },
    flops: (_attrs, inputs) => 4 * elementsOf(mapAt(inputs, 0)),
    region: (_attrs, _axis, out) => out,
    gradient: (b, { inputs, output, attrs: { over } }, dy) => [
      b.emit('moments_grad', [at(inputs, 0), output, dy], { over }),
    ],
  },
  running_share: {
    doc: 'what the samples here give to the mean over the whole step of their `moments`: of the means, or of the variances, unbiased by n / (n - 1), n = over * cells',
    operands: ['moments'],
    spread: (attrs, { parts }) => ({ ...attrs, samples: attrs.samples * parts }),
    shape: (_attrs, inputs) => array([mapAt(inputs, 0).channels / 2]),
    flops: (_attrs, inputs) => elementsOf(mapAt(inputs, 0)),
    region: sameCells,
    gradient: () => [undefined],
  },
  normalize: {
    doc: '(x - mean) / sqrt(variance + epsilon), with the moments of each sample and group of channels',
    operands: ['x', 'moments'],
    shape: sameType,
    flops: perElement(4),
    region: sameCells,
    gradient: (b, { inputs, attrs }, dy) => [
      b.emit('normalize_grad', [...inputs, dy], attrs),
      b.emit('normalize_moments_grad', [...inputs, dy], attrs),
    ],
  },
  normalize_by: {
    doc: '(x - mean) / sqrt(variance + epsilon), with one number each a channel: what a batch norm does in prediction',
    operands: ['x', 'mean', 'variance'],
    shape(_attrs, inputs) {
      const x = mapAt(inputs, 0);
      return weightFault('normalize_by', x, arrayAt(inputs, 1).dims[0] ?? 0) ?? x;
    },
    flops: perElement(2),
    region: sameCells,
    gradient: () => {
      throw new Error('normalize_by is of models to predict with: nothing is trained through it');
    },
  },
  scale_shift: {
    doc: 'x * scale + shift with one learned number each a channel; the shift may be left out',
    operands: ['x', 'scale', 'shift?'],
    shape(_attrs, inputs) {
      const x = mapAt(inputs, 0);
      return weightFault('scale_shift', x, arrayAt(inputs, 1).dims[0] ?? 0) ?? x;
    },
    flops: perElement(2),
    region: sameCells,
    gradient(b, { inputs }, dy, wants) {
      const [x, scale] = [at(inputs, 0), at(inputs, 1)];
      return [
        wants(0) ? b.emit('scale_shift', [dy, scale], {}) : undefined,
        wants(1) ? b.emit('channel_dot', [dy, x], {}) : undefined,
        inputs.length > 2 ? b.emit('channel_sum', [dy], {}) : undefined,
      ];
    },
  },
} satisfies Partial<OpTable>;
