/** A random small graph for each op kind: any rank, uneven pads, strides, dilations, groups. Used by tests only. */
import * as fc from 'fast-check';
import { wholeBox } from '../../../ir/box.ts';
import { isFault } from '../../../ir/diagnostics/diagnostic.ts';
import type { Graph, Op } from '../../../ir/graph.ts';
import type {
  ConvAttributes,
  LocalKind,
  OpAttributes,
  OpKind,
  PoolAttributes,
  Sides,
} from '../../../ir/ops/attributes.ts';
import { makeOp } from '../../../ir/ops/table.ts';
import { array, map, type ValueType } from '../../../ir/type.ts';

/** How the numbers of an input are drawn. */
export type Fill = 'real' | 'coarse' | 'positive' | 'labels' | 'count';

export type Case = {
  readonly graph: Graph;
  readonly samples: number;
  /** Of inputs by name. */
  readonly fills: Readonly<Record<string, Fill>>;
  readonly seed: number;
};

/** What a case is made of: each op takes what it needs. */
export type World = {
  readonly axes: readonly {
    readonly size: number;
    readonly kernel: number;
    readonly stride: number;
    readonly dilation: number;
    readonly factor: number;
    readonly pad: Sides;
    readonly crop: Sides;
  }[];
  readonly samples: number;
  readonly cin: number;
  readonly cout: number;
  readonly groups: number;
  readonly flag: boolean;
  readonly real: number;
  readonly weights: readonly number[];
  readonly seed: number;
};

const upTo = (most: number, least = 1): fc.Arbitrary<number> => fc.integer({ min: least, max: most });
const sides = (least: number): fc.Arbitrary<Sides> => fc.tuple(upTo(2, least), upTo(2, least));
const reals = fc.integer({ min: 1, max: 15 }).map((n) => n / 8);

const axis = fc.record({
  size: upTo(8),
  kernel: upTo(3),
  stride: upTo(3),
  dilation: upTo(2),
  factor: upTo(3),
  pad: sides(-1),
  crop: sides(0),
});

const world: fc.Arbitrary<World> = fc.record({
  axes: fc.array(axis, { minLength: 1, maxLength: 3 }),
  samples: upTo(3),
  cin: upTo(4),
  cout: upTo(4),
  groups: upTo(2),
  flag: fc.boolean(),
  real: reals,
  weights: fc.array(reals, { minLength: 8, maxLength: 8 }),
  seed: fc.nat(),
});

type Operand = { readonly type: ValueType; readonly fill: Fill };
type Operands = Readonly<Record<string, Operand>>;

const real = (type: ValueType): Operand => ({ type, fill: 'real' });

/** The graph of these ops, each reading inputs or results of those before; undefined where shapes do not fit. */
function graphOf(w: World, operands: Operands, ...steps: readonly Step[]): Case | undefined {
  const types = new Map(Object.entries(operands).map(([name, { type }]) => [name, type]));
  const made: Op[] = [];
  for (const step of steps) {
    const op = step(types);
    if (op === undefined) return undefined;
    made.push(op);
    types.set(op.output, op.type);
  }
  const inputs = Object.entries(operands).map(([name, { type }]) => ({ name, type }));
  const fills = Object.fromEntries(Object.entries(operands).map(([name, { fill }]) => [name, fill]));
  return { graph: { inputs, ops: made, outputs: ['result'] }, samples: w.samples, fills, seed: w.seed };
}

type Step = (types: ReadonlyMap<string, ValueType>) => Op | undefined;

/** One op with its result named; undefined where its operands do not fit it. */
const step =
  <K extends OpKind>(kind: K, attrs: OpAttributes[K], inputs: readonly string[], output = 'result'): Step =>
  (types) => {
    const operandTypes = inputs.map((name) => types.get(name) ?? array([]));
    const op = makeOp(kind, output, inputs, attrs, operandTypes);
    return isFault(op) ? undefined : op;
  };

