/**
 * Writes random cases of every forward op for `torch-check.py`: operands, the result of the reference
 * backend, and the cotangents of the operands by the op table's gradients, run by the reference backend too.
 *
 *   npx tsx scripts/torch-check.ts cases.json && python scripts/torch-check.py cases.json
 */
import { writeFileSync } from 'node:fs';
import * as fc from 'fast-check';
import { runGraph } from '../backends/reference/run-graph.ts';
import { apply, arrayOf, randoms, randomTensor, type Tensor } from '../backends/reference/tests/probe.ts';
import { convCase, poolCase, upConvCase } from '../backends/reference/tests/shapes.ts';
import { at, extents, wholeBox } from '../ir/box.ts';
import { cornerShares } from '../ir/corners.ts';
import { isFault } from '../ir/diagnostics/diagnostic.ts';
import type { Op } from '../ir/graph.ts';
import type { OpAttributes, OpKind, Sides } from '../ir/ops/attributes.ts';
import type { GradientBuilder, OpDefinition } from '../ir/ops/definition.ts';
import { definitionOf, makeOp, opKinds } from '../ir/ops/table.ts';
import { hyper } from '../ir/rate.ts';
import { array, dimsOf, elementsOf, map, type ValueType } from '../ir/type.ts';

const SEED = 7;
const RUNS = 60;

type Numbers = { readonly dims: readonly number[]; readonly values: readonly number[] };

type Case = {
  readonly kind: string;
  readonly attrs: unknown;
  readonly operands: readonly Numbers[];
  readonly result: Numbers;
  readonly dy?: Numbers;
  /** One an operand; null where nothing flows. */
  readonly gradients?: readonly (Numbers | null)[];
};

const numbers = ({ type, values }: Tensor, samples: number): Numbers => ({
  dims: dimsOf(type, samples),
  values: [...values],
});

/** What the way back reads: whole maps, or the bytes that the way there may note in their place. */
type Way = 'maps' | 'bytes';

/** Cotangents of the operands, as the op table writes them. */
function gradientsOf<K extends OpKind>(
  kind: K,
  attrs: OpAttributes[K],
  operands: readonly Tensor[],
  result: Tensor,
  dy: Tensor,
  samples: number,
  way: Way,
): (Tensor | undefined)[] {
  const inputs = operands.map((_, i) => `x${i}`);
  const tensors = new Map(operands.map((operand, i) => [`x${i}`, operand]));
  tensors.set('y', result).set('dy', dy);
  const types = new Map<string, ValueType>([...tensors].map(([name, { type }]) => [name, type]));
  const feeds = new Map([...tensors].map(([name, { values }]) => [name, values]));
  const named = [...types].map(([name, type]) => ({ name, type }));
  const ops: Op[] = [];
  const builder: GradientBuilder = {
    emit(one, operandNames, oneAttrs) {
      const output = `d${ops.length}`;
      const op = makeOp(
        one,
        output,
        operandNames,
        oneAttrs,
        operandNames.map((name) => typeIn(types, name)),
      );
      if (isFault(op)) throw new Error(`${kind}: ${op.code}`);
      ops.push(op);
      types.set(output, op.type);
      return output;
    },
    typeOf: (name) => typeIn(types, name),
  };
  const facts: OpDefinition<K> = definitionOf(kind);
  const call = { attrs, inputs, output: 'y' };
  const note = way === 'bytes' ? facts.lean?.note(call) : undefined;
  const outputs =
    note === undefined
      ? facts.gradient?.(builder, call, 'dy', () => true)
      : facts.lean?.gradient(builder, call, 'dy', builder.emit(note.kind, note.inputs, note.attrs));
  if (outputs === undefined || (way === 'bytes') !== (note !== undefined))
    throw new Error(`${kind} has no gradient by ${way}`);
  const wanted = outputs.filter((name) => name !== undefined);
  const values = runGraph({ inputs: named, ops, outputs: wanted }, samples, feeds);
  return outputs.map((name) => {
    const found = name === undefined ? undefined : values.get(name);
    return name === undefined || found === undefined
      ? undefined
      : { type: typeIn(types, name), values: found };
  });
}

