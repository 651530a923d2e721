/**
 * Which training steps fp32 computes without rounding, in any order of summation. A sum is exact when all of
 * its terms are multiples of one power of two, its quantum, and their absolute values add up to at most 2^24
 * quanta: then so is every part of it, and every plan's share is a part. So each op of the plain network,
 * forward and backward, is run on absolute values, and the result is compared with the quantum of its terms.
 */
import { runGraph } from '../../backends/reference/run-graph.ts';
import { plainGraph } from '../../compiler/compare.ts';
import { at } from '../../ir/box.ts';
import { type Op, typesOf } from '../../ir/graph.ts';
import type { Model } from '../../ir/model.ts';
import { product, type Value } from '../../ir/type.ts';
import type { Feeds } from './exactness.ts';

/** Whole numbers up to this have a place in fp32. */
const largest = 2 ** 24;

type Bounded = {
  /** Of a forward value: it is the same in every plan. Cotangents are shares, and any share is possible. */
  readonly values?: Float64Array;
  /** What the absolute value of a cell can be at most, in any share. */
  readonly bound: Float64Array;
  /** All cells are multiples of it. */
  readonly quantum: number;
};

/** The largest power of two that divides a number; infinity for 0. */
function quantumOf(value: number): number {
  if (value === 0) return Number.POSITIVE_INFINITY;
  let quantum = 2 ** Math.floor(Math.log2(Math.abs(value)));
  while (!Number.isInteger(value / quantum)) quantum /= 2;
  return quantum;
}

const quantumOfAll = (values: Iterable<number>): number =>
  [...values].reduce((least, value) => Math.min(least, quantumOf(value)), Number.POSITIVE_INFINITY);

const known = (values: Float64Array): Bounded => ({
  values,
  bound: values.map(Math.abs),
  quantum: quantumOfAll(values),
});

const quanta = (operands: readonly Bounded[]): number[] => operands.map(({ quantum }) => quantum);

/** The quantum of the terms that an op adds up. */
function termQuantum(op: Op, operands: readonly Bounded[]): number {
  const [a = 0, b = 0, c, d = 0] = quanta(operands);
  switch (op.kind) {
    case 'affine':
      return Math.min(a * quantumOfAll(op.attrs.scale), quantumOfAll(op.attrs.shift));
    case 'conv':
    case 'up_conv':
      return Math.min(a * b, c ?? Number.POSITIVE_INFINITY);
    case 'conv_data':
    case 'conv_weight':
      return a * b;
    case 'avg_pool':
    case 'avg_pool_grad':
      return a / product(op.attrs.kernel);
    case 'mse':
      return Math.min(a, b) ** 2 / at([...at(operands, 2).bound], 0);
    case 'mse_grad':
      return ((2 * Math.min(a, b)) / at([...at(operands, 2).bound], 0)) * d;
    case 'relu_grad':
      return b;
    case 'max_pool_grad':
      return c ?? 0;
    case 'fill':
      return quantumOf(op.attrs.value);
    case 'relu':
    case 'max_pool':
    case 'concat':
    case 'add':
    case 'crop':
    case 'pad':
    case 'resize':
    case 'resize_grad':
    case 'channels':
    case 'channel_sum':
      return Math.min(...quanta(operands));
    default:
      throw new Error(`nothing is known of ${op.kind} in exact numbers`);
  }
}

/** Operands that only choose, and so stay what they are. */
const choosing: { readonly [kind: string]: readonly number[] } = {
  relu: [0],
  max_pool: [0],
  relu_grad: [0],
  max_pool_grad: [0, 1],
};

/** Operands that are subtracted. */
const subtracted: { readonly [kind: string]: number } = { mse: 1, mse_grad: 1 };

function onAbsoluteValues(op: Op, operands: readonly Bounded[]): { op: Op; inputs: Float64Array[] } {
  const inputs = operands.map(({ values, bound }, i) => {
    if (choosing[op.kind]?.includes(i) && values !== undefined) return values;
    return subtracted[op.kind] === i ? bound.map((value) => -value) : bound;
  });
  if (op.kind !== 'affine') return { op, inputs };
  const attrs = { scale: op.attrs.scale.map(Math.abs), shift: op.attrs.shift.map(Math.abs) };
  return { op: { ...op, attrs }, inputs };
}

/** Whether fp32 gives loss and gradients of a step exactly, whatever plan sums them. */
export function isExactInFp32(model: Model, feeds: Feeds, weights: ReadonlyMap<string, Float64Array>) {
  const graph = plainGraph(model);
  const types = typesOf(graph);
  const samples = model.training?.batch ?? 1;
  const run = (op: Op, inputs: readonly Float64Array[]): Float64Array => {
    const names = op.inputs.map((_, i) => `x${i}`);
    const values = names.map((name, i): Value => {
      const type = types.get(at(op.inputs, i));
      if (type === undefined) throw new Error(`no ${op.inputs[i]}`);
      return { name, type };
    });
    const alone = { inputs: values, ops: [{ ...op, inputs: names }], outputs: [op.output] };
    const found = runGraph(alone, samples, new Map(names.map((name, i) => [name, at(inputs, i)])));
    return found.get(op.output) ?? new Float64Array();
  };
  const numbers = new Map<string, Bounded>(
    [...feeds.inputs, ...weights, ...countsOf(model)].map(([name, values]) => [name, known(values)]),
  );
  const forward = new Set(model.ops.map(({ output }) => output));
  for (const op of graph.ops) {
    const operands = op.inputs.map((name) => numbers.get(name) ?? known(new Float64Array()));
    const quantum = termQuantum(op, operands);
    const absolute = onAbsoluteValues(op, operands);
    const bound = run(absolute.op, absolute.inputs);
    if (bound.some((value) => !(Math.abs(value) <= largest * quantum))) return false;
    const values = () => operands.map((operand) => operand.values ?? new Float64Array());
    numbers.set(op.output, forward.has(op.output) ? known(run(op, values())) : { bound, quantum });
  }
  return true;
}

/** Denominators of targets without classes. Only a power of two divides exactly. */
function countsOf(model: Model): [string, Float64Array][] {
  return model.inputs.flatMap(({ name, source }): [string, Float64Array][] => {
    if (source.from !== 'count') return [];
    const target = model.inputs.find((one) => one.name === source.target)?.type;
    if (target?.kind !== 'map') return [];
    const cells = product(target.box.map(({ from, to }) => to - from));
    const count = source.channels * cells * (model.training?.batch ?? 1);
    return [[name, Float64Array.of(Number.isInteger(Math.log2(count)) ? count : Number.NaN)]];
  });
}
