/** Small networks, built by hand or drawn at random, for the laws. */
import fc from 'fast-check';
import { at, extents, wholeBox } from '../../ir/box.ts';
import { isFault } from '../../ir/diagnostics/diagnostic.ts';
import type { Op } from '../../ir/graph.ts';
import type { Input, Model, Output, Parameter, Statistic, Training } from '../../ir/model.ts';
import type { OpAttributes, OpKind, Sides } from '../../ir/ops/attributes.ts';
import { makeOp } from '../../ir/ops/table.ts';
import { array, map, product, type ValueType } from '../../ir/type.ts';

export type ConvOptions = {
  kernel?: number;
  stride?: number;
  dilation?: number;
  pad?: number;
  groups?: number;
  bias?: boolean;
};

/** Builds a model op by op; each method gives the name of its result. */
export class NetworkBuilder {
  readonly inputs: Input[] = [];
  readonly parameters: Parameter[] = [];
  readonly ops: Op[] = [];
  readonly outputs: Output[] = [];
  readonly statistics: Statistic[] = [];
  readonly rank: number;
  private readonly types = new Map<string, ValueType>();

  constructor(rank: number) {
    this.rank = rank;
  }

  typeOf(name: string): ValueType {
    const type = this.types.get(name);
    if (type === undefined) throw new Error(`no ${name}`);
    return type;
  }

  channels(name: string): number {
    const type = this.typeOf(name);
    return type.kind === 'map' ? type.channels : 0;
  }

  sizes(name: string): number[] {
    const type = this.typeOf(name);
    return type.kind === 'map' ? extents(type.box) : [];
  }

  input(name: string, type: ValueType, source: Input['source']): string {
    this.inputs.push({ name, type, source });
    this.types.set(name, type);
    return name;
  }

  op<K extends OpKind>(kind: K, inputs: string[], attrs: OpAttributes[K]): string {
    const op = makeOp(
      kind,
      `${kind}[${this.ops.length}]`,
      inputs,
      attrs,
      inputs.map((name) => this.typeOf(name)),
    );
    if (isFault(op)) throw new Error(`${op.code} ${JSON.stringify(op.args)}`);
    this.ops.push(op);
    this.types.set(op.output, op.type);
    return op.output;
  }

  parameter(name: string, dims: number[], fanIn?: number): string {
    const init =
      fanIn === undefined ? ({ kind: 'zeros' } as const) : ({ kind: 'he_uniform', fanIn } as const);
    this.parameters.push({ name, dims, init });
    this.types.set(name, array(dims));
    return name;
  }

  private each<T>(value: T): T[] {
    return Array.from({ length: this.rank }, () => value);
  }

  conv(x: string, channels: number, options: ConvOptions = {}): string {
    const { kernel = 3, stride = 1, dilation = 1, groups = 1, bias = true } = options;
    const pad = options.pad ?? (dilation * (kernel - 1)) / 2;
    const name = `conv[${this.ops.length}]`;
    const dims = [channels, this.channels(x) / groups, ...this.each(kernel)];
    const weight = this.parameter(`${name}.weight`, dims, product(dims.slice(1)));
    const operands = bias ? [x, weight, this.parameter(`${name}.bias`, [channels])] : [x, weight];
    const sides: Sides = [pad, pad];
    return this.op('conv', operands, {
      kernel: this.each(kernel),
      stride: this.each(stride),
      dilation: this.each(dilation),
      pad: this.each(sides),
      groups,
    });
  }

  upConv(x: string, channels: number, kernel = 2, stride = 2, crop: Sides = [0, 0]): string {
    const name = `up_conv[${this.ops.length}]`;
    const dims = [this.channels(x), channels, ...this.each(kernel)];
    const operands = [
      x,
      this.parameter(`${name}.weight`, dims, product(dims.slice(1))),
      this.parameter(`${name}.bias`, [channels]),
    ];
    return this.op('up_conv', operands, {
      kernel: this.each(kernel),
      stride: this.each(stride),
      crop: this.each(crop),
    });
  }

  pool(kind: 'max_pool' | 'avg_pool', x: string, kernel = 2, stride = 2): string {
    const window = { kernel: this.each(kernel), stride: this.each(stride) };
    return kind === 'avg_pool'
      ? this.op('avg_pool', [x], window)
      : this.op('max_pool', [x], { ...window, pad: this.each<Sides>([0, 0]) });
  }