function typeIn(types: ReadonlyMap<string, ValueType>, name: string): ValueType {
  const type = types.get(name);
  if (type === undefined) throw new Error(`no value ${name}`);
  return type;
}

function forward<K extends OpKind>(
  kind: K,
  attrs: OpAttributes[K],
  operands: readonly Tensor[],
  samples = 1,
): Case {
  const result = apply(kind, attrs, operands, samples);
  return {
    kind,
    attrs,
    operands: operands.map((operand) => numbers(operand, samples)),
    result: numbers(result, samples),
  };
}

function differentiated<K extends OpKind>(
  kind: K,
  attrs: OpAttributes[K],
  operands: readonly Tensor[],
  samples: number,
  draw: () => number,
  way: Way = 'maps',
): Case {
  const result = apply(kind, attrs, operands, samples);
  const dy = randomTensor(result.type, samples, draw);
  const gradients = gradientsOf(kind, attrs, operands, result, dy, samples, way);
  return {
    ...forward(kind, attrs, operands, samples),
    dy: numbers(dy, samples),
    gradients: operands.map((_, i) => {
      const gradient = gradients[i];
      return gradient === undefined ? null : numbers(gradient, samples);
    }),
  };
}

const convolutions = (): Case[] =>
  fc.sample(convCase, { seed: SEED, numRuns: RUNS }).map(({ attrs, sizes, samples, ins, outs, seed }) => {
    const draw = randoms(seed);
    const x = randomTensor(map(ins, wholeBox(sizes)), samples, draw);
    const weight = randomTensor(array([outs, ins / attrs.groups, ...attrs.kernel]), 1, draw);
    return differentiated('conv', attrs, [x, weight, randomTensor(array([outs]), 1, draw)], samples, draw);
  });

const upConvolutions = (): Case[] =>
  fc.sample(upConvCase, { seed: SEED, numRuns: RUNS }).map(({ attrs, sizes, ins, outs, seed }) => {
    const draw = randoms(seed);
    const x = randomTensor(map(ins, wholeBox(sizes)), 2, draw);
    const weight = randomTensor(array([ins, outs, ...attrs.kernel]), 1, draw);
    return differentiated('up_conv', attrs, [x, weight, randomTensor(array([outs]), 1, draw)], 2, draw);
  });

const pools = (): Case[] =>
  fc.sample(poolCase, { seed: SEED, numRuns: RUNS }).flatMap(({ attrs, sizes, seed }) => {
    const draw = randoms(seed);
    const x = randomTensor(map(2, wholeBox(sizes)), 2, draw);
    const { kernel, stride } = attrs;
    return [
      differentiated('max_pool', attrs, [x], 2, draw),
      differentiated('max_pool', attrs, [x], 2, draw, 'bytes'),
      forward('max_pool_index', attrs, [x], 2),
      differentiated('avg_pool', { kernel, stride }, [x], 2, draw),
    ];
  });

const sizesOf = fc.array(fc.integer({ min: 2, max: 5 }), { minLength: 1, maxLength: 3 });

type Setting = {
  readonly draw: () => number;
  readonly sizes: readonly number[];
  tensor(channels: number): Tensor;
};

/** Calls `make` with random sizes, in all ranks, for two samples. */
const inSettings = (make: (setting: Setting) => Case[]): Case[] =>
  fc.sample(fc.tuple(sizesOf, fc.nat()), { seed: SEED, numRuns: RUNS }).flatMap(([sizes, seed]) => {
    const draw = randoms(seed);
    return make({ draw, sizes, tensor: (channels) => randomTensor(map(channels, wholeBox(sizes)), 2, draw) });
  });

