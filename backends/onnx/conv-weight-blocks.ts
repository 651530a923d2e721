/**
 * The gradient of a convolution's weight in blocks that stay in the cache: slabs along the outermost axis of a sample.
 *
 * Every product needs input and cotangent shifted against each other. Here the input is shifted along the outermost
 * axis (a slice of long runs) and the cotangent, the other way, along all others; all cotangents of a row of the kernel
 * are one matrix. So a kernel of 3 x 3 takes 3 and 3 copies instead of 9, and products have three times the rows.
 *
 *   tap (ky, kx):  Σ x[h + ky, w + kx] * dy[h, w]  =  Σ x[h + ky, w] * dy[h, w - kx]
 *
 * Rows of the cotangent become as long as those of the input; what is shifted in is 0. A stride splits the input
 * into phases first (one for each remainder of the position by the stride), within which taps are shifts again.
 */
import { at } from '../../ir/box.ts';
import type { Sides } from '../../ir/ops/attributes.ts';
import { product } from '../../ir/type.ts';
import type { Builder } from './builder.ts';
import { indices, positions, reshape, sidesList, slice, spatialAxes } from './formulas.ts';
import { blockSlabs } from './rules.ts';
import { asWeight, productWithTransposed, type WeightSite } from './weight-site.ts';

/** Which phase of the input a cell of the kernel reads, and how far shifted; on one axis or on several. */
type Shift<T> = { readonly phase: T; readonly by: T };

/** Cells of the kernel that are neighbours on the inner axes and read the same phases: one product. */
type Run = { readonly phase: readonly number[]; readonly shifts: readonly (readonly number[])[] };

/** All that the blocks have in common. */
type Plan = {
  readonly weight: WeightSite;
  /** Of each cell of the kernel along the outermost axis. */
  readonly outer: readonly Shift<number>[];
  readonly runs: readonly Run[];
  /** Cells of a phase of the input on each inner axis. */
  readonly row: readonly number[];
  /** Places of the cotangent on the outermost axis in a block, and those of a phase of the input from `least` on. */
  readonly slabs: number;
  readonly least: number;
  readonly inputSlabs: number;
};

function shiftOf({ attrs }: WeightSite, axis: number, k: number): Shift<number> {
  const [stride, offset] = [at(attrs.stride, axis), k * at(attrs.dilation, axis) - at(attrs.pad, axis)[0]];
  const by = Math.floor(offset / stride);
  return { phase: offset - by * stride, by };
}

function runsOf(weight: WeightSite): Run[] {
  const runs: { phase: number[]; shifts: number[][] }[] = [];
  for (const tap of positions(weight.attrs.kernel.slice(1))) {
    const shifts = tap.map((k, axis) => shiftOf(weight, axis + 1, k));
    const phase = shifts.map((shift) => shift.phase);
    const last = runs.at(-1);
    const run = last !== undefined && String(last.phase) === String(phase) ? last : { phase, shifts: [] };
    run.shifts.push(shifts.map(({ by }) => by));
    if (run !== last) runs.push(run);
  }
  return runs;
}

function planOf(weight: WeightSite): Plan {
  const { attrs, input, output, cin, cout } = weight;
  const outer = indices(at(attrs.kernel, 0)).map((k) => shiftOf(weight, 0, k));
  const runs = runsOf(weight);
  const row = input.slice(1).map((size, axis) => Math.ceil(size / at(attrs.stride, axis + 1)));
  const longest = Math.max(...runs.map(({ shifts }) => shifts.length));
  const channels = attrs.groups * Math.max(longest * cout, cin * product(attrs.stride));
  const slabs = blockSlabs(at(output, 0), product(row), channels);
  const by = outer.map((shift) => shift.by);
  const least = Math.min(...by);
  return { weight, outer, runs, row, slabs, least, inputSlabs: slabs + Math.max(...by) - least };
}

/** One block: which sample, which slabs of the cotangent and of the input, and how many zeros around them. */
type Block = {
  readonly sample: number;
  readonly cotangent: Sides;
  readonly short: Sides;
  readonly input: Sides;
  readonly around: Sides;
};

const clamp = (value: number, most: number): number => Math.min(most, Math.max(0, value));

function blocksOf({ weight, slabs, least, inputSlabs }: Plan): Block[] {
  const [size, places, stride] = [at(weight.input, 0), at(weight.output, 0), at(weight.attrs.stride, 0)];
  const blockAt = (sample: number, first: number): Block => {
    const end = Math.min(places, first + slabs);
    const [from, to] = [(first + least) * stride, (first + least + inputSlabs) * stride];
    const input: Sides = [clamp(from, size), clamp(to, size)];
    const before = Math.min(to - from, Math.max(0, -from));
    const around: Sides = [before, to - from - before - (input[1] - input[0])];
    return { sample, cotangent: [first, end], short: [0, first + slabs - end], input, around };
  };
  const blocks = indices(Math.ceil(places / slabs));
  return indices(weight.samples).flatMap((sample) => blocks.map((block) => blockAt(sample, block * slabs)));
}

/** The emission of one block: `index` is a scalar, the number of the block. */
type Emission = {
  readonly g: Builder;
  readonly plan: Plan;
  readonly blocks: readonly Block[];
  readonly index: string;
};

/** The numbers that `row` gives for the block, as a tensor. */
function perBlock({ g, blocks, index }: Emission, row: (block: Block) => readonly number[]): string {
  const rows = blocks.map(row);
  const [first] = rows;
  if (first === undefined) throw new Error('there is at least one block');
  if (rows.every((other) => String(other) === String(first))) return g.ints(first);
  return g.op('Gather', [g.ints(rows.flat(), [rows.length, first.length]), index], { axis: 0 });
}