  enlarge(x: string, factor = 2, mode: 'nearest' | 'bilinear' = 'nearest'): string {
    return this.op('resize', [x], {
      mode,
      factor: this.each(factor),
      crop: this.each<Sides>([0, 0]),
    });
  }

  /** Linear along each axis, corners aligned. */
  stretch(x: string, factor = 2): string {
    return this.each(0).reduce((value, _, axis) => {
      const sizes = this.sizes(value).map((size, other) => (other === axis ? size * factor : 1));
      const name = `shares[${this.ops.length}]`;
      const shares = this.input(name, map(3, wholeBox(sizes)), { from: 'corners', axis, factor });
      return this.op('stretch', [value, shares], { axis, factor, crop: [0, 0] });
    }, x);
  }

  /** Dropout of one in four cells or channels. */
  dropout(x: string, by: 'cell' | 'channel'): string {
    const layer = this.inputs.length;
    const box = by === 'cell' ? wholeBox(this.sizes(x)) : [];
    const mask = this.input(`dropout[${layer}]`, map(this.channels(x), box), {
      from: 'mask',
      layer,
      p: 0.25,
      by,
    });
    return this.op('mask', [x, mask], {});
  }

  /** A learned linear map of a vector. */
  linear(x: string, channels: number): string {
    const name = `linear[${this.ops.length}]`;
    const weight = this.parameter(`${name}.weight`, [channels, this.channels(x)], this.channels(x));
    return this.op('linear', [x, weight, this.parameter(`${name}.bias`, [channels])], {});
  }

  scaleShift(x: string): string {
    const name = `scale_shift[${this.ops.length}]`;
    const numbers = ['scale', 'shift'].map((one) => this.parameter(`${name}.${one}`, [this.channels(x)]));
    return this.op('scale_shift', [x, ...numbers], {});
  }

  /** Groups of channels to mean 0 and variance 1, of each sample or of so many together. */
  norm(x: string, groups: number, over = 1): string {
    const moments = this.op('moments', [x], { groups, over });
    // An epsilon so large keeps the slopes of tiny images small.
    return this.op('normalize', [x, moments], { epsilon: 0.1 });
  }

  /** With its running statistics; `samples` are those of the batch. */
  batchNorm(x: string, over: number, samples: number): string {
    const y = this.norm(x, this.channels(x), over);
    const moments = `moments[${this.ops.length - 2}]`;
    const cells = product(this.sizes(x));
    if (over * cells === 1) throw new Error('one number has no variance');
    for (const of of ['mean', 'variance'] as const) {
      const parameter = this.parameter(`${y}.${of}`, [this.channels(x)]);
      const value = this.op('running_share', [moments], { of, over, samples, cells });
      this.statistics.push({ parameter, value, momentum: 0.25 });
    }
    return y;
  }

  /** Brings `x` to the sizes of `like`, by zeros on the high sides or a centred crop. */
  fit(x: string, like: string): string {
    const difference = this.sizes(like).map((size, axis) => size - at(this.sizes(x), axis));
    if (difference.every((d) => d === 0)) return x;
    const padded = difference.some((d) => d > 0)
      ? this.op('pad', [x], { sides: difference.map((d): Sides => [0, Math.max(0, d)]) })
      : x;
    if (difference.every((d) => d >= 0)) return padded;
    const sides = difference.map((d): Sides => {
      const cut = Math.max(0, -d);
      return [Math.floor(cut / 2), Math.ceil(cut / 2)];
    });
    return this.op('crop', [padded], { sides });
  }

  /** A target of classes of the sizes of `logits`, which are the prediction for it; made once. */
  private labels(logits: string, target: string): string {
    if (this.types.has(target)) return target;
    const classes = Math.max(2, this.channels(logits));
    this.outputs.push({ name: target, value: this.op('classify', [logits], {}) });
    return this.input(target, map(1, wholeBox(this.sizes(logits)), 'u8'), { from: 'target', classes });
  }

