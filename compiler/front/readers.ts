/** The kinds of argument that built-in functions take. */
import type { Optimizer, Rate } from '../../ir/model.ts';
import type { Sides } from '../../ir/ops/attributes.ts';
import type { Reader } from './builtin.ts';
import type { Target, Tensor, Value, Word } from './value.ts';

const isWhole = (value: Value, least: number): value is Extract<Value, { kind: 'number' }> =>
  value.kind === 'number' && Number.isInteger(value.value) && value.value >= least;

export const anything: Reader<Value> = { expected: 'a value', read: (value) => value };

const hasSpace = ({ type }: Tensor): boolean => type.box.length > 0;

export const tensor: Reader<Tensor> = {
  expected: 'a tensor',
  read: (value) => (value.kind === 'tensor' && hasSpace(value) ? value : undefined),
};

export const vector: Reader<Tensor> = {
  expected: 'a vector: an input such as `f32[1]`, or what is made of it',
  read: (value) => (value.kind === 'tensor' && !hasSpace(value) ? value : undefined),
};

export const tensorOrVector: Reader<Tensor> = {
  expected: 'a tensor',
  read: (value) => (value.kind === 'tensor' ? value : undefined),
};

export const target: Reader<Target> = {
  expected: 'a target',
  read: (value) => (value.kind === 'target' ? value : undefined),
};

/** A whole number that is at least `least`. */
export const whole = (least: number): Reader<number> => ({
  expected: least === 1 ? 'a whole number above 0' : `a whole number, ${least} or more`,
  read: (value) => (isWhole(value, least) ? value.value : undefined),
});

/** A number with `from <= number <= to`. */
export const real = (from = -Infinity, to = Infinity, expected = 'a number'): Reader<number> => ({
  expected,
  read: (value) =>
    value.kind === 'number' && value.value >= from && value.value <= to ? value.value : undefined,
});

export const flag: Reader<boolean> = {
  expected: 'true or false',
  read: (value) => (value.kind === 'boolean' ? value.value : undefined),
};

export const word = <W extends Word>(...allowed: readonly W[]): Reader<W> => ({
  expected: allowed.map((w) => `\`${w}\``).join(' or '),
  read: (value) => (value.kind === 'word' ? allowed.find((w) => w === value.word) : undefined),
});

export const items: Reader<readonly Value[]> = {
  expected: 'a list',
  read: (value) => (value.kind === 'list' ? value.items : undefined),
};

/** All results, or nothing if one of them is missing. */
export function every<A, B>(list: readonly A[], convert: (element: A) => B | undefined): B[] | undefined {
  const converted = list.map(convert).filter((element) => element !== undefined);
  return converted.length === list.length ? converted : undefined;
}

/** Real numbers, one or a list. */
export const reals: Reader<readonly number[]> = {
  expected: 'a number or a list of numbers',
  read: (value) =>
    every(value.kind === 'list' ? value.items : [value], (item) =>
      item.kind === 'number' ? item.value : undefined,
    ),
};

/** One number for all axes, or a list with one an axis. */
export const axes: Reader<readonly number[]> = {
  expected: 'a whole number above 0, or a list with one for each axis',
  read(value, rank) {
    const list = value.kind === 'list' ? value.items : Array.from({ length: rank }, () => value);
    return list.length === rank
      ? every(list, (item) => (isWhole(item, 1) ? item.value : undefined))
      : undefined;
  },
};

/** Cells on both sides: a number, a pair `(low, high)`, or a list with one of these an axis. */
export const sides: Reader<readonly Sides[]> = {
  expected: 'a whole number (0 or more), a pair `(low, high)`, or a list with one of these for each axis',
  read(value, rank) {
    const list = value.kind === 'list' ? value.items : Array.from({ length: rank }, () => value);
    return list.length === rank ? every(list, sidesOfAxis) : undefined;
  },
};

function sidesOfAxis(value: Value): Sides | undefined {
  if (isWhole(value, 0)) return [value.value, value.value];
  if (value.kind !== 'pair' || !isWhole(value.low, 0) || !isWhole(value.high, 0)) return undefined;
  return [value.low.value, value.high.value];
}

/** `same`, or cells on both sides. */
export const padding: Reader<'same' | readonly Sides[]> = {
  expected: `\`same\`, ${sides.expected}`,
  read: (value, rank) => (value.kind === 'word' && value.word === 'same' ? 'same' : sides.read(value, rank)),
};

/** Tensors one by one, in lists, or both. */
export const tensors: Reader<readonly Tensor[]> = {
  expected: 'tensors, or lists of tensors',
  read(value, rank) {
    const list = value.kind === 'list' ? value.items : [value];
    const flat = list.flatMap((item) => (item.kind === 'list' ? item.items : [item]));
    return every(flat, (item) => tensorOrVector.read(item, rank));
  },
};

/** A rate curve, or a number: the same rate at every step. */
export const rate: Reader<Rate> = {
  expected: 'a learning rate above 0 or a curve such as `cosine(1e-3)`',
  read(value) {
    if (value.kind === 'rate') return value.rate;
    return value.kind === 'number' && value.value > 0
      ? { curve: 'constant', peak: value.value, warmUp: 0 }
      : undefined;
  },
};

export const optimizer: Reader<{ readonly optimizer: Optimizer; readonly rate: Rate }> = {
  expected: 'an optimizer: `adam`, `adamw` or `sgd` with a rate, such as `adam(1e-3)`',
  read: (value) => (value.kind === 'optimizer' ? value : undefined),
};