const sizes = (w: World): number[] => w.axes.map(({ size }) => size);
const of = (w: World, channels = w.cin, element: 'f32' | 'u8' = 'f32'): ValueType =>
  map(channels, wholeBox(sizes(w)), element);
const vector = (channels: number): ValueType => map(channels, []);

const convAttributes = (w: World): ConvAttributes => ({
  kernel: w.axes.map(({ kernel }) => kernel),
  stride: w.axes.map(({ stride }) => (w.flag ? stride : 1)),
  dilation: w.axes.map(({ dilation }) => dilation),
  pad: w.axes.map(({ pad }) => pad),
  groups: w.groups,
});

const convWeightType = (w: World): ValueType =>
  array([w.groups * w.cout, w.cin, ...w.axes.map(({ kernel }) => kernel)]);

/** Padding never fills a whole window. */
const poolAttributes = (w: World): PoolAttributes => ({
  kernel: w.axes.map(({ kernel }) => kernel),
  stride: w.axes.map(({ kernel, stride }) => (w.flag ? kernel : stride)),
  pad: w.axes.map(({ kernel, pad: [lo, hi] }): Sides => [Math.min(lo, kernel - 1), Math.min(hi, kernel - 1)]),
});

/** The type of `y` in `y = kind(x)`, so that a cotangent of it can be an input. */
function resultOf<K extends OpKind>(
  kind: K,
  attrs: OpAttributes[K],
  ...types: ValueType[]
): ValueType | undefined {
  const op = makeOp(
    kind,
    'y',
    types.map((_, i) => `${i}`),
    attrs,
    types,
  );
  return isFault(op) ? undefined : op.type;
}

/** A case whose operand `dy` has the type of a forward result, if there is such a result. */
const withCotangent = (
  w: World,
  dy: ValueType | undefined,
  operands: Operands,
  ...steps: readonly Step[]
): Case | undefined => (dy === undefined ? undefined : graphOf(w, { ...operands, dy: real(dy) }, ...steps));

const elementwise =
  <K extends OpKind>(kind: K, attrs: (w: World) => OpAttributes[K]) =>
  (w: World) =>
    graphOf(w, { x: real(of(w)) }, step(kind, attrs(w), ['x']));

/** Two arrays or maps of equal type. */
const pairwise =
  <K extends OpKind>(kind: K, attrs: (w: World) => OpAttributes[K], second: Fill = 'real') =>
  (w: World) =>
    graphOf(w, { a: real(of(w)), b: { type: of(w), fill: second } }, step(kind, attrs(w), ['a', 'b']));

const classWeights = (w: World) => ({ weights: w.flag ? w.weights.slice(0, w.cin) : [] });

const entropyOperands = (w: World): Operands => ({
  logits: real(of(w)),
  target: { type: of(w, 1, 'u8'), fill: 'labels' },
  count: { type: array([]), fill: 'count' },
});

const binaryOperands = (w: World): Operands => ({ ...entropyOperands(w), logits: real(of(w, 1)) });
const binaryWeights = (w: World) => ({ weights: w.flag ? w.weights.slice(0, 2) : [] });
const focalAttributes = (w: World) => ({ ...classWeights(w), gamma: [0, 0.5, 1, 2, 3.5][w.seed % 5] ?? 2 });

/** One channel is the score of class 1. */
const diceOperands = (w: World): Operands => ({
  logits: real(of(w)),
  target: { type: of(w, 1, 'u8'), fill: 'labels' },
});
const sumsOperand = (w: World): Operand => ({ type: vector(3 * w.cin), fill: 'positive' });
const diceAttributes = (w: World) => ({
  smooth: w.flag ? 0 : w.real,
  over: w.seed % 2 ? w.samples : 1,
  samples: 2 * w.samples,
});

const regressionOperands = (w: World): Operands => ({
  x: real(of(w)),
  target: real(of(w)),
  count: { type: array([]), fill: 'count' },
});