  /** `logits`, their target and its count: the operands of a loss. */
  private classified(logits: string, target: string, weights: number[]): string[] {
    this.labels(logits, target);
    const count = this.input(`${target}~count`, array([]), { from: 'count', target, weights, channels: 1 });
    return [logits, target, count];
  }

  crossEntropy(logits: string, target: string, weights: number[] = []): string {
    return this.op('cross_entropy', this.classified(logits, target, weights), { weights });
  }

  focal(logits: string, target: string, gamma: number, weights: number[] = []): string {
    return this.op('focal', this.classified(logits, target, weights), { weights, gamma });
  }

  /** `over` samples share their sums; `samples` are those of the batch. */
  dice(logits: string, target: string, over: number, samples: number): string {
    const sums = this.op('dice_sums', [logits, this.labels(logits, target)], {});
    return this.op('dice', [sums], { smooth: 0.5, over, samples });
  }

  binaryCrossEntropy(logits: string, target: string, weights: number[] = []): string {
    return this.op('binary_cross_entropy', this.classified(logits, target, weights), { weights });
  }

  meanSquares(x: string, target: string): string {
    return this.regression('mse', x, target);
  }

  /** The mean over cells and channels of the squares, or of the absolute values, of what `x` is off. */
  regression(kind: 'mse' | 'l1', x: string, target: string): string {
    const channels = this.channels(x);
    this.input(target, map(channels, wholeBox(this.sizes(x))), { from: 'target' });
    const count = this.input(`${target}~count`, array([]), { from: 'count', target, weights: [], channels });
    return this.op(kind, [x, target, count], {});
  }

  model(name: string, loss: string, training: Partial<Training> = {}): Model {
    const { rank, inputs, parameters, ops, outputs, statistics } = this;
    return {
      name,
      rank,
      inputs,
      parameters,
      ops,
      outputs,
      loss,
      ...(statistics.length === 0 ? {} : { statistics }),
      training: { ...plainTraining, ...training },
    };
  }
}

export const plainTraining: Training = {
  optimizer: { kind: 'sgd', momentum: 0.9, nesterov: false, decay: 0 },
  rate: { peak: 0.01, warmUp: 0, curve: 'constant' },
  batch: 2,
  steps: 10,
  seed: 1,
};

const plainLosses = ['cross_entropy', 'weighted', 'mse', 'two', 'l1', 'focal', 'binary'] as const;
const diceLosses = ['dice', 'binary_dice', 'dice_of_batch', 'dice_and_entropy'] as const;

/** How a drawn U-Net is made. Every choice a schedule might stumble over is among them. */
export type Recipe = {
  readonly sizes: readonly number[];
  readonly levels: number;
  readonly width: number;
  readonly convs: number;
  readonly kernel: 1 | 3 | 5;
  readonly dilation: 1 | 2;
  readonly same: boolean;
  readonly down: 'max_pool' | 'avg_pool' | 'conv' | 'max_pool_3_2';
  readonly up: 'up_conv' | 'resize' | 'bilinear' | 'corners' | 'up_conv_3_2';
  readonly skip: 'concat' | 'add' | 'gated' | 'product';
  readonly activation: 'relu' | 'leaky_relu' | 'silu' | 'gelu' | 'sigmoid' | 'softmax';
  readonly norm: 'none' | 'instance' | 'group' | 'batch' | 'pairs';
  readonly dropout: 'none' | 'cell' | 'channel';
  readonly loss: (typeof plainLosses | typeof diceLosses)[number];
  /** A vector beside the image: turned into numbers added to, or learned scales and shifts of, each channel. */
  readonly beside: 'nothing' | 'time' | 'scales';
  readonly batch: number;
};

