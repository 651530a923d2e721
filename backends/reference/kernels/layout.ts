/** Ops that move cells and channels without changing their values. */
import { at, extents } from '../../../ir/box.ts';
import type { ResizeAttributes, StretchAttributes } from '../../../ir/ops/attributes.ts';
import { product, type ValueType } from '../../../ir/type.ts';
import { negated, reframe } from './frame.ts';
import {
  element,
  type Kernels,
  mapType,
  operand,
  planesOf,
  threeAxes,
  threeExtents,
  zeros,
} from './kernel.ts';

/** A cell that an enlarged cell is made of on one axis, and its share. */
type Part = { readonly cell: number; readonly share: number };

/** What the enlarged cell `cell` is made of, on an axis of `size` cells that become `factor` times as many. */
const partsOf: Record<ResizeAttributes['mode'], (cell: number, factor: number, size: number) => Part[]> = {
  nearest: (cell, factor) => [{ cell: Math.floor(cell / factor), share: 1 }],
  bilinear(cell, factor, size) {
    const inside = (i: number) => Math.min(Math.max(i, 0), size - 1);
    const centre = (cell + 0.5) / factor - 0.5;
    const below = Math.floor(centre);
    return [
      { cell: inside(below), share: 1 - (centre - below) },
      { cell: inside(below + 1), share: centre - below },
    ];
  },
};

/** Calls `visit` with the index of each cell of the enlarged map, and of each cell of x in it with its share. */
function eachPart(
  attrs: ResizeAttributes,
  x: ValueType | undefined,
  y: ValueType | undefined,
  samples: number,
  visit: (enlarged: number, original: number, share: number) => void,
): void {
  const [input, output] = [threeExtents(x), threeExtents(y)];
  const [factor, crop] = [threeAxes(attrs.factor, 1), threeAxes(attrs.crop, [0, 0] as const)];
  const parts = (axis: 0 | 1 | 2) =>
    Array.from({ length: output[axis] }, (_, cell) =>
      partsOf[attrs.mode](cell + crop[axis][0], factor[axis], input[axis]),
    );
  const [depths, rows, columns] = [parts(0), parts(1), parts(2)];
  let next = 0;
  for (let plane = 0; plane < samples * mapType(x).channels; plane++)
    for (const depth of depths)
      for (const row of rows)
        for (const column of columns) {
          for (const d of depth)
            for (const r of row)
              for (const c of column) {
                const original = ((plane * input[0] + d.cell) * input[1] + r.cell) * input[2] + c.cell;
                visit(next, original, d.share * r.share * c.share);
              }
          next++;
        }
}

/** As `eachPart`, of a map stretched along one axis; the share is given by its index in the map of shares. */
function eachShare(
  { axis, factor, crop }: StretchAttributes,
  x: ValueType | undefined,
  y: ValueType | undefined,
  samples: number,
  visit: (enlarged: number, original: number, share: number) => void,
): void {
  const [before, after] = [extents(mapType(x).box), extents(mapType(y).box)];
  const { channels } = mapType(x);
  const [cells, count] = [at(before, axis), at(after, axis)];
  const outer = channels * product(before.slice(0, axis));
  const inner = product(before.slice(axis + 1));
  for (let line = 0; line < samples * outer; line++)
    for (let cell = 0; cell < count; cell++)
      for (let which = 0; which < 3; which++) {
        const from = Math.floor((cell + crop[0]) / factor) + which - 1;
        if (from < 0 || from >= cells) continue;
        const share = (Math.floor(line / outer) * 3 + which) * count + cell;
        for (let i = 0; i < inner; i++)
          visit((line * count + cell) * inner + i, (line * cells + from) * inner + i, share);
      }
}

export const layoutKernels: Kernels<
  'concat' | 'channels' | 'crop' | 'pad' | 'resize' | 'resize_grad' | 'stretch' | 'stretch_grad' | 'fill'
> = {
  concat: (call) => {
    const y = zeros(call);
    let next = 0;
    for (let sample = 0; sample < call.samples; sample++)
      for (const part of call.inputs) {
        const size = part.length / call.samples;
        y.set(part.subarray(sample * size, (sample + 1) * size), next);
        next += size;
      }
    return y;
  },
  channels: (call) => {
    const y = zeros(call);
    const { channels, cells } = planesOf(call.types[0]);
    const { from, to } = call.attrs;
    for (let sample = 0; sample < call.samples; sample++) {
      const first = sample * channels;
      const part = operand(call.inputs, 0).subarray((first + from) * cells, (first + to) * cells);
      y.set(part, sample * (to - from) * cells);
    }
    return y;
  },
  crop: ({ attrs, inputs, types, samples }) => {
    const sides = negated(threeAxes(attrs.sides, [0, 0] as const));
    return reframe(operand(inputs, 0), samples * mapType(types[0]).channels, threeExtents(types[0]), sides);
  },
  pad: ({ attrs, inputs, types, samples }) => {
    const sides = threeAxes(attrs.sides, [0, 0] as const);
    return reframe(operand(inputs, 0), samples * mapType(types[0]).channels, threeExtents(types[0]), sides);
  },
  resize: (call) => {
    const y = zeros(call);
    const x = operand(call.inputs, 0);
    eachPart(call.attrs, call.types[0], call.type, call.samples, (enlarged, original, share) => {
      y[enlarged] = element(y, enlarged) + share * element(x, original);
    });
    return y;
  },
  resize_grad: (call) => {
    const dx = zeros(call);
    const dy = operand(call.inputs, 0);
    eachPart(call.attrs, call.type, call.types[0], call.samples, (enlarged, original, share) => {
      dx[original] = element(dx, original) + share * element(dy, enlarged);
    });
    return dx;
  },
  stretch: (call) => {
    const y = zeros(call);
    const [x, shares] = [operand(call.inputs, 0), operand(call.inputs, 1)];
    eachShare(call.attrs, call.types[0], call.type, call.samples, (enlarged, original, share) => {
      y[enlarged] = element(y, enlarged) + element(shares, share) * element(x, original);
    });
    return y;
  },
  stretch_grad: (call) => {
    const dx = zeros(call);
    const [dy, shares] = [operand(call.inputs, 0), operand(call.inputs, 1)];
    eachShare(call.attrs, call.type, call.types[0], call.samples, (enlarged, original, share) => {
      dx[original] = element(dx, original) + element(shares, share) * element(dy, enlarged);
    });
    return dx;
  },
  fill: (call) => zeros(call).fill(call.attrs.value),
};
