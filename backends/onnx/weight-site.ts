/** What the formulations of a weight's gradient share. */
import type { ConvAttributes } from '../../ir/ops/attributes.ts';
import { product } from '../../ir/type.ts';
import type { Builder } from './builder.ts';
import { reshape } from './formulas.ts';

export type WeightSite = {
  readonly attrs: ConvAttributes;
  /** Extents of the input and of the cotangent. */
  readonly input: readonly number[];
  readonly output: readonly number[];
  /** Channels of one group, in and out. */
  readonly cin: number;
  readonly cout: number;
  readonly samples: number;
};

/** `total` plus the product of two matrices, the second one transposed: without a copy of either. */
export const productWithTransposed = (g: Builder, left: string, right: string, total?: string): string =>
  g.op('Gemm', total === undefined ? [left, right] : [left, right, total], { transB: 1 });

/**
 * Products of each tap, `[groups, taps, cout, cin]` or `[groups, taps, cin, cout]`, to the layout of a weight,
 * `[groups * cout, cin, ...kernel]`. With the cotangent first only two axes change places, for which ONNX Runtime has a
 * fast kernel.
 */
export function asWeight(
  g: Builder,
  { attrs, cin, cout }: WeightSite,
  sums: string,
  order: 'cotangent first' | 'input first',
): string {
  const { groups, kernel } = attrs;
  const taps = product(kernel);
  const turned =
    order === 'input first'
      ? g.op('Transpose', [reshape(g, sums, [groups, taps, cin, cout])], { perm: [0, 3, 2, 1] })
      : taps === 1
        ? sums
        : g.op('Transpose', [reshape(g, sums, [groups, taps, cout * cin])], { perm: [0, 2, 1] });
  return reshape(g, turned, [groups * cout, cin, ...kernel]);
}
