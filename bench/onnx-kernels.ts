/**
 * Formulations of the costly ops, timed in ONNX Runtime with one thread at the sizes of `coastline.unet`:
 * what `backends/onnx/rules.ts` and the formulas of the backend were chosen by. Run it with
 *
 *   npx tsx bench/onnx-kernels.ts [part of a title]
 *
 * The first line of each comparison is what the backend emits; the others are times as long as that.
 */
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { Builder } from '../backends/onnx/builder.ts';
import { emitOp } from '../backends/onnx/emit-op.ts';
import { encode, type Port } from '../backends/onnx/proto.ts';
import { wholeBox } from '../ir/box.ts';
import { isFault } from '../ir/diagnostics/diagnostic.ts';
import { asLocal } from '../ir/graph.ts';
import type { OpAttributes, OpKind } from '../ir/ops/attributes.ts';
import { flopsOf, makeOp } from '../ir/ops/table.ts';
import { array, dimsOf, map, product, type ValueType } from '../ir/type.ts';
import { sessionOptions } from '../runtime/local/sessions.ts';

const samples = 2;

type Formula = (g: Builder, ...operands: string[]) => string;

type Comparison = {
  readonly title: string;
  readonly inputs: readonly ValueType[];
  readonly output: ValueType;
  readonly operations: number;
  /** Adds the op as the backend emits it; its result is `y`. */
  readonly emitted: (g: Builder) => void;
  readonly others: Readonly<Record<string, Formula>>;
};

/** What the backend emits for one op, against other formulas for the same result. */
function compare<K extends OpKind>(
  title: string,
  kind: K,
  attrs: OpAttributes[K],
  inputs: readonly ValueType[],
  others: Readonly<Record<string, Formula>>,
): Comparison {
  const names = inputs.map((_, i) => `x${i}`);
  const op = makeOp(kind, 'y', names, attrs, inputs);
  if (isFault(op)) throw new Error(`${title}: ${op.code}`);
  const types = new Map(inputs.map((type, i) => [`x${i}`, type]));
  const emitted = (g: Builder): void => emitOp(g, asLocal(op), types, samples);
  return { title, inputs, output: op.type, operations: samples * flopsOf(op, inputs), emitted, others };
}

const portOf = (name: string, type: ValueType): Port => ({
  name,
  element: type.element,
  dims: dimsOf(type, samples),
});

/** A file of one op, as the backend emits it or by another formula. */
function fileOf({ inputs, output, emitted }: Comparison, formula?: Formula): Uint8Array {
  const names = inputs.map((_, i) => `x${i}`);
  const g = new Builder(new Set([...names, 'y']));
  if (formula === undefined) emitted(g);
  else g.define('y', () => formula(g, ...names));
  return encode({
    name: 'kernel',
    nodes: g.nodes,
    constants: g.constants,
    inputs: inputs.map((type, i) => portOf(`x${i}`, type)),
    outputs: [portOf('y', output)],
  });
}

/** Numbers around 0, half of them 0 as after a ReLU. */
const numbers = (length: number): Float32Array =>
  Float32Array.from({ length }, (_, i) => Math.max(0, Math.sin(i * 12.9898)));

const feedsOf = (inputs: readonly ValueType[]): Record<string, Tensor> =>
  Object.fromEntries(
    inputs.map((type, i) => {
      const dims = dimsOf(type, samples);
      return [`x${i}`, new Tensor('float32', numbers(product(dims)), dims)];
    }),
  );

type Runner = { readonly session: InferenceSession; best: number };

const open = async (file: Uint8Array): Promise<Runner> => ({
  session: await InferenceSession.create(file, sessionOptions(1)),
  best: Number.POSITIVE_INFINITY,
});

/**
 * Milliseconds of one run of each file. They take turns, and the best run counts: other programs on the
 * machine disturb only upwards, and all formulas alike.
 */