const elementwise = ({ draw, tensor }: Setting): Case[] => {
  const x = tensor(3);
  const ofChannels = randomTensor(map(3, []), 2, draw);
  return [
    forward('affine', { scale: [2, 3, 4], shift: [0.5, 0, -1] }, [x], 2),
    differentiated('relu', {}, [x], 2, draw),
    differentiated('leaky_relu', { slope: 0.01 }, [x], 2, draw),
    differentiated('relu', {}, [x], 2, draw, 'bytes'),
    differentiated('leaky_relu', { slope: 0.01 }, [x], 2, draw, 'bytes'),
    forward('relu_mask', {}, [x], 2),
    differentiated('silu', {}, [x], 2, draw),
    differentiated('gelu', {}, [x], 2, draw),
    differentiated('sigmoid', {}, [x], 2, draw),
    differentiated('softmax', {}, [x], 2, draw),
    differentiated('mul', {}, [x, tensor(3)], 2, draw),
    differentiated('mul', {}, [x, tensor(1)], 2, draw),
    differentiated('add', {}, [x, tensor(3)], 2, draw),
    differentiated('add', {}, [x, ofChannels], 2, draw),
    differentiated('mask', {}, [x, tensor(3)], 2, draw),
    differentiated('mask', {}, [x, ofChannels], 2, draw),
    differentiated('concat', {}, [x, tensor(1), tensor(2)], 2, draw),
    forward('classify', {}, [x], 2),
  ];
};

const layouts = ({ draw, sizes, tensor }: Setting): Case[] => {
  const x = tensor(2);
  const pick = (below: number) => Math.floor(((draw() + 1) / 2) * below);
  const sides = sizes.map((): Sides => [pick(2), pick(1)]);
  const attrs = { mode: 'nearest' as const, factor: sizes.map(() => 1 + pick(3)), crop: sides };
  return [
    differentiated('crop', { sides }, [x], 2, draw),
    differentiated('pad', { sides }, [x], 2, draw),
    differentiated('resize', attrs, [x], 2, draw),
    differentiated('resize', { ...attrs, mode: 'bilinear' }, [x], 2, draw),
    ...sizes.map((_, axis) => stretched(x, axis, 2 + pick(3), draw)),
  ];
};

/** With the shares that the language gives it. */
function stretched(x: Tensor, axis: number, factor: number, draw: () => number): Case {
  const extent = x.type.kind === 'map' ? extents(x.type.box) : [];
  const box = wholeBox(extent.map((size, i) => (i === axis ? size * factor : 1)));
  const all = [...cornerShares({ axis, factor }, box, box)];
  const shares = { type: map(3, box), values: Float64Array.from([...all, ...all]) };
  return differentiated('stretch', { axis, factor, crop: [0, 0] }, [x, shares], 2, draw);
}

const norms = ({ draw, tensor }: Setting): Case[] => {
  const x = tensor(4);
  const ofChannels = () => randomTensor(array([4]), 1, draw);
  const ofGroups = [1, 2, 4].flatMap((groups) => [
    differentiated('moments', { groups, over: 1 }, [x], 2, draw),
    differentiated('moments', { groups, over: 2 }, [x], 2, draw),
    differentiated(
      'normalize',
      { epsilon: 1e-5 },
      [x, apply('moments', { groups, over: 1 }, [x], 2)],
      2,
      draw,
    ),
  ]);
  return [
    ...ofGroups,
    ...runningShares(x),
    forward('normalize_by', { epsilon: 1e-5 }, [x, ofChannels(), squared(ofChannels())], 2),
    differentiated('scale_shift', {}, [x, ofChannels(), ofChannels()], 2, draw),
  ];
};

const squared = (x: Tensor): Tensor => ({ ...x, values: x.values.map((value) => value ** 2) });

/** Of the map itself: the check is against the running statistics that PyTorch's batch norm leaves behind. */
const runningShares = (x: Tensor): Case[] =>
  (['mean', 'variance'] as const).map((of) => {
    const cells = elementsOf(x.type) / 4;
    const moments = apply('moments', { groups: 4, over: 2 }, [x], 2);
    const result = apply('running_share', { of, over: 2, samples: 2, cells }, [moments], 2);
    return { kind: 'running_share', attrs: { of }, operands: [numbers(x, 2)], result: numbers(result, 2) };
  });

const vectors = ({ draw }: Setting): Case[] => {
  const vector = (channels: number) => randomTensor(map(channels, []), 2, draw);
  const [weight, bias] = [randomTensor(array([3, 4]), 1, draw), randomTensor(array([3]), 1, draw)];
  return [
    differentiated('linear', {}, [vector(4), weight, bias], 2, draw),
    differentiated('sine', { frequencies: [3, 1, 0.1] }, [vector(1)], 2, draw),
  ];
};

