/**
 * Appends the backward pass to each role's program: reverse-mode differentiation, op by op, of the role's
 * share of the loss. A role's cotangents are shares too, so the adjoints are local, and the gradients of
 * the parameters add up over roles to those of the untiled network.
 */
import { at, extents } from '../../ir/box.ts';
import { isFault } from '../../ir/diagnostics/diagnostic.ts';
import { type Graph, type Op, typesOf } from '../../ir/graph.ts';
import { type Model, trainedParameters } from '../../ir/model.ts';
import type { Gradient, Program } from '../../ir/module.ts';
import type { OpAttributes, OpKind } from '../../ir/ops/attributes.ts';
import type { GradientBuilder, OpDefinition } from '../../ir/ops/definition.ts';
import { makeOp, ops } from '../../ir/ops/table.ts';
import type { Pass } from '../../ir/pass.ts';
import { array, product, sameSize, type ValueType } from '../../ir/type.ts';

export const gradient: Pass<'sharded', 'differentiated'> = {
  name: 'gradient',
  doc: 'appends the backward pass to each role',
  from: 'sharded',
  to: 'differentiated',
  run(module) {
    const { model, programs } = module;
    if (model.loss === undefined) return { ...module, stage: 'differentiated', gradients: [] };
    const gradients = trainedParameters(model).map(
      (parameter): Gradient => ({ parameter, value: gradientName(parameter) }),
    );
    return {
      ...module,
      stage: 'differentiated',
      programs: programs.map((program) => differentiate(program, model)),
      gradients,
    };
  },
};

const gradientName = (parameter: string): string => `${parameter}~grad`;

/** Parameters that a tile has no op for have a gradient all the same: zeros, its share. */
function differentiate({ graph, origins, ...program }: Program, model: Model): Program {
  const trained = trainedParameters(model);
  const types = new Map([
    ...typesOf(graph),
    ...model.parameters.map(({ name, dims }) => [name, array(dims)] as const),
  ]);
  const backward = backwardOf(graph, types, model.loss as string, new Set(trained));
  const used = (parameter: string) => model.ops.findIndex(({ inputs }) => inputs.includes(parameter));
  const origin = (from: Origin) => (typeof from === 'string' ? used(from) : at(origins, from));
  return {
    ...program,
    graph: joined(graph, backward, trained),
    origins: [...origins, ...backward.origins.map(origin)],
    forward: graph.ops.length,
  };
}

/** The graph with its backward pass; the cotangent of each parameter p is one more output, `p~grad`. */
export function withGradients(graph: Graph, loss: string, parameters: readonly string[]): Graph {
  return joined(graph, backwardOf(graph, typesOf(graph), loss, new Set(parameters)), parameters);
}

const joined = (graph: Graph, backward: Backward, parameters: readonly string[]): Graph => ({
  ...graph,
  ops: [...graph.ops, ...backward.ops],
  outputs: [...graph.outputs, ...parameters.map(gradientName)],
});

/** Values that a parameter flows into, here or on another device: only their cotangents are ever needed. */
function dependents(graph: Graph, parameters: ReadonlySet<string>): Set<string> {
  const reached = new Set(parameters);
  for (const op of graph.ops)
    if (returnsShares(op) || op.inputs.some((name) => reached.has(name))) reached.add(op.output);
  return reached;
}

/** Where devices met on the way, all of them meet again on the way back, whoever has a share to give. */
const returnsShares = (op: Op): boolean =>
  ops[op.kind].meets === true && 'returns' in op.attrs && op.attrs.returns;

/** The forward op, by its index, whose adjoint an op belongs to; or the parameter that no op of the graph reads. */
type Origin = number | string;

type Backward = { readonly ops: readonly Op[]; readonly origins: readonly Origin[] };

