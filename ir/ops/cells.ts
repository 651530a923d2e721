/** Ops that work cell by cell. */
import { at } from '../box.ts';
import { arrayAt, mapAt, type OpTable } from './definition.ts';
import { extentOf, perElement, sameCells, sameType, unequal, weightFault } from './shared.ts';

export const cells = {
  affine: {
    doc: 'x * scale + shift, one scale and shift for each channel: brings raw pixels to the range a network wants',
    operands: ['x'],
    shape({ scale }, inputs) {
      const x = mapAt(inputs, 0);
      return weightFault('scaled', x, scale.length) ?? x;
    },
    flops: perElement(2),
    region: sameCells,
    gradient: () => {
      throw new Error('affine stands before every parameter: nothing needs its gradient');
    },
  },
  relu: {
    doc: 'max(x, 0)',
    operands: ['x'],
    shape: sameType,
    flops: perElement(1),
    inPlace: true,
    region: sameCells,
    gradient: (b, { output }, dy) => [b.emit('relu_grad', [output, dy], {})],
    lean: {
      note: ({ output }) => ({ kind: 'relu_mask', inputs: [output], attrs: {} }),
      gradient: (b, _call, dy, mask) => [b.emit('relu_mask_grad', [mask, dy], { slope: 0 })],
    },
  },
  leaky_relu: {
    doc: 'x where positive, else slope * x',
    operands: ['x'],
    shape: sameType,
    flops: perElement(2),
    inPlace: true,
    region: sameCells,
    gradient: (b, { output, attrs }, dy) => [b.emit('leaky_relu_grad', [output, dy], attrs)],
    lean: {
      note: ({ output }) => ({ kind: 'relu_mask', inputs: [output], attrs: {} }),
      gradient: (b, { attrs }, dy, mask) => [b.emit('relu_mask_grad', [mask, dy], attrs)],
    },
  },
  relu_mask: {
    doc: 'a byte a cell: 1 where the output of `relu` or `leaky_relu` is positive, else 0',
    operands: ['y'],
    shape: (_attrs, inputs) => ({ ...mapAt(inputs, 0), element: 'u8' }),
    flops: perElement(1),
    region: sameCells,
    gradient: () => [],
  },
  silu: {
    doc: 'x * sigmoid(x)',
    operands: ['x'],
    shape: sameType,
    flops: perElement(5),
    region: sameCells,
    gradient: (b, { inputs }, dy) => [b.emit('silu_grad', [at(inputs, 0), dy], {})],
  },
  sigmoid: {
    doc: '1 / (1 + exp(-x))',
    operands: ['x'],
    shape: sameType,
    flops: perElement(4),
    region: sameCells,
    gradient: (b, { output }, dy) => [b.emit('sigmoid_grad', [output, dy], {})],
  },
  gelu: {
    doc: 'x * (1 + erf(x / √2)) / 2 (Hendrycks & Gimpel 2016), exact',
    operands: ['x'],
    shape: sameType,
    flops: perElement(8),
    region: sameCells,
    gradient: (b, { inputs }, dy) => [b.emit('gelu_grad', [at(inputs, 0), dy], {})],
  },
  softmax: {
    doc: 'exp(x) / Σ exp(x), the sum over the channels of each cell',
    operands: ['x'],
    shape: sameType,
    flops: perElement(5),
    region: sameCells,
    gradient: (b, { output }, dy) => [b.emit('softmax_grad', [output, dy], {})],
  },
  mul: {
    doc: 'product of two maps of the same box; the second may have one channel for all of the first (a gate)',
    operands: ['x', 'gate'],
    shape(_attrs, inputs) {
      const [x, gate] = [mapAt(inputs, 0), mapAt(inputs, 1)];
      const channels = gate.channels === 1 ? undefined : weightFault('mul', gate, x.channels);
      return unequal('mul', inputs) ?? channels ?? x;
    },
    flops: perElement(1),
    region: sameCells,
    gradient(b, { inputs }, dy, wants) {
      const [x, gate] = [at(inputs, 0), at(inputs, 1)];
      const ofGate = () => {
        const wide = mapAt([b.typeOf(gate)], 0).channels < mapAt([b.typeOf(x)], 0).channels;
        return b.emit(wide ? 'gate_grad' : 'mul', [dy, x], {});
      };
      return [wants(0) ? b.emit('mul', [dy, gate], {}) : undefined, wants(1) ? ofGate() : undefined];
    },
  },
  add: {
    doc: 'sum of two maps, or of two arrays, of the same size; the second may be a vector for all cells of the first',
    operands: ['a', 'b'],
    shape(_attrs, inputs) {
      if (at(inputs, 0).kind === 'array') return arrayAt(inputs, 0);
      const [a, b] = [mapAt(inputs, 0), mapAt(inputs, 1)];
      const sizes = b.box.length === 0 ? undefined : unequal('add', inputs);
      return sizes ?? weightFault('add', b, a.channels) ?? a;
    },
    flops: perElement(1),
    region: sameCells,
    gradient(b, { inputs }, dy, wants) {
      const isVector = (i: number) => extentOf(b.typeOf(at(inputs, i))).length === 0;
      if (isVector(0) || !isVector(1)) return [dy, dy];
      return [dy, wants(1) ? b.emit('space_sum', [dy], {}) : undefined];
    },
  },
  mask: {
    doc: 'x times a mask of the same box, or of one number a channel (dropout)',
    operands: ['x', 'mask'],
    shape(_attrs, inputs) {
      const [x, mask] = [mapAt(inputs, 0), mapAt(inputs, 1)];
      const sizes = mask.box.length === 0 ? undefined : unequal('mask', inputs);
      return sizes ?? weightFault('mask', mask, x.channels) ?? x;
    },
    flops: perElement(1),
    region: sameCells,
    gradient: (b, { inputs }, dy) => [b.emit('mask', [dy, at(inputs, 1)], {}), undefined],
  },
} satisfies Partial<OpTable>;