const losses = ({ draw, sizes, tensor }: Setting): Case[] => {
  const labels = randomTensor(map(1, wholeBox(sizes), 'u8'), 2, () => Math.floor((draw() + 1) * 2));
  const count = arrayOf([], [draw() + 3]);
  const ofSums = () => randomTensor(map(9, []), 2, draw);
  const scalar = () => randomTensor(array([]), 1, draw);
  return [
    differentiated('cross_entropy', { weights: [] }, [tensor(3), labels, count], 2, draw),
    differentiated('cross_entropy', { weights: [1, 0.2, 5] }, [tensor(3), labels, count], 2, draw),
    ...[0, 0.5, 2].map((gamma) =>
      differentiated('focal', { weights: [1, 0.2, 5], gamma }, [tensor(3), labels, count], 2, draw),
    ),
    differentiated('binary_cross_entropy', { weights: [] }, [tensor(1), labels, count], 2, draw),
    differentiated('binary_cross_entropy', { weights: [3, 0.5] }, [tensor(1), labels, count], 2, draw),
    differentiated('dice_sums', {}, [tensor(3), labels], 2, draw),
    differentiated('dice_sums', {}, [tensor(1), labels], 2, draw),
    ...[1, 2].map((over) =>
      differentiated('dice', { smooth: 0.5, over, samples: 6 }, [squared(ofSums())], 2, draw),
    ),
    differentiated('l1', {}, [tensor(2), tensor(2), count], 2, draw),
    differentiated('mse', {}, [tensor(2), tensor(2), count], 2, draw),
    differentiated('weighted_sum', { weights: [1, 0.5] }, [scalar(), scalar()], 2, draw),
  ];
};

const STEPS = 5;

/** Some steps of an optimizer: operands are the parameter and the gradients, the result is the parameter. */
function optimized(
  kind: 'adamw' | 'sgd',
  attrs: object,
  step: (parameter: Tensor, gradient: Tensor, t: number) => Tensor,
): Case {
  const draw = randoms(SEED);
  const start = randomTensor(array([6]), 1, draw);
  const gradients = Array.from({ length: STEPS }, () => randomTensor(array([6]), 1, draw));
  const end = gradients.reduce(step, start);
  return {
    kind,
    attrs,
    operands: [start, ...gradients].map((tensor) => numbers(tensor, 1)),
    result: numbers(end, 1),
  };
}

function adamw(): Case {
  const [beta1, beta2, epsilon, decay, peak] = [0.9, 0.99, 1e-8, 0.1, 0.03];
  const optimizer = { kind: 'adamw' as const, beta1, beta2, epsilon, decay };
  const rate = { peak, warmUp: 0, curve: 'constant' as const };
  let average = arrayOf([6], new Float64Array(6));
  let square = average;
  return optimized('adamw', { beta1, beta2, epsilon, decay, peak }, (parameter, gradient, t) => {
    average = apply('moving_average', { beta: beta1 }, [average, gradient]);
    square = apply('moving_square', { beta: beta2 }, [square, gradient]);
    const numbersOfStep = arrayOf([3], hyper({ optimizer, rate, batch: 1, steps: STEPS, seed: 0 }, t));
    return apply('adam_step', { epsilon, decay }, [parameter, average, square, numbersOfStep]);
  });
}

function sgd(): Case {
  const [factor, peak] = [0.9, 0.03];
  let momentum = arrayOf([6], new Float64Array(6));
  return optimized('sgd', { momentum: factor, peak }, (parameter, gradient) => {
    momentum = apply('axpy', { factor }, [momentum, gradient]);
    return apply('sgd_step', { decay: 0 }, [parameter, momentum, arrayOf([3], [peak, 1, 1])]);
  });
}

const allCases = (): Case[] => [
  ...convolutions(),
  ...upConvolutions(),
  ...pools(),
  ...inSettings((setting) => [elementwise, layouts, norms, vectors, losses].flatMap((make) => make(setting))),
  adamw(),
  sgd(),
];

const cases = allCases();
const covered = new Set(cases.map(({ kind }) => kind));
const missing = opKinds.filter((kind) => definitionOf(kind).region !== undefined && !covered.has(kind));
if (missing.length > 0) throw new Error(`no case of ${missing.join(', ')}`);
writeFileSync(at(process.argv, 2), JSON.stringify(cases));