async function times({ inputs }: Comparison, files: readonly Uint8Array[]): Promise<number[]> {
  const feeds = feedsOf(inputs);
  const runners = await Promise.all(files.map(open));
  const begin = performance.now();
  for (let round = 0; round < 5 || performance.now() - begin < 600 * files.length; round++)
    for (const runner of runners) {
      const from = performance.now();
      await runner.session.run(feeds);
      runner.best = Math.min(runner.best, performance.now() - from);
    }
  for (const { session } of runners) await session.release();
  return runners.map(({ best }) => best);
}

const plane = (channels: number, size: number): ValueType => map(channels, wholeBox([size, size]));

const reshape = (g: Builder, x: string, dims: readonly number[]): string =>
  g.op('Reshape', [x, g.ints(dims)]);
const transpose = (g: Builder, x: string, perm: readonly number[]): string =>
  g.op('Transpose', [x], { perm });

const conv3 = {
  kernel: [3, 3],
  stride: [1, 1],
  dilation: [1, 1],
  pad: [
    [1, 1],
    [1, 1],
  ],
  groups: 1,
} as const;

const taps = [0, 1, 2].flatMap((y) => [0, 1, 2].map((x) => [y, x] as const));

/** Nine products of the whole image, each copy cut out of the padded image row by row. */
const wholeProducts =
  (c: number, size: number, joined: boolean): Formula =>
  (g, x, dy) => {
    const padded = g.op('Pad', [x, g.ints([0, 0, 1, 1, 0, 0, 1, 1])]);
    const right = transpose(g, reshape(g, dy, [samples, c, size * size]), [0, 2, 1]);
    const copies = taps.map(([y, x]) => {
      const ends = g.ints([y + size, x + size]);
      const copy = g.op('Slice', [padded, g.ints([y, x]), ends, g.ints([2, 3])]);
      return reshape(g, copy, [samples, c, size * size]);
    });
    const stack = (parts: string[]): string => g.op('Concat', parts, { axis: 1 });
    const products = joined
      ? g.op('MatMul', [stack(copies), right])
      : stack(copies.map((copy) => g.op('MatMul', [copy, right])));
    const sum = g.op('ReduceSum', [products, g.ints([0])], { keepdims: 0 });
    return reshape(g, transpose(g, reshape(g, sum, [9, c, c]), [2, 1, 0]), [c, c, 3, 3]);
  };

/** The cotangent as a kernel as large as the image. */
const hugeKernel: Formula = (g, x, dy) => {
  const swap = [1, 0, 2, 3];
  const result = g.op('Conv', [transpose(g, x, swap), transpose(g, dy, swap)], { pads: [1, 1, 1, 1] });
  return transpose(g, result, swap);
};

const levels = [
  [16, 256],
  [32, 128],
  [64, 64],
  [128, 32],
] as const;

const weightGradients = levels.map(([c, size]) =>
  compare(
    `conv_weight 3x3, ${c} channels, ${size} px`,
    'conv_weight',
    conv3,
    [plane(c, size), plane(c, size)],
    {
      'nine products of the whole image': wholeProducts(c, size, false),
      'im2col of the whole image': wholeProducts(c, size, true),
      ...(size > 64 ? {} : { 'one conv with a huge kernel': hugeKernel }),
    },
  ),
);

const flippedBySlice =
  (c: number): Formula =>
  (g, dy, w) => {
    const turned = transpose(g, w, [1, 0, 2, 3]);
    const ends = g.ints([-10, -10]);
    const flipped = g.op('Slice', [turned, g.ints([2, 2]), ends, g.ints([2, 3]), g.ints([-1, -1])]);
    return g.op('Conv', [dy, reshape(g, flipped, [c, c, 3, 3])], { pads: [1, 1, 1, 1] });
  };

const dataGradients = [...levels, [512, 16] as const].map(([c, size]) =>
  compare(
    `conv_data 3x3, ${c} channels, ${size} px`,
    'conv_data',
    { ...conv3, extent: [size, size] },
    [plane(c, size), array([c, c, 3, 3])],
    {
      'kernel reversed by slices': flippedBySlice(c),
      'transposed conv': (g, dy, w) => g.op('ConvTranspose', [dy, w], { pads: [1, 1, 1, 1] }),
    },
  ),
);

