/**
 * Ops on vectors: maps without space, one number a channel and sample. Every tile holds them in full; what
 * flows back into them are shares, which add up over the tiles.
 */
import { at, range } from '../box.ts';
import { map, product } from '../type.ts';
import { arrayAt, fault, mapAt, type OpTable } from './definition.ts';
import { weightFault } from './shared.ts';

const none = () => range(0, 0);

export const vectors = {
  linear: {
    doc: 'weight * x + bias of a vector; the bias may be left out',
    kernel: 'matmul',
    operands: ['x', 'weight', 'bias?'],
    shape(_attrs, inputs) {
      const [x, [rows = 0, columns = 0]] = [mapAt(inputs, 0), arrayAt(inputs, 1).dims];
      if (x.box.length > 0) return fault('not-a-vector', { op: 'linear' });
      return weightFault('linear', x, columns) ?? map(rows, []);
    },
    flops: (_attrs, inputs) => 2 * product(arrayAt(inputs, 1).dims),
    region: none,
    gradient(b, { inputs }, dy, wants) {
      const [x, weight] = [at(inputs, 0), at(inputs, 1)];
      return [
        wants(0) ? b.emit('linear_data', [dy, weight], {}) : undefined,
        wants(1) ? b.emit('linear_weight', [x, dy], {}) : undefined,
        inputs.length > 2 ? b.emit('channel_sum', [dy], {}) : undefined,
      ];
    },
  },
  sine: {
    doc: 'sin(x f) for each frequency f, then cos(x f) for each, of a vector of one number x',
    operands: ['x'],
    shape({ frequencies }, inputs) {
      const x = mapAt(inputs, 0);
      if (x.box.length > 0) return fault('not-a-vector', { op: 'sine' });
      return weightFault('sine', x, 1) ?? map(2 * frequencies.length, []);
    },
    flops: ({ frequencies }) => 20 * frequencies.length,
    region: none,
    gradient: (b, { inputs, attrs }, dy) => [b.emit('sine_grad', [at(inputs, 0), dy], attrs)],
  },
} satisfies Partial<OpTable>;
