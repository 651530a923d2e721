/** Pooling. */
import { at, extents } from '../box.ts';
import { elementsOf, product } from '../type.ts';
import { fault, mapAt, type OpTable, showSizes } from './definition.ts';
import { extentOf, localPool, slid } from './shared.ts';
import { steps, windowsOver } from './windows.ts';

export const pools = {
  max_pool: {
    doc: 'largest of each window; padding never wins',
    operands: ['x'],
    shape(attrs, inputs) {
      const x = mapAt(inputs, 0);
      const wide = attrs.pad.some((sides, axis) => Math.max(...sides) >= at(attrs.kernel, axis));
      if (wide)
        return fault('pad-too-wide', { pad: JSON.stringify(attrs.pad), window: showSizes(attrs.kernel) });
      return slid(
        'max_pool',
        x,
        x.channels,
        attrs,
        extents(x.box).map((size, axis) => steps(attrs, axis, size)),
      );
    },
    flops: ({ kernel }, _inputs, output) => product(kernel) * elementsOf(output),
    region: (attrs, axis, out) => windowsOver(attrs, axis, out),
    localize: localPool,
    gradient: (b, { inputs, output, attrs }, dy) => [
      b.emit('max_pool_grad', [at(inputs, 0), output, dy], attrs),
    ],
  },
  avg_pool: {
    doc: 'mean of each window, without padding',
    operands: ['x'],
    shape(attrs, inputs) {
      const x = mapAt(inputs, 0);
      return slid(
        'avg_pool',
        x,
        x.channels,
        attrs,
        extents(x.box).map((size, axis) => steps(attrs, axis, size)),
      );
    },
    flops: ({ kernel }, _inputs, output) => product(kernel) * elementsOf(output),
    region: (attrs, axis, out) => windowsOver(attrs, axis, out),
    gradient: (b, { inputs, attrs }, dy) => [
      b.emit('avg_pool_grad', [dy], { ...attrs, extent: extentOf(b.typeOf(at(inputs, 0))) }),
    ],
  },
} satisfies Partial<OpTable>;