/** The ops of the backward pass; the cotangent of a parameter p ends in a value named `p~grad`. */
function backwardOf(
  graph: Graph,
  types: ReadonlyMap<string, ValueType>,
  loss: string,
  parameters: ReadonlySet<string>,
): Backward {
  const wanted = dependents(graph, parameters);
  const tape = new Tape(new Map(types));
  const cotangents = new Map<string, string>();
  tape.reading(
    loss,
    graph.ops.findIndex(({ output }) => output === loss),
  );
  if (graph.ops.some(({ output }) => output === loss))
    cotangents.set(loss, tape.emit('fill', [], { value: 1, dims: [] }, `${loss}~grad`));
  for (const [index, op] of [...graph.ops.entries()].reverse()) {
    tape.reading(op.output, index);
    const dy = cotangents.get(op.output) ?? (returnsShares(op) ? tape.nothing(op) : undefined);
    if (dy === undefined) continue;
    const wants = (input: number) => wanted.has(at(op.inputs, input));
    const parts = gradientOf(op, tape, dy, wants);
    op.inputs.forEach((input, i) => {
      const part = parts[i];
      if (part === undefined || !wants(i)) return;
      const before = cotangents.get(input);
      if (before === undefined || part !== dy) tape.placed(part, input);
      if (before === undefined) cotangents.set(input, part);
      else cotangents.set(input, tape.placed(tape.emit('add', [before, part], {}), input));
    });
  }
  const names = new Map<string, string>();
  for (const parameter of parameters) {
    tape.reading(parameter, parameter);
    const found = cotangents.get(parameter) ?? tape.zeros(parameter);
    // Each gradient is a value of its own, even where two parameters have the same.
    const own = names.has(found) ? tape.emit('scale', [found], { factor: 1 }) : found;
    names.set(own, gradientName(parameter));
  }
  return tape.finished(names);
}

function gradientOf(op: Op, tape: Tape, dy: string, wants: (input: number) => boolean) {
  const facts = ops[op.kind] as OpDefinition<OpKind>;
  if (facts.gradient === undefined) throw new Error(`${op.kind} is not differentiated`);
  const { output, inputs } = op;
  return facts.gradient(tape, { output, inputs, attrs: op.attrs as OpAttributes[OpKind] }, dy, wants);
}

/** Collects the ops that gradients emit, and names their results after the op being differentiated. */
class Tape implements GradientBuilder {
  private readonly written: Op[] = [];
  private readonly from: Origin[] = [];
  private current = '';
  private origin: Origin = 0;
  private count = 0;
  private readonly types: Map<string, ValueType>;

  constructor(types: Map<string, ValueType>) {
    this.types = types;
  }

  reading(output: string, origin: Origin): void {
    this.current = output;
    this.origin = origin;
    this.count = 0;
  }

  /** The cotangent of what this device has no use for. */
  nothing(op: Op): string {
    if (op.type.kind !== 'map') throw new Error(`${op.kind} gives no map`);
    const extent = extents(op.type.box);
    if (product(extent) === 0) return '';
    const attrs = { channels: op.type.channels, extent };
    return this.placed(this.emit('blank', [], attrs, `${op.output}~nothing`), op.output);
  }

  typeOf(name: string): ValueType {
    const type = this.types.get(name);
    if (type === undefined) throw new Error(`no value ${name}`);
    return type;
  }

  emit<K extends OpKind>(kind: K, inputs: readonly string[], attrs: OpAttributes[K], name?: string): string {
    const output = name ?? `${this.current}~back${this.count++}`;
    const op = makeOp(
      kind,
      output,
      inputs,
      attrs,
      inputs.map((input) => this.typeOf(input)),
    );
    if (isFault(op)) throw new Error(`gradient of ${this.current}: ${op.code} ${JSON.stringify(op.args)}`);
    this.written.push(op);
    this.from.push(this.origin);
    this.types.set(output, op.type);
    return output;
  }

  /** A cotangent covers the box of its value: the op that made it knew sizes only. */
  placed(cotangent: string, value: string): string {
    const type = this.typeOf(value);
    if (!sameSize(this.typeOf(cotangent), type))
      throw new Error(`cotangent ${cotangent} of ${value} has another size`);
    const index = this.written.findLastIndex(({ output }) => output === cotangent);
    const op = this.written[index];
    if (op !== undefined) this.written[index] = { ...op, type };
    this.types.set(cotangent, type);
    return cotangent;
  }

  /** The cotangent of a parameter that does not reach the loss. */
  zeros(parameter: string): string {
    const type = this.typeOf(parameter);
    const dims = type.kind === 'array' ? type.dims : [];
    return this.emit('fill', [], { value: 0, dims }, `${parameter}~zeros`);
  }

  /** All ops, with some of the results renamed. */
  finished(names: ReadonlyMap<string, string>): Backward {
    const rename = (name: string) => names.get(name) ?? name;
    return {
      ops: this.written.map((op) => ({ ...op, output: rename(op.output), inputs: op.inputs.map(rename) })),
      origins: this.from,
    };
  }
}
