/**
 * What stands between the devices of a plan: meetings, in which they give each other cells or numbers, and
 * the local ops before and after them. Shares of a cotangent go the same ways back.
 */
import { volume, wholeBox } from '../box.ts';
import { elementsOf, map } from '../type.ts';
import { fault, mapAt, type OpTable } from './definition.ts';

const channelsFault = (op: string, expected: number, channels: number) =>
  channels === expected ? undefined : fault('channels-differ', { op, expected, channels });

export const meetings = {
  exchange: {
    doc: 'cells of the operand, with those around them that other devices have; backward the shares of those go home',
    operands: ['x?'],
    meets: true,
    shape({ channels, extent }, inputs) {
      const wrong =
        inputs.length > 0 ? channelsFault('exchange', channels, mapAt(inputs, 0).channels) : undefined;
      return wrong ?? map(channels, wholeBox(extent));
    },
    flops: () => 0,
    gradient(b, { attrs, inputs, output }, dy) {
      const [x] = inputs;
      const type = x === undefined ? undefined : mapAt([b.typeOf(x)], 0);
      const { value, keeps, channels, sends, receives } = attrs;
      const extent = type?.box.map(({ from, to }) => to - from) ?? keeps.map(() => 0);
      const back = {
        value,
        channels,
        extent,
        keeps,
        sends: receives,
        receives: sends,
        returns: false,
        back: true,
      };
      const given = volume(mapAt([b.typeOf(output)], 0).box) > 0 ? [dy] : [];
      return [b.emit('exchange', given, back)];
    },
  },
  all_gather: {
    doc: 'the vectors of all devices of the group, in rank order, one after another',
    operands: ['x'],
    meets: true,
    shape: ({ parts }, inputs) => map(mapAt(inputs, 0).channels * parts, []),
    flops: () => 0,
    gradient: (b, { attrs }, dy) => [b.emit('reduce_scatter', [dy], attrs)],
  },
  reduce_scatter: {
    doc: 'the sum over the group, in rank order, of the part of each that belongs to this device',
    operands: ['dy'],
    meets: true,
    shape({ parts }, inputs) {
      const { channels } = mapAt(inputs, 0);
      return (
        channelsFault('reduce_scatter', Math.ceil(channels / parts) * parts, channels) ??
        map(channels / parts, [])
      );
    },
    flops: () => 0,
  },
  partial_moments: {
    doc: 'for each sample and group of channels the number of cells, their mean, and the sum of squares around it',
    kernel: 'reduction',
    operands: ['x'],
    shape: ({ groups }) => map(3 * groups, []),
    flops: (_attrs, inputs) => 4 * elementsOf(mapAt(inputs, 0)),
    gradient: (b, { attrs, inputs: [x = ''], output }, dy) => [
      b.emit('partial_moments_grad', [x, output, dy], attrs),
    ],
  },
  merge_moments: {
    doc: 'mean and biased variance of all parts of `over` consecutive samples, for each of these and each group of channels (Chan, Golub & LeVeque 1983)',
    kernel: 'reduction',
    operands: ['partials'],
    shape({ groups, parts }, inputs) {
      const wrong = channelsFault('merge_moments', 3 * groups * parts, mapAt(inputs, 0).channels);
      return wrong ?? map(2 * groups, []);
    },
    flops: (_attrs, inputs) => 6 * elementsOf(mapAt(inputs, 0)),
    gradient: (b, { attrs, inputs: [partials = ''], output }, dy) => [
      b.emit('merge_moments_grad', [partials, output, dy], attrs),
    ],
  },
  merge_sums: {
    doc: 'the sum of the parts of each sample',
    kernel: 'reduction',
    operands: ['parts'],
    shape({ parts }, inputs) {
      const { channels } = mapAt(inputs, 0);
      return (
        channelsFault('merge_sums', Math.ceil(channels / parts) * parts, channels) ??
        map(channels / parts, [])
      );
    },
    flops: (_attrs, inputs) => elementsOf(mapAt(inputs, 0)),
    gradient: (b, { attrs }, dy) => [b.emit('merge_sums_grad', [dy], attrs)],
  },
  sweep: {
    doc: 'the sum of the parts of each sample that all of its `parts` have, made in a sweep over them ahead of the first backward pass; backward each of them has the same share of the cotangent, which is so many times that',
    operands: ['part'],
    meets: true,
    shape: (_attrs, inputs) => mapAt(inputs, 0),
    flops: () => 0,
    gradient: (b, { attrs }, dy) => [b.emit('scale', [dy], { factor: attrs.parts })],
  },
  blank: {
    doc: 'zeros: the part of a device that has no cell, the share of one that has no part in the loss',
    kernel: 'move',
    operands: [],
    shape: ({ channels, extent }) => map(channels, wholeBox(extent)),
    flops: () => 0,
    gradient: () => [],
  },
  partial_moments_grad: {
    doc: 'dmean / n + dsquares * 2 (x - mean), n cells',
    kernel: 'reduction',
    operands: ['x', 'partial', 'dpartial'],
    shape: (_attrs, inputs) => mapAt(inputs, 0),
    flops: (_attrs, inputs) => 4 * elementsOf(mapAt(inputs, 0)),
  },
  merge_sums_grad: {
    doc: 'dy for each of the parts',
    operands: ['dy'],
    shape: ({ parts }, inputs) => map(mapAt(inputs, 0).channels * parts, []),
    flops: () => 0,
  },
  merge_moments_grad: {
    doc: 'of each part: for the number of cells 0, for the mean n / N * (dmean + dvariance * 2 (its mean - mean)), for the squares dvariance / N',
    operands: ['partials', 'moments', 'dmoments'],
    shape: (_attrs, inputs) => mapAt(inputs, 0),
    flops: (_attrs, inputs) => 4 * elementsOf(mapAt(inputs, 0)),
  },
} satisfies Partial<OpTable>;