const forwards = levels.map(([c, size]) =>
  compare(`conv 3x3, ${c} channels, ${size} px`, 'conv', conv3, [plane(c, size), array([c, c, 3, 3])], {}),
);

const halves = { kernel: [2, 2], stride: [2, 2] } as const;

const pooled = { kernel_shape: [2, 2], strides: [2, 2] };

const poolGradients = levels.slice(0, 3).map(([c, size]) => {
  const dims = [samples, c, size, size];
  const scattered: Formula = (g, x, _y, dy) => {
    const places = reshape(g, g.second('MaxPool', [x], pooled), [-1]);
    const zeros = g.op('ConstantOfShape', [g.ints([product(dims)])]);
    return reshape(g, g.op('ScatterElements', [zeros, places, reshape(g, dy, [-1])], { axis: 0 }), dims);
  };
  return compare(
    `max_pool_grad 2x2, ${c} channels, ${size} px`,
    'max_pool_grad',
    {
      ...halves,
      pad: [
        [0, 0],
        [0, 0],
      ],
    },
    [plane(c, size), plane(c, size / 2), plane(c, size / 2)],
    { 'scattered by index': scattered },
  );
});

const masks = levels.slice(0, 2).map(([c, size]) =>
  compare(`relu_grad, ${c} channels, ${size} px`, 'relu_grad', {}, [plane(c, size), plane(c, size)], {
    where: (g, y, dy) => g.op('Where', [g.op('Greater', [y, g.float(0)]), dy, g.float(0)]),
    'product with a cast mask': (g, y, dy) =>
      g.op('Mul', [dy, g.op('Cast', [g.op('Greater', [y, g.float(0)])], { to: 1 })]),
    'product with the sign': (g, y, dy) => g.op('Mul', [dy, g.op('Sign', [y])]),
  }),
);

const classes = [2, 4, 8, 16].map((count) =>
  compare(`classify, ${count} classes, 256 px`, 'classify', {}, [plane(count, 256)], {
    ArgMax: (g, x) => g.op('Cast', [g.op('ArgMax', [x], { axis: 1 })], { to: 2 }),
  }),
);

const enlarged = compare(
  'resize by 2, 16 channels, 128 px',
  'resize',
  {
    mode: 'nearest',
    factor: [2, 2],
    crop: [
      [0, 0],
      [0, 0],
    ],
  },
  [plane(16, 128)],
  {
    'expanded on inner axes': (g, x) => {
      const inner = reshape(g, x, [samples, 16, 128, 1, 128, 1]);
      const wide = g.op('Expand', [inner, g.ints([samples, 16, 128, 2, 128, 2])]);
      return reshape(g, wide, [samples, 16, 256, 256]);
    },
  },
);

const comparisons: readonly Comparison[] = [
  ...forwards,
  ...dataGradients,
  ...weightGradients,
  ...poolGradients,
  ...masks,
  ...classes,
  enlarged,
];

async function show(comparison: Comparison): Promise<void> {
  const others = Object.entries(comparison.others);
  const files = [fileOf(comparison), ...others.map(([, formula]) => fileOf(comparison, formula))];
  const [ours = 0, ...rest] = await times(comparison, files);
  const rate = (comparison.operations / ours / 1e6).toFixed(1);
  console.log(`${comparison.title.padEnd(44)}${ours.toFixed(2).padStart(8)} ms${rate.padStart(8)} GFLOP/s`);
  others.forEach(([name], i) => {
    console.log(`  ${name.padEnd(42)}${((rest[i] ?? 0) / ours).toFixed(2).padStart(8)} x`);
  });
}

const wanted = process.argv[2] ?? '';
for (const comparison of comparisons) if (comparison.title.includes(wanted)) await show(comparison);