export const recipes = (rank = 2): fc.Arbitrary<Recipe> =>
  fc.record({
    sizes: fc.array(fc.integer({ min: 9, max: rank === 2 ? 26 : 14 }), { minLength: rank, maxLength: rank }),
    levels: fc.integer({ min: 0, max: 2 }),
    width: fc.constantFrom(2, 3),
    convs: fc.integer({ min: 1, max: 2 }),
    kernel: fc.constantFrom<1 | 3 | 5>(1, 3, 3, 3, 5),
    dilation: fc.constantFrom<1 | 2>(1, 1, 2),
    same: fc.boolean(),
    down: fc.constantFrom<Recipe['down']>('max_pool', 'avg_pool', 'conv', 'max_pool_3_2'),
    up: fc.constantFrom<Recipe['up']>('up_conv', 'resize', 'bilinear', 'corners', 'up_conv_3_2'),
    skip: fc.constantFrom<Recipe['skip']>('concat', 'add', 'gated', 'product'),
    activation: fc.constantFrom<Recipe['activation']>(
      'relu',
      'relu',
      'leaky_relu',
      'silu',
      'gelu',
      'sigmoid',
      'softmax',
    ),
    norm: fc.oneof(
      { weight: 2, arbitrary: fc.constant('none' as const) },
      { weight: 1, arbitrary: fc.constantFrom<Recipe['norm']>('instance', 'group', 'batch', 'pairs') },
    ),
    dropout: fc.constantFrom<Recipe['dropout']>('none', 'none', 'cell', 'channel'),
    loss: fc.oneof({ weight: 3, arbitrary: fc.constantFrom(...plainLosses) }, fc.constantFrom(...diceLosses)),
    beside: fc.constantFrom<Recipe['beside']>('nothing', 'nothing', 'time', 'scales'),
    batch: fc.constantFrom(1, 2, 4),
  });

/** Those with a dice loss that may be streamed. */
export const diceRecipes = (rank = 2): fc.Arbitrary<Recipe> =>
  fc
    .tuple(recipes(rank), fc.constantFrom(...diceLosses, 'dice_of_batch' as const, 'dice_of_batch' as const))
    .map(([recipe, loss]): Recipe => ({ ...recipe, loss, norm: 'none', batch: Math.max(2, recipe.batch) }));

const ups = {
  up_conv: (b: NetworkBuilder, x: string, width: number) => b.upConv(x, width),
  up_conv_3_2: (b: NetworkBuilder, x: string, width: number) => b.upConv(x, width, 3, 2, [1, 0]),
  bilinear: (b: NetworkBuilder, x: string, width: number) =>
    b.conv(b.enlarge(x, 2, 'bilinear'), width, { kernel: 1 }),
  corners: (b: NetworkBuilder, x: string, width: number) => b.conv(b.stretch(x), width, { kernel: 1 }),
  resize: (b: NetworkBuilder, x: string, width: number) => b.conv(b.enlarge(x), width, { kernel: 1 }),
};

const downs = {
  max_pool: (b: NetworkBuilder, x: string) => b.pool('max_pool', x),
  avg_pool: (b: NetworkBuilder, x: string) => b.pool('avg_pool', x),
  max_pool_3_2: (b: NetworkBuilder, x: string) => b.pool('max_pool', x, 3, 2),
  conv: (b: NetworkBuilder, x: string) => b.conv(x, b.channels(x), { kernel: 3, stride: 2 }),
};

/** How what comes over joins what comes up. */
const joins = {
  concat: (b: NetworkBuilder, skip: string, up: string) => b.op('concat', [skip, up], {}),
  add: (b: NetworkBuilder, skip: string, up: string) => b.op('add', [skip, up], {}),
  product: (b: NetworkBuilder, skip: string, up: string) => b.op('mul', [skip, up], {}),
  /** One factor a cell, for all channels of the skip, made of both. */
  gated(b: NetworkBuilder, skip: string, up: string) {
    const gate = b.op('sigmoid', [b.conv(b.op('add', [skip, up], {}), 1, { kernel: 1 })], {});
    return b.op('concat', [b.op('mul', [skip, gate], {}), up], {});
  },
};

