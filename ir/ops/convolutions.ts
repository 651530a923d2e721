/** Convolutions and their transposes. */
import { at, extents } from '../box.ts';
import { elementsOf, product } from '../type.ts';
import type { Sides } from './attributes.ts';
import { arrayAt, mapAt, type OpTable, sum } from './definition.ts';
import { extentOf, localPool, slid, weightFault } from './shared.ts';
import { steps, windowsOver, windowsTouching } from './windows.ts';

export const convolutions = {
  conv: {
    doc: 'cross-correlation with zero padding; weight [out, in / groups, ...kernel], bias [out]',
    kernel: 'conv',
    operands: ['x', 'weight', 'bias?'],
    shape(attrs, inputs) {
      const x = mapAt(inputs, 0);
      const [out = 0, weightIn = 0] = arrayAt(inputs, 1).dims;
      const sizes = extents(x.box).map((size, axis) => steps(attrs, axis, size));
      return weightFault('conv', x, weightIn * attrs.groups) ?? slid('conv', x, out, attrs, sizes);
    },
    flops(_attrs, inputs, output) {
      const [, ...perOutput] = arrayAt(inputs, 1).dims;
      return 2 * product(perOutput) * elementsOf(output);
    },
    region: (attrs, axis, out) => windowsOver(attrs, axis, out),
    localize: localPool,
    gradient(b, { attrs, inputs }, dy, wants) {
      const [x = '', weight = ''] = inputs;
      return [
        wants(0) ? b.emit('conv_data', [dy, weight], { ...attrs, extent: extentOf(b.typeOf(x)) }) : undefined,
        wants(1) ? b.emit('conv_weight', [x, dy], attrs) : undefined,
        inputs.length > 2 && wants(2) ? b.emit('channel_sum', [dy], {}) : undefined,
      ];
    },
  },
  up_conv: {
    doc: 'transposed convolution; weight [in, out, ...kernel], bias [out]; `crop` is cut off the full result',
    kernel: 'conv',
    operands: ['x', 'weight', 'bias?'],
    shape(attrs, inputs) {
      const x = mapAt(inputs, 0);
      const [weightIn = 0, out = 0] = arrayAt(inputs, 1).dims;
      const sizes = extents(x.box).map(
        (size, axis) =>
          (size - 1) * at(attrs.stride, axis) + at(attrs.kernel, axis) - sum(at(attrs.crop, axis)),
      );
      return weightFault('up_conv', x, weightIn) ?? slid('up_conv', x, out, attrs, sizes);
    },
    flops(_attrs, inputs) {
      const [, ...perInput] = arrayAt(inputs, 1).dims;
      return 2 * product(perInput) * elementsOf(mapAt(inputs, 0));
    },
    region: (attrs, axis, out) => windowsTouching(attrs, axis, out, at(attrs.crop, axis)[0]),
    localize: (attrs, placements) => ({
      ...attrs,
      crop: placements.map(({ axis, input, output }): Sides => {
        const stride = at(attrs.stride, axis);
        const begin = input.from * stride - at(attrs.crop, axis)[0];
        const end = (input.to - 1) * stride + at(attrs.kernel, axis) - at(attrs.crop, axis)[0];
        return [output.from - begin, end - output.to];
      }),
    }),
    gradient(b, { attrs, inputs }, dy, wants) {
      const [x = '', weight = ''] = inputs;
      const { kernel, stride, crop } = attrs;
      const transposed = { kernel, stride, pad: crop, dilation: kernel.map(() => 1), groups: 1 };
      return [
        wants(0) ? b.emit('conv', [dy, weight], transposed) : undefined,
        wants(1) ? b.emit('conv_weight', [dy, x], transposed) : undefined,
        inputs.length > 2 && wants(2) ? b.emit('channel_sum', [dy], {}) : undefined,
      ];
    },
  },
} satisfies Partial<OpTable>;
