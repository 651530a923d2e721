/** Random attributes of the ops that slide windows, on one to three axes. */
import * as fc from 'fast-check';
import type { ConvAttributes, PoolAttributes, Sides, UpConvAttributes } from '../../../ir/ops/attributes.ts';

type Axis = {
  readonly kernel: number;
  readonly stride: number;
  readonly dilation: number;
  readonly pad: Sides;
  /** Cells beyond the smallest input that holds one window. */
  readonly extra: number;
};

const axis = fc.record({
  kernel: fc.integer({ min: 1, max: 3 }),
  stride: fc.integer({ min: 1, max: 3 }),
  dilation: fc.integer({ min: 1, max: 2 }),
  pad: fc.tuple(fc.nat({ max: 2 }), fc.nat({ max: 2 })),
  extra: fc.nat({ max: 4 }),
});

const axes = fc.array(axis, { minLength: 1, maxLength: 3 });

const inputSize = ({ kernel, dilation, pad, extra }: Axis): number =>
  Math.max(1, (kernel - 1) * dilation + 1 - pad[0] - pad[1]) + extra;

export type ConvCase = {
  readonly attrs: ConvAttributes;
  readonly sizes: readonly number[];
  readonly samples: number;
  /** Channels of all groups. */
  readonly ins: number;
  readonly outs: number;
  readonly seed: number;
};

const sidesOf = (list: readonly Axis[]): Sides[] => list.map(({ pad }) => pad);

export const convCase: fc.Arbitrary<ConvCase> = fc
  .record({
    list: axes,
    samples: fc.integer({ min: 1, max: 2 }),
    groups: fc.integer({ min: 1, max: 2 }),
    ins: fc.integer({ min: 1, max: 3 }),
    outs: fc.integer({ min: 1, max: 3 }),
    seed: fc.nat(),
  })
  .map(({ list, samples, groups, ins, outs, seed }) => ({
    attrs: {
      kernel: list.map(({ kernel }) => kernel),
      stride: list.map(({ stride }) => stride),
      dilation: list.map(({ dilation }) => dilation),
      pad: sidesOf(list),
      groups,
    },
    sizes: list.map(inputSize),
    samples,
    ins: ins * groups,
    outs: outs * groups,
    seed,
  }));

export type PoolCase = {
  readonly attrs: PoolAttributes;
  readonly sizes: readonly number[];
  readonly seed: number;
};

/** Windows of pools; padding is smaller than the window, so that each holds a cell. */
export const poolCase: fc.Arbitrary<PoolCase> = fc
  .record({ list: axes, seed: fc.nat() })
  .map(({ list, seed }) => {
    const padded = list.map((one): Axis => {
      const most = one.kernel - 1;
      return { ...one, dilation: 1, pad: [Math.min(one.pad[0], most), Math.min(one.pad[1], most)] };
    });
    return {
      attrs: {
        kernel: list.map(({ kernel }) => kernel),
        stride: list.map(({ stride }) => stride),
        pad: sidesOf(padded),
      },
      // At least a kernel wide: a window never covers padding on both sides of a smaller image only.
      sizes: padded.map((one) => one.kernel + one.extra),
      seed,
    };
  });

export type UpConvCase = {
  readonly attrs: UpConvAttributes;
  readonly sizes: readonly number[];
  readonly ins: number;
  readonly outs: number;
  readonly seed: number;
};

const cropped = ({ kernel, stride, pad, extra }: Axis): Sides => {
  const full = extra * stride + kernel;
  const lo = Math.min(pad[0], full - 1);
  return [lo, Math.min(pad[1], full - 1 - lo)];
};

export const upConvCase: fc.Arbitrary<UpConvCase> = fc
  .record({
    list: axes,
    ins: fc.integer({ min: 1, max: 3 }),
    outs: fc.integer({ min: 1, max: 3 }),
    seed: fc.nat(),
  })
  .map(({ list, ins, outs, seed }) => ({
    attrs: {
      kernel: list.map(({ kernel }) => kernel),
      stride: list.map(({ stride }) => stride),
      crop: list.map(cropped),
    },
    sizes: list.map(({ extra }) => extra + 1),
    ins,
    outs,
    seed,
  }));
