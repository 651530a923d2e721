/** Statistics of a sample and what is done with them. */
import { at } from '../box.ts';
import { elementsOf, map } from '../type.ts';
import { arrayAt, fault, mapAt, type OpTable } from './definition.ts';
import { perElement, sameCells, sameType, weightFault } from './shared.ts';

export const norms = {
  moments: {
    doc: 'for each sample and group of channels the mean, then for each the biased variance, over the whole extent',
    operands: ['x'],
    wholeExtent: true,
    shape({ groups }, inputs) {
      const { channels } = mapAt(inputs, 0);
      if (channels % groups === 0) return map(2 * groups, []);
      return fault('groups-divide', { groups, from: channels, to: channels });
    },
    flops: (_attrs, inputs) => 4 * elementsOf(mapAt(inputs, 0)),
    region: (_attrs, _axis, out) => out,
    gradient: (b, { inputs, output }, dy) => [b.emit('moments_grad', [at(inputs, 0), output, dy], {})],
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