const parameter = (w: World): ValueType => array([w.cout, ...sizes(w)]);

/** One group a channel, or one or two groups of some channels. */
const groupsOf = (w: World): number => (w.flag ? w.cin : w.groups);
const channelsOf = (w: World): number => w.groups * w.cin;
const normalized = (w: World): ValueType => of(w, w.flag ? w.cin : channelsOf(w));
const momentsOperands = (w: World): Operands => ({ x: real(normalized(w)) });
/** All samples together, or each by itself. */
const momentsAttributes = (w: World) => ({ groups: groupsOf(w), over: w.seed % 2 ? w.samples : 1 });
const moments = (w: World) => step('moments', momentsAttributes(w), ['x'], 'moments');
const frequencies = (w: World) => ({ frequencies: w.weights.slice(0, w.cout) });
const epsilon = 1e-3;

const makers: { readonly [K in LocalKind]: (w: World) => Case | undefined } = {
  affine: elementwise('affine', (w) => ({
    scale: w.flag ? w.weights.slice(0, w.cin) : Array.from({ length: w.cin }, () => w.real),
    shift: w.weights.slice(0, w.cin).map((v) => v - 1),
  })),
  conv: (w) =>
    graphOf(
      w,
      {
        x: real(of(w, w.groups * w.cin)),
        weight: real(convWeightType(w)),
        bias: real(array([w.groups * w.cout])),
      },
      step('conv', convAttributes(w), w.seed % 2 ? ['x', 'weight', 'bias'] : ['x', 'weight']),
    ),
  up_conv: (w) =>
    graphOf(
      w,
      {
        x: real(of(w)),
        weight: real(array([w.cin, w.cout, ...w.axes.map(({ kernel }) => kernel)])),
        bias: real(array([w.cout])),
      },
      step(
        'up_conv',
        {
          kernel: w.axes.map(({ kernel }) => kernel),
          stride: w.axes.map(({ stride }) => stride),
          crop: w.axes.map(({ crop }) => crop),
        },
        w.flag ? ['x', 'weight', 'bias'] : ['x', 'weight'],
      ),
    ),
  relu: elementwise('relu', () => ({})),
  leaky_relu: elementwise('leaky_relu', (w) => ({ slope: w.real / 4 })),
  silu: elementwise('silu', () => ({})),
  sigmoid: elementwise('sigmoid', () => ({})),
  gelu: elementwise('gelu', () => ({})),
  softmax: elementwise('softmax', () => ({})),
  mul: (w) =>
    graphOf(w, { x: real(of(w)), gate: real(of(w, w.flag ? 1 : w.cin)) }, step('mul', {}, ['x', 'gate'])),
  max_pool: elementwise('max_pool', poolAttributes),
  avg_pool: elementwise('avg_pool', (w) => {
    const { kernel, stride } = poolAttributes(w);
    return { kernel, stride };
  }),
  concat: (w) =>
    graphOf(
      w,
      { a: real(of(w)), b: real(of(w, w.cout)), c: real(of(w, 1)) },
      step('concat', {}, w.flag ? ['a', 'b', 'c'] : ['a', 'b']),
    ),
  add: (w) =>
    graphOf(w, { a: real(of(w)), b: real(w.seed % 2 ? of(w) : vector(w.cin)) }, step('add', {}, ['a', 'b'])),
  crop: (w) =>
    graphOf(
      w,
      { x: w.flag ? { type: of(w, 1, 'u8'), fill: 'labels' } : real(of(w)) },
      step('crop', { sides: w.axes.map(({ crop }) => crop) }, ['x']),
    ),
  pad: elementwise('pad', (w) => ({ sides: w.axes.map(({ crop }) => crop) })),
  resize: (w) =>
    w.axes.every(({ size, factor, crop }) => size * factor > crop[0] + crop[1])
      ? elementwise('resize', resizeAttributes)(w)
      : undefined,
  stretch: (w) =>
    stretchFits(w)
      ? graphOf(w, { x: real(of(w)), ...sharesOperand(w) }, step('stretch', stretchOf(w), ['x', 'shares']))
      : undefined,
  mask: (w) =>
    graphOf(w, { x: real(of(w)), m: real(w.flag ? of(w) : vector(w.cin)) }, step('mask', {}, ['x', 'm'])),
  moments: (w) => graphOf(w, momentsOperands(w), step('moments', momentsAttributes(w), ['x'])),
  running_share: (w) =>
    graphOf(
      w,
      momentsOperands(w),
      moments(w),
      step('running_share', { of: w.flag ? 'mean' : 'variance', over: 2, samples: 4, cells: w.cout }, [
        'moments',
      ]),
    ),
  normalize_by: (w) =>
    graphOf(
      w,
      { x: real(of(w)), mean: real(array([w.cin])), variance: { type: array([w.cin]), fill: 'positive' } },
      step('normalize_by', { epsilon }, ['x', 'mean', 'variance']),
    ),
  scale_shift: (w) =>
    graphOf(
      w,
      {
        x: real(w.seed % 2 ? of(w) : vector(w.cin)),
        scale: real(array([w.cin])),
        shift: real(array([w.cin])),
      },
      step('scale_shift', {}, w.flag ? ['x', 'scale', 'shift'] : ['x', 'scale']),
    ),
  linear: (w) =>
    graphOf(
      w,
      { x: real(vector(w.cin)), weight: real(array([w.cout, w.cin])), bias: real(array([w.cout])) },
      step('linear', {}, w.flag ? ['x', 'weight', 'bias'] : ['x', 'weight']),
    ),
  sine: (w) => graphOf(w, { x: real(vector(1)) }, step('sine', frequencies(w), ['x'])),
  normalize: (w) =>
    graphOf(w, momentsOperands(w), moments(w), step('normalize', { epsilon }, ['x', 'moments'])),
  classify: (w) =>
    graphOf(
      w,
      { logits: { type: of(w, w.cin + (w.flag ? 3 : 0)), fill: 'coarse' } },
      step('classify', {}, ['logits']),
    ),
  cross_entropy: (w) =>
    graphOf(w, entropyOperands(w), step('cross_entropy', classWeights(w), ['logits', 'target', 'count'])),
  binary_cross_entropy: (w) =>
    graphOf(
      w,
      binaryOperands(w),
      step('binary_cross_entropy', binaryWeights(w), ['logits', 'target', 'count']),
    ),
  focal: (w) =>
    graphOf(w, entropyOperands(w), step('focal', focalAttributes(w), ['logits', 'target', 'count'])),
  l1: (w) => graphOf(w, regressionOperands(w), step('l1', {}, ['x', 'target', 'count'])),
  mse: (w) => graphOf(w, regressionOperands(w), step('mse', {}, ['x', 'target', 'count'])),
  dice_sums: (w) => graphOf(w, diceOperands(w), step('dice_sums', {}, ['logits', 'target'])),
  dice: (w) => graphOf(w, { sums: sumsOperand(w) }, step('dice', diceAttributes(w), ['sums'])),
  weighted_sum: (w) =>
    graphOf(
      w,
      { a: real(array([])), b: real(array([])), c: real(array([])) },
      step('weighted_sum', { weights: [w.real, 1, w.cin] }, ['a', 'b', 'c']),
    ),
  fill: (w) => graphOf(w, {}, step('fill', { value: w.real, dims: w.flag ? [] : sizes(w) }, [])),
  conv_data: (w) => {
    const [x, weight, attrs] = [of(w, w.groups * w.cin), convWeightType(w), convAttributes(w)];
    return withCotangent(
      w,
      resultOf('conv', attrs, x, weight),
      { weight: real(weight) },
      step('conv_data', { ...attrs, extent: sizes(w) }, ['dy', 'weight']),
    );
  },
  conv_weight: (w) => {
    const [x, attrs] = [of(w, w.groups * w.cin), convAttributes(w)];
    const dy = resultOf('conv', attrs, x, convWeightType(w));
    return withCotangent(w, dy, { x: real(x) }, step('conv_weight', attrs, ['x', 'dy']));
  },
  channel_sum: elementwise('channel_sum', () => ({})),
  relu_grad: pairwise('relu_grad', () => ({})),
  relu_mask: elementwise('relu_mask', () => ({})),
  relu_mask_grad: (w) => {
    const slope = w.flag ? w.real / 16 : -w.real;
    return withCotangent(
      w,
      of(w),
      { y: { type: of(w), fill: 'coarse' } },
      step('relu_mask', {}, ['y'], 'mask'),
      step('relu_mask_grad', { slope: w.seed % 2 ? 0 : slope }, ['mask', 'dy']),
    );
  },
  leaky_relu_grad: pairwise('leaky_relu_grad', (w) => ({ slope: w.flag ? w.real : -w.real })),
  silu_grad: pairwise('silu_grad', () => ({})),
  sigmoid_grad: pairwise('sigmoid_grad', () => ({})),
  gelu_grad: pairwise('gelu_grad', () => ({})),
  softmax_grad: pairwise('softmax_grad', () => ({})),
  gate_grad: pairwise('gate_grad', () => ({})),
  max_pool_grad: (w) => {
    const attrs = poolAttributes(w);
    return withCotangent(
      w,
      resultOf('max_pool', attrs, of(w)),
      { x: { type: of(w), fill: 'coarse' } },
      step('max_pool', attrs, ['x'], 'y'),
      step('max_pool_grad', attrs, ['x', 'y', 'dy']),
    );
  },
  max_pool_index: (w) =>
    graphOf(w, { x: { type: of(w), fill: 'coarse' } }, step('max_pool_index', poolAttributes(w), ['x'])),
  max_pool_index_grad: (w) => {
    const attrs = poolAttributes(w);
    return withCotangent(
      w,
      resultOf('max_pool', attrs, of(w)),
      { x: { type: of(w), fill: 'coarse' } },
      step('max_pool_index', attrs, ['x'], 'index'),
      step('max_pool_index_grad', { ...attrs, extent: sizes(w) }, ['index', 'dy']),
    );
  },
  avg_pool_grad: (w) => {
    const { kernel, stride } = poolAttributes(w);
    const dy = resultOf('avg_pool', { kernel, stride }, of(w));
    return withCotangent(w, dy, {}, step('avg_pool_grad', { kernel, stride, extent: sizes(w) }, ['dy']));
  },
  channels: (w) =>
    graphOf(
      w,
      { x: real(of(w, w.cin + w.cout)) },
      step('channels', { from: w.cin - 1, to: w.cin + 1 }, ['x']),
    ),
  resize_grad: (w) => {
    const attrs = resizeAttributes(w);
    if (w.axes.some(({ size, factor, crop }) => size * factor <= crop[0] + crop[1])) return undefined;
    const dy = resultOf('resize', attrs, of(w));
    return withCotangent(w, dy, {}, step('resize_grad', { ...attrs, extent: sizes(w) }, ['dy']));
  },
  stretch_grad: (w) => {
    if (!stretchFits(w)) return undefined;
    const operands = sharesOperand(w);
    const dy = resultOf('stretch', stretchOf(w), of(w), operands.shares.type);
    const attrs = { ...stretchOf(w), extent: sizes(w) };
    return withCotangent(w, dy, operands, step('stretch_grad', attrs, ['dy', 'shares']));
  },
  channel_dot: pairwise('channel_dot', () => ({})),
  space_sum: elementwise('space_sum', () => ({})),
  linear_data: (w) =>
    graphOf(
      w,
      { dy: real(vector(w.cout)), weight: real(array([w.cout, w.cin])) },
      step('linear_data', {}, ['dy', 'weight']),
    ),
  linear_weight: (w) =>
    graphOf(w, { x: real(vector(w.cin)), dy: real(vector(w.cout)) }, step('linear_weight', {}, ['x', 'dy'])),
  sine_grad: (w) =>
    graphOf(
      w,
      { x: real(vector(1)), dy: real(vector(2 * w.cout)) },
      step('sine_grad', frequencies(w), ['x', 'dy']),
    ),
  moments_grad: (w) =>
    graphOf(
      w,
      { ...momentsOperands(w), d: real(vector(2 * groupsOf(w))) },
      moments(w),
      step('moments_grad', { over: momentsAttributes(w).over }, ['x', 'moments', 'd']),
    ),
  normalize_grad: (w) =>
    withCotangent(
      w,
      normalized(w),
      momentsOperands(w),
      moments(w),
      step('normalize_grad', { epsilon }, ['x', 'moments', 'dy']),
    ),
  normalize_moments_grad: (w) =>
    graphOf(
      w,
      {
        x: real(normalized(w)),
        dy: real(normalized(w)),
        moments: { type: vector(2 * groupsOf(w)), fill: 'positive' },
      },
      step('normalize_moments_grad', { epsilon }, ['x', 'moments', 'dy']),
    ),
  cross_entropy_grad: (w) =>
    graphOf(
      w,
      { ...entropyOperands(w), dloss: real(array([])) },
      step('cross_entropy_grad', classWeights(w), ['logits', 'target', 'count', 'dloss']),
    ),
  binary_cross_entropy_grad: (w) =>
    graphOf(
      w,
      { ...binaryOperands(w), dloss: real(array([])) },
      step('binary_cross_entropy_grad', binaryWeights(w), ['logits', 'target', 'count', 'dloss']),
    ),
  focal_grad: (w) =>
    graphOf(
      w,
      { ...entropyOperands(w), dloss: real(array([])) },
      step('focal_grad', focalAttributes(w), ['logits', 'target', 'count', 'dloss']),
    ),
  dice_sums_grad: (w) =>
    graphOf(
      w,
      { ...diceOperands(w), dsums: real(vector(3 * w.cin)) },
      step('dice_sums_grad', {}, ['logits', 'target', 'dsums']),
    ),
  dice_grad: (w) =>
    graphOf(
      w,
      { sums: sumsOperand(w), dloss: real(array([])) },
      step('dice_grad', diceAttributes(w), ['sums', 'dloss']),
    ),
  l1_grad: (w) =>
    graphOf(
      w,
      { ...regressionOperands(w), dloss: real(array([])) },
      step('l1_grad', {}, ['x', 'target', 'count', 'dloss']),
    ),
  mse_grad: (w) =>
    graphOf(
      w,
      { ...regressionOperands(w), dloss: real(array([])) },
      step('mse_grad', {}, ['x', 'target', 'count', 'dloss']),
    ),
  blank: (w) => graphOf(w, {}, step('blank', { channels: w.cin, extent: w.flag ? [] : sizes(w) }, [])),
  partial_moments: (w) =>
    graphOf(w, momentsOperands(w), step('partial_moments', { groups: groupsOf(w) }, ['x'])),
  merge_moments: (w) => {
    const [partials, attrs] = partialsOf(w);
    return graphOf(
      w,
      { ...momentsOperands(w), y: real(normalized(w)) },
      ...partials,
      step('merge_moments', attrs, ['partials']),
    );
  },
  merge_sums: (w) => graphOf(w, { x: real(vector(3 * w.cin)) }, step('merge_sums', { parts: 3 }, ['x'])),
  merge_sums_grad: (w) =>
    graphOf(w, { dy: real(vector(w.cin)) }, step('merge_sums_grad', { parts: 3 }, ['dy'])),
  partial_moments_grad: (w) => {
    const groups = groupsOf(w);
    const operands = { ...momentsOperands(w), d: real(vector(3 * groups)) };
    const partial = step('partial_moments', { groups }, ['x'], 'partial');
    return graphOf(w, operands, partial, step('partial_moments_grad', { groups }, ['x', 'partial', 'd']));
  },
  merge_moments_grad: (w) => {
    const [partials, attrs] = partialsOf(w);
    const operands = { ...momentsOperands(w), y: real(normalized(w)), d: real(vector(2 * attrs.groups)) };
    const merged = step('merge_moments', attrs, ['partials'], 'merged');
    return graphOf(
      w,
      operands,
      ...partials,
      merged,
      step('merge_moments_grad', attrs, ['partials', 'merged', 'd']),
    );
  },
  scale: elementwise('scale', (w) => ({ factor: w.real })),
  axpy: (w) =>
    graphOf(
      w,
      { x: real(parameter(w)), y: real(parameter(w)) },
      step('axpy', { factor: w.real }, ['x', 'y']),
    ),
  moving_average: (w) => averaged(w, 'moving_average'),
  moving_square: (w) => averaged(w, 'moving_square'),
  adam_step: (w) =>
    graphOf(
      w,
      {
        p: real(parameter(w)),
        m: real(parameter(w)),
        v: { type: parameter(w), fill: 'positive' },
        hyper: { type: array([3]), fill: 'positive' },
      },
      step('adam_step', { epsilon: 1e-8, decay: w.flag ? 0 : w.real }, ['p', 'm', 'v', 'hyper']),
    ),
  sgd_step: (w) =>
    graphOf(
      w,
      { p: real(parameter(w)), d: real(parameter(w)), hyper: { type: array([3]), fill: 'positive' } },
      step('sgd_step', { decay: w.flag ? 0 : w.real }, ['p', 'd', 'hyper']),
    ),
};

