/** Pooling. */
import { at, extents } from '../box.ts';
import { elementsOf, type MapType, product, type ValueType } from '../type.ts';
import type { PoolAttributes } from './attributes.ts';
import { type Fault, fault, mapAt, type OpTable, showSizes } from './definition.ts';
import { extentOf, localPool, slid } from './shared.ts';
import { steps, windowsOver } from './windows.ts';

/** As many places as a byte can tell apart. */
const mostPlaces = 256;

function pooledType(op: string, attrs: PoolAttributes, inputs: readonly ValueType[]): MapType | Fault {
  const x = mapAt(inputs, 0);
  const wide = attrs.pad.some((sides, axis) => Math.max(...sides) >= at(attrs.kernel, axis));
  if (wide) return fault('pad-too-wide', { pad: JSON.stringify(attrs.pad), window: showSizes(attrs.kernel) });
  return slid(
    op,
    x,
    x.channels,
    attrs,
    extents(x.box).map((size, axis) => steps(attrs, axis, size)),
  );
}

export const pools = {
  max_pool: {
    doc: 'largest of each window; padding never wins',
    operands: ['x'],
    shape: (attrs, inputs) => pooledType('max_pool', attrs, inputs),
    flops: ({ kernel }, _inputs, output) => product(kernel) * elementsOf(output),
    region: (attrs, axis, out) => windowsOver(attrs, axis, out),
    localize: localPool,
    gradient: (b, { inputs, output, attrs }, dy) => [
      b.emit('max_pool_grad', [at(inputs, 0), output, dy], attrs),
    ],
    lean: {
      note: ({ inputs, attrs }) =>
        product(attrs.kernel) > mostPlaces ? undefined : { kind: 'max_pool_index', inputs, attrs },
      gradient(b, { inputs, attrs }, dy, index) {
        const extent = extentOf(b.typeOf(at(inputs, 0)));
        return [b.emit('max_pool_index_grad', [index, dy], { ...attrs, extent })];
      },
    },
  },
  max_pool_index: {
    doc: 'a byte a window of `max_pool`: the place of its first maximum, counted in row-major order',
    operands: ['x'],
    shape(attrs, inputs) {
      const pooled = pooledType('max_pool_index', attrs, inputs);
      return 'code' in pooled ? pooled : { ...pooled, element: 'u8' };
    },
    flops: ({ kernel }, _inputs, output) => product(kernel) * elementsOf(output),
    region: (attrs, axis, out) => windowsOver(attrs, axis, out),
    localize: localPool,
    gradient: () => [],
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
