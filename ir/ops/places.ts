/** Ops that move cells or channels and compute nothing. */
import { at, extents, length, range, wholeBox } from '../box.ts';
import { elementsOf, map } from '../type.ts';
import type { ResizeAttributes, Sides } from './attributes.ts';
import { fault, mapAt, type OpTable, showSizes, sum } from './definition.ts';
import { extentOf, outside, sameCells, unequal, weightFault } from './shared.ts';

/** Where the centre of an enlarged cell lies among the cells it is made of, by mode. */
const centreIn: Record<ResizeAttributes['mode'], (cell: number, factor: number) => number> = {
  nearest: (cell, factor) => Math.floor(cell / factor),
  // (cell + 1/2) / factor - 1/2, in one division so that whole numbers come out whole
  bilinear: (cell, factor) => (2 * cell + 1 - factor) / (2 * factor),
};

export const places = {
  concat: {
    doc: 'channels of all operands one after another',
    kernel: 'move',
    operands: ['x...'],
    shape(_attrs, inputs) {
      const channels = inputs.reduce((all, _, i) => all + mapAt(inputs, i).channels, 0);
      return unequal('concat', inputs) ?? { ...mapAt(inputs, 0), channels };
    },
    flops: () => 0,
    region: sameCells,
    gradient(b, { inputs }, dy, wants) {
      let from = 0;
      return inputs.map((input, i) => {
        const begin = from;
        from += mapAt([b.typeOf(input)], 0).channels;
        return wants(i) ? b.emit('channels', [dy], { from: begin, to: from }) : undefined;
      });
    },
  },
  crop: {
    doc: 'cuts cells off the sides of each axis',
    kernel: 'move',
    picks: true,
    operands: ['x'],
    shape({ sides }, inputs) {
      const x = mapAt(inputs, 0);
      const sizes = extents(x.box).map((size, axis) => size - sum(at(sides, axis)));
      if (sizes.every((size) => size >= 1)) return map(x.channels, wholeBox(sizes), x.element);
      return fault('crop-too-large', { sides: JSON.stringify(sides), sizes: showSizes(extents(x.box)) });
    },
    flops: () => 0,
    region: ({ sides }, axis, out) => range(out.from + at(sides, axis)[0], out.to + at(sides, axis)[0]),
    cropsItself: true,
    localize: ({ sides }, placements) => ({
      sides: placements.map(({ axis, input, output }): Sides => {
        const lo = output.from + at(sides, axis)[0] - input.from;
        return [lo, length(input) - length(output) - lo];
      }),
    }),
    gradient: (b, { attrs }, dy) => [b.emit('pad', [dy], attrs)],
  },
  pad: {
    doc: 'adds cells of zeros to the sides of each axis',
    kernel: 'move',
    operands: ['x'],
    shape({ sides }, inputs) {
      const x = mapAt(inputs, 0);
      return map(x.channels, wholeBox(extents(x.box).map((size, axis) => size + sum(at(sides, axis)))));
    },
    flops: () => 0,
    region: ({ sides }, axis, out) => range(out.from - at(sides, axis)[0], out.to - at(sides, axis)[0]),
    localize: ({ sides }, placements) => ({
      sides: placements.map(({ axis, input, output }) =>
        outside(range(output.from - at(sides, axis)[0], output.to - at(sides, axis)[0]), input),
      ),
    }),
    gradient: (b, { attrs }, dy) => [b.emit('crop', [dy], attrs)],
  },
  resize: {
    doc: 'enlarges by a whole factor: each cell repeated (nearest), or linear between the centres of cells (bilinear)',
    kernel: 'move',
    operands: ['x'],
    shape({ factor, crop }, inputs) {
      const x = mapAt(inputs, 0);
      const sizes = extents(x.box).map((size, axis) => size * at(factor, axis) - sum(at(crop, axis)));
      return map(x.channels, wholeBox(sizes));
    },
    flops: ({ mode, factor }, _inputs, output) =>
      mode === 'nearest' ? 0 : 3 * factor.length * elementsOf(output),
    region: ({ mode, factor, crop }, axis, out) => {
      const lo = at(crop, axis)[0];
      const centre = centreIn[mode];
      return range(
        Math.floor(centre(out.from + lo, at(factor, axis))),
        Math.ceil(centre(out.to - 1 + lo, at(factor, axis))) + 1,
      );
    },
    localize: (attrs, placements) => ({
      ...attrs,
      crop: placements.map(({ axis, input, output }): Sides => {
        const factor = at(attrs.factor, axis);
        const lo = output.from + at(attrs.crop, axis)[0] - input.from * factor;
        return [lo, length(input) * factor - length(output) - lo];
      }),
    }),
    gradient: (b, { attrs, inputs }, dy) => [
      b.emit('resize_grad', [dy], { ...attrs, extent: extentOf(b.typeOf(at(inputs, 0))) }),
    ],
  },
  stretch: {
    doc: 'enlarges one axis by a whole factor, linear between the centres of cells, the first and last of which stay in place; the shares are an operand, for they depend on the global position',
    kernel: 'move',
    operands: ['x', 'shares'],
    shape({ axis, factor, crop }, inputs) {
      const [x, shares] = [mapAt(inputs, 0), mapAt(inputs, 1)];
      const size = at(extents(x.box), axis) * factor - sum(crop);
      const sizes = extents(x.box).map((cells, other) => (other === axis ? size : cells));
      const expected = extents(x.box).map((_, other) => (other === axis ? size : 1));
      const problem = weightFault('stretch', shares, 3);
      if (problem !== undefined || showSizes(extents(shares.box)) === showSizes(expected))
        return problem ?? map(x.channels, wholeBox(sizes));
      const both = `${showSizes(expected)} and ${showSizes(extents(shares.box))}`;
      return fault('sizes-differ', { op: 'stretch', sizes: both });
    },
    flops: (_attrs, _inputs, output) => 5 * elementsOf(output),
    region({ axis: stretched, factor, crop }, axis, out, operand) {
      if (axis !== stretched) return operand === 0 ? out : range(0, 1);
      if (operand === 1) return out;
      const [lo] = crop;
      const below = (cell: number) => Math.floor((cell + lo) / factor);
      return range(below(out.from) - 1, below(out.to - 1) + 2);
    },
    localize(attrs, placements) {
      const own = placements.find(({ axis }) => axis === attrs.axis);
      if (own === undefined) return attrs;
      const { input, output } = own;
      const lo = output.from + attrs.crop[0] - input.from * attrs.factor;
      return { ...attrs, crop: [lo, length(input) * attrs.factor - length(output) - lo] };
    },
    gradient: (b, { attrs, inputs }, dy) => [
      b.emit('stretch_grad', [dy, at(inputs, 1)], { ...attrs, extent: extentOf(b.typeOf(at(inputs, 0))) }),
      undefined,
    ],
  },
} satisfies Partial<OpTable>;
