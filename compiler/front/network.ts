/** The graph under construction: every op goes through `emit`, which infers its type by the op table. */
import type { Op } from '../../ir/graph.ts';
import type { Init, Input, Parameter, Source, Statistic } from '../../ir/model.ts';
import type { OpAttributes, OpKind } from '../../ir/ops/attributes.ts';
import { type Fault, fault } from '../../ir/ops/definition.ts';
import { makeOp } from '../../ir/ops/table.ts';
import { array, elementsOf, product, type ValueType } from '../../ir/type.ts';
import { limits } from './limits.ts';

export type Network = {
  /** A name for the next thing of that kind in a scope: `unet.encode[0].conv[1]`. */
  fresh(path: string, kind: string): string;
  /** A name for the next scope of that kind: `unet`, then `unet[1]`. */
  scope(path: string, kind: string): string;
  /** The running index of what draws random numbers. */
  nextLayer(): number;
  input(name: string, type: ValueType, source: Source): Fault | undefined;
  parameter(name: string, dims: readonly number[], init: Init): Fault | undefined;
  /** What a parameter of the network follows, in place of a gradient. */
  statistic(statistic: Statistic): void;
  emit<K extends OpKind>(
    kind: K,
    name: string,
    inputs: readonly string[],
    attrs: OpAttributes[K],
  ): ValueType | Fault;
  has(name: string): boolean;
  parts(): Parts;
};

export type Parts = {
  readonly inputs: readonly Input[];
  readonly parameters: readonly Parameter[];
  readonly statistics: readonly Statistic[];
  readonly ops: readonly Op[];
};

export function createNetwork(): Network {
  const inputs: Input[] = [];
  const parameters: Parameter[] = [];
  const statistics: Statistic[] = [];
  const ops: Op[] = [];
  const types = new Map<string, ValueType>();
  const counters = new Map<string, number>();
  let layers = 0;

  function count(key: string): number {
    const index = counters.get(key) ?? 0;
    counters.set(key, index + 1);
    return index;
  }

  function typeOf(name: string): ValueType {
    const type = types.get(name);
    if (type === undefined) throw new Error(`\`${name}\` is used before it is emitted`);
    return type;
  }

  return {
    fresh: (path, kind) => `${inside(path, kind)}[${count(inside(path, kind))}]`,
    scope(path, kind) {
      const name = inside(path, kind);
      const index = count(`${name}.`);
      return index === 0 ? name : `${name}[${index}]`;
    },
    nextLayer: () => layers++,
    input(name, type, source) {
      if (isTooLarge(type)) return tooLarge(name);
      types.set(name, type);
      inputs.push({ name, type, source });
      return undefined;
    },
    parameter(name, dims, init) {
      if (product(dims) > limits.integer) return tooLarge(name);
      types.set(name, array(dims));
      parameters.push({ name, dims, init });
      return undefined;
    },
    statistic: (statistic) => statistics.push(statistic),
    emit(kind, name, operands, attrs) {
      if (ops.length >= limits.ops) return fault('too-many-ops', { most: limits.ops });
      const op = makeOp(kind, name, operands, attrs, operands.map(typeOf));
      if ('code' in op) return op;
      if (isTooLarge(op.type)) return tooLarge(name);
      types.set(name, op.type);
      ops.push(op);
      return op.type;
    },
    has: (name) => types.has(name),
    parts: () => ({ inputs, parameters, statistics, ops }),
  };
}

export const inside = (path: string, name: string): string => (path === '' ? name : `${path}.${name}`);

const isTooLarge = (type: ValueType): boolean => elementsOf(type) > limits.integer;

const tooLarge = (name: string): Fault => fault('tensor-too-large', { what: `\`${name}\`` });
