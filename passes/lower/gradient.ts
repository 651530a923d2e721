/**
 * Appends the backward pass to each role's program: reverse-mode differentiation, op by op, of the role's
 * share of the loss. A role's cotangents are shares too, so the adjoints are local, and the gradients of
 * the parameters add up over roles to those of the untiled network.
 */
import { at, type Range, shift } from '../../ir/box.ts';
import { type Graph, type Op, typesOf } from '../../ir/graph.ts';
import { trainedParameters } from '../../ir/model.ts';
import type { Gradient, ModuleAt, Program } from '../../ir/module.ts';
import { ops } from '../../ir/ops/table.ts';
import type { Pass } from '../../ir/pass.ts';
import { array, type ValueType } from '../../ir/type.ts';
import { type Flow, flowBack } from './flow-back.ts';
import { notedIn, withBytes } from './noted.ts';
import type { Indexed } from './strip-graph.ts';
import { type Item, itemsOf, madeOfPart, stripsBack } from './strips.ts';
import { type Origin, Tape, type Written } from './tape.ts';

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
      programs: programs.map((program) => differentiate(program, module)),
      gradients,
    };
  },
};

const gradientName = (parameter: string): string => `${parameter}~grad`;

/** Parameters that a tile has no op for have a gradient all the same: zeros, its share. */
function differentiate(sharded: Program, { model, schedule }: ModuleAt<'sharded'>): Program {
  const program = withBytes(sharded, schedule.lean);
  const { graph, origins } = program;
  const trained = trainedParameters(model);
  const types = new Map([
    ...typesOf(graph),
    ...model.parameters.map(({ name, dims }) => [name, array(dims)] as const),
  ]);
  const items = itemsOf(program, model, schedule);
  const backward = backwardOf(graph, items, types, model.loss as string, new Set(trained));
  const left = new Set(items.flatMap((item) => leftOut(graph, item)).map(({ index }) => index));
  const first = graph.ops.filter((_, index) => !left.has(index));
  const used = (parameter: string) => model.ops.findIndex(({ inputs }) => inputs.includes(parameter));
  const origin = (from: Origin) => (typeof from === 'string' ? used(from) : at(origins, from));
  const forward = first.length;
  return {
    ...program,
    graph: joined({ ...graph, ops: first }, backward, trained),
    origins: [...origins.filter((_, index) => !left.has(index)), ...backward.origins.map(origin)],
    forward,
    ...(backward.strips.length === 0 ? {} : { strips: backward.strips.map((one) => shift(one, forward)) }),
  };
}

/** What the forward pass leaves to the backward pass. */
const leftOut = (graph: Graph, item: Item): Indexed[] =>
  typeof item === 'number' || item.gives === undefined ? [] : [...item.body, ...madeOfPart(graph, item)];

/** The graph with its backward pass; the cotangent of each parameter p is one more output, `p~grad`. */
export function withGradients(graph: Graph, loss: string, parameters: readonly string[]): Graph {
  const backward = backwardOf(graph, [...graph.ops.keys()], typesOf(graph), loss, new Set(parameters));
  return joined(graph, backward, parameters);
}

const joined = (graph: Graph, backward: Written, parameters: readonly string[]): Graph => ({
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

type Backward = Written & {
  /** Runs of the ops that do a strip each, by their index. */
  readonly strips: readonly Range[];
};

/** The ops of the backward pass; the cotangent of a parameter p ends in a value named `p~grad`. */
function backwardOf(
  graph: Graph,
  items: readonly Item[],
  types: ReadonlyMap<string, ValueType>,
  loss: string,
  parameters: ReadonlySet<string>,
): Backward {
  const wanted = dependents(graph, parameters);
  const tape = new Tape(new Map(types));
  const cotangents = new Map<string, string>();
  const flow: Flow = { cotangents, wanted, noted: notedIn({ graph }) };
  const strips: Range[] = [];
  tape.reading(
    loss,
    graph.ops.findIndex(({ output }) => output === loss),
  );
  if (graph.ops.some(({ output }) => output === loss))
    cotangents.set(loss, tape.emit('fill', [], { value: 1, dims: [] }, `${loss}~grad`));
  for (const item of items.toReversed()) {
    if (typeof item !== 'number') {
      strips.push(...stripsBack(tape, item, types, flow));
      if (item.gives !== undefined)
        for (const { op, index } of madeOfPart(graph, item)) {
          tape.reading(op.output, index);
          tape.append(op);
        }
      continue;
    }
    const op = at(graph.ops, item);
    tape.reading(op.output, item);
    const dy = cotangents.get(op.output) ?? (returnsShares(op) ? tape.nothing(op) : undefined);
    if (dy !== undefined) flowBack(tape, op, dy, flow);
  }
  for (const parameter of parameters) {
    tape.reading(parameter, parameter);
    tape.name(cotangents.get(parameter) ?? tape.zeros(parameter), gradientName(parameter));
  }
  return { ...tape.finished(), strips };
}