/** One of the axes, and any shares at all. */
function stretchOf(w: World) {
  const axis = w.seed % w.axes.length;
  const { factor = 1, crop = [0, 0] as const } = w.axes[axis] ?? {};
  return { axis, factor, crop };
}

const stretchedSize = (w: World): number => {
  const { axis, factor, crop } = stretchOf(w);
  return (sizes(w)[axis] ?? 0) * factor - crop[0] - crop[1];
};

const stretchFits = (w: World): boolean => stretchedSize(w) > 0;

const sharesOperand = (w: World) => ({
  shares: real(map(3, wholeBox(w.axes.map((_, i) => (i === stretchOf(w).axis ? stretchedSize(w) : 1))))),
});

/** Statistics of two parts, one after another, and how they are merged: each sample's, or those of all samples. */
function partialsOf(w: World): [Step[], { groups: number; parts: number; over: number }] {
  const groups = groupsOf(w);
  const partial = (x: string) => step('partial_moments', { groups }, [x], `${x}~part`);
  const joined = step('concat', {}, ['x~part', 'y~part'], 'partials');
  return [[partial('x'), partial('y'), joined], { groups, parts: 2, over: w.flag ? w.samples : 1 }];
}

function resizeAttributes(w: World) {
  const [factor, crop] = [w.axes.map((a) => a.factor), w.axes.map((a) => a.crop)];
  return { mode: w.flag ? ('nearest' as const) : ('bilinear' as const), factor, crop };
}

function averaged(w: World, kind: 'moving_average' | 'moving_square'): Case | undefined {
  const operands = { old: real(parameter(w)), next: real(parameter(w)) };
  return graphOf(w, operands, step(kind, { beta: w.real / 2 }, ['old', 'next']));
}

const isCase = (example: Case | undefined): example is Case => example !== undefined;

/** Random cases of an op kind. */
export const casesOf = (kind: LocalKind): fc.Arbitrary<Case> => world.map(makers[kind]).filter(isCase);

/** One case of these sizes; a size that fits no graph is a bug of the test. */
export function caseOf(kind: LocalKind, w: World): Case {
  const example = makers[kind](w);
  if (example === undefined) throw new Error(`no ${kind} of these sizes`);
  return example;
}