const losses: Readonly<Record<Recipe['loss'], (b: NetworkBuilder, x: string, batch: number) => string>> = {
  cross_entropy: (b, x) => b.crossEntropy(b.conv(x, 3, { kernel: 1 }), 'truth'),
  weighted: (b, x) => b.crossEntropy(b.conv(x, 3, { kernel: 1 }), 'truth', [1, 0.5, 2]),
  mse: (b, x) => b.regression('mse', b.conv(x, 2, { kernel: 1 }), 'goal'),
  l1: (b, x) => b.regression('l1', b.conv(x, 2, { kernel: 1 }), 'goal'),
  focal: (b, x) => b.focal(b.conv(x, 3, { kernel: 1 }), 'truth', 1.5, [1, 0.5, 2]),
  binary: (b, x) => b.binaryCrossEntropy(b.conv(x, 1, { kernel: 1 }), 'truth', [0.5, 2]),
  two: (b, x, batch) =>
    b.op('weighted_sum', [losses.cross_entropy(b, x, batch), losses.mse(b, x, batch)], {
      weights: [1, 0.25],
    }),
  dice: (b, x, batch) => b.dice(b.conv(x, 3, { kernel: 1 }), 'truth', 1, batch),
  binary_dice: (b, x, batch) => b.dice(b.conv(x, 1, { kernel: 1 }), 'truth', 1, batch),
  dice_of_batch: (b, x, batch) => b.dice(b.conv(x, 2, { kernel: 1 }), 'truth', batch, batch),
  /** Both of the same scores. */
  dice_and_entropy(b, x, batch) {
    const logits = b.conv(x, 3, { kernel: 1 });
    const parts = [b.dice(logits, 'truth', 1, batch), b.crossEntropy(logits, 'truth', [1, 0.5, 2])];
    return b.op('weighted_sum', parts, { weights: [0.5, 1] });
  },
};

/** Batch norms over the whole batch, or over each two samples of it. */
const norms = {
  none: (_b: NetworkBuilder, x: string) => x,
  instance: (b: NetworkBuilder, x: string) => b.norm(x, b.channels(x)),
  group: (b: NetworkBuilder, x: string) => b.norm(x, 1),
  batch: (b: NetworkBuilder, x: string, batch: number) => b.batchNorm(x, batch, batch),
  pairs: (b: NetworkBuilder, x: string, batch: number) => b.batchNorm(x, Math.min(2, batch), batch),
};

/** The network of a recipe, or undefined where its image is too small for it. */
export function networkOf(recipe: Recipe): Model | undefined {
  try {
    return buildNetwork(recipe);
  } catch {
    return undefined;
  }
}

function buildNetwork(recipe: Recipe): Model {
  const b = new NetworkBuilder(recipe.sizes.length);
  const image = b.input('image', map(2, wholeBox(recipe.sizes)), { from: 'image' });
  const moment =
    recipe.beside === 'time'
      ? b.op(
          'silu',
          [
            b.linear(
              b.op('sine', [b.input('time', map(1, []), { from: 'image' })], { frequencies: [1, 0.3] }),
              3,
            ),
          ],
          {},
        )
      : '';
  const besides = {
    nothing: (x: string) => x,
    time: (x: string) => b.op('add', [x, b.linear(moment, b.channels(x))], {}),
    scales: (x: string) => b.scaleShift(x),
  };
  const activate = (x: string) =>
    recipe.activation === 'leaky_relu'
      ? b.op('leaky_relu', [x], { slope: 0.1 })
      : b.op(recipe.activation, [x], {});
  const block = (x: string, width: number) => {
    let value = x;
    for (let i = 0; i < recipe.convs; i++) {
      const pad = recipe.same ? {} : { pad: 0 };
      const options = { kernel: recipe.kernel, dilation: recipe.dilation, ...pad };
      const normal = norms[recipe.norm](b, b.conv(value, width, options), recipe.batch);
      const convolved = besides[recipe.beside](normal);
      value = activate(recipe.dropout === 'none' ? convolved : b.dropout(convolved, recipe.dropout));
    }
    return value;
  };
  const level = (x: string, l: number): string => {
    const encoded = block(x, recipe.width + l);
    if (l === recipe.levels) return encoded;
    const deeper = level(downs[recipe.down](b, encoded), l + 1);
    const up = ups[recipe.up](b, deeper, recipe.width + l);
    // Valid convs make the skip larger than what comes up; odd sizes make it larger by a row.
    const skip = recipe.same ? encoded : b.fit(encoded, up);
    const other = recipe.same ? b.fit(up, encoded) : up;
    return block(joins[recipe.skip](b, skip, other), recipe.width + l);
  };
  const scaled = b.op('affine', [image], { scale: [0.5, 0.25], shift: [0.1, -0.1] });
  return b.model('drawn', losses[recipe.loss](b, level(scaled, 0), recipe.batch), { batch: recipe.batch });
}