/** A part of one sample along the outermost axis. */
function partOf(emission: Emission, x: string, range: (block: Block) => Sides): string {
  const starts = perBlock(emission, (block) => [block.sample, range(block)[0]]);
  const ends = perBlock(emission, (block) => [block.sample + 1, range(block)[1]]);
  return emission.g.op('Slice', [x, starts, ends, emission.g.ints([0, 2])]);
}

/** With zeros around it, `outer` on the outermost axis; negative ones cut off. */
function surround(
  emission: Emission,
  x: string,
  outer: (block: Block) => Sides,
  inner: readonly Sides[],
): string {
  const { g, blocks } = emission;
  const isWhole = (sides: readonly Sides[]): boolean => sides.every(([lo, hi]) => lo === 0 && hi === 0);
  if (isWhole(inner) && isWhole(blocks.map(outer))) return x;
  const pads = perBlock(emission, (block) => sidesList([outer(block), ...inner]));
  return g.op('Pad', [x, pads, g.float(0), g.ints(spatialAxes(inner.length + 1))]);
}

/** The input under a block, with zeros wherever it leaves the image, and up to a whole number of strides. */
function window(emission: Emission, x: string): string {
  const { weight, row } = emission.plan;
  const inner = row.map(
    (cells, axis): Sides => [0, cells * at(weight.attrs.stride, axis + 1) - at(weight.input, axis + 1)],
  );
  const part = partOf(emission, x, ({ input }) => input);
  return surround(emission, part, ({ around }) => around, inner);
}

/** `[cin, cells]`, or with groups before them. */
const matrix = ({ g, plan }: Emission, x: string, rows: number, cells: number): string =>
  reshape(g, x, plan.weight.attrs.groups === 1 ? [rows, cells] : [plan.weight.attrs.groups, rows, cells]);

/** Every `stride`-th cell of the window from `phase` on, as a matrix. */
function phaseOf(emission: Emission, windowed: string, phase: readonly number[]): string {
  const { g, plan } = emission;
  const { attrs, cin } = plan.weight;
  const sizes = [plan.inputSlabs, ...plan.row];
  const axes = indices(sizes.length).filter((axis) => at(attrs.stride, axis) > 1);
  const pick = (numbers: readonly number[]): string => g.ints(axes.map((axis) => at(numbers, axis)));
  const ends = sizes.map((size, axis) => size * at(attrs.stride, axis));
  const steps = [pick(phase), pick(ends), g.ints(axes.map((axis) => axis + 2)), pick(attrs.stride)];
  const cells = axes.length === 0 ? windowed : g.op('Slice', [windowed, ...steps]);
  return matrix(emission, cells, cin, product(sizes));
}

/** The cotangents of a run's taps, one under another. */
function cotangents(emission: Emission, part: string, { shifts }: Run): string {
  const { g, plan } = emission;
  const { weight, row, slabs } = plan;
  const shifted = shifts.map((by) => {
    const inner = by.map((shift, axis): Sides => {
      const size = at(weight.output, axis + 1);
      return [shift, at(row, axis) - size - shift];
    });
    const cells = surround(emission, part, ({ short }) => short, inner);
    return matrix(emission, cells, weight.cout, slabs * product(row));
  });
  const axis = weight.attrs.groups === 1 ? 0 : 1;
  return shifted.length === 1 ? at(shifted, 0) : g.op('Concat', shifted, { axis });
}

/** `total` and one block's share: the cotangents of a run times a phase of the input. */
function addProduct({ g, plan }: Emission, left: string, right: string, total: string | undefined): string {
  if (plan.weight.attrs.groups === 1) return productWithTransposed(g, left, right, total);
  const share = g.op('FusedMatMul', [left, right], { transB: 1 });
  return total === undefined ? share : g.op('Add', [total, share]);
}

/** The totals, one for each cell of the kernel along the outermost axis and each run, after one more block. */
function addBlock(
  emission: Emission,
  totals: readonly (string | undefined)[],
  x: string,
  dy: string,
): string[] {
  const { g, plan } = emission;
  const windowed = window(emission, x);
  const part = partOf(emission, dy, ({ cotangent }) => cotangent);
  const lefts = plan.runs.map((run) => cotangents(emission, part, run));
  const phases = new Map<string, string>();
  const axis = plan.weight.attrs.groups === 1 ? 1 : 2;
  const cells = product(plan.row);
  return plan.outer.flatMap((outer, k) =>
    plan.runs.map((run, r) => {
      const phase = [outer.phase, ...run.phase];
      const found = phases.get(String(phase)) ?? phaseOf(emission, windowed, phase);
      phases.set(String(phase), found);
      const from = (outer.by - plan.least) * cells;
      const whole = plan.inputSlabs === plan.slabs;
      const right = whole ? found : slice(g, found, [{ axis, from, to: from + plan.slabs * cells }]);
      return addProduct(emission, at(lefts, r), right, totals[k * plan.runs.length + r]);
    }),
  );
}

export function convWeightInBlocks(g: Builder, weight: WeightSite, x: string, dy: string): string {
  const plan = planOf(weight);
  const blocks = blocksOf(plan);
  const { groups } = weight.attrs;
  const dims = plan.outer.flatMap(() =>
    plan.runs.map(({ shifts }) => {
      const rows = shifts.length * weight.cout;
      return groups === 1 ? [rows, weight.cin] : [groups, rows, weight.cin];
    }),
  );
  const sums = g.sums(blocks.length, dims, (index, totals) =>
    addBlock({ g, plan, blocks, index }, totals, x, dy),
  );
  const all = sums.length === 1 ? at(sums, 0) : g.op('Concat', sums, { axis: groups === 1 ? 0 : 1 });
  return asWeight(g, weight, all, 'cotangent first');
}
