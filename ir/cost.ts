/** What a graph costs, counted from its ops: no machine is assumed. */
import { buffersByName } from './buffers.ts';
import { type Graph, typesAmong, typesOf } from './graph.ts';
import { type Model, statisticsOf } from './model.ts';
import { bytesMoved, flopsOf } from './ops/table.ts';
import type { Plan, Role, Segment } from './plan.ts';
import { remembered } from './remembered.ts';
import { array, product } from './type.ts';

/** Floating-point operations of a graph on the given samples. */
function graphFlops(graph: Pick<Graph, 'inputs' | 'ops'>, samples: number): number {
  const types = typesOf(graph);
  return graph.ops.reduce((sum, op) => {
    const inputs = typesAmong(types, op.inputs);
    return sum + flopsOf(op, inputs) * (op.type.kind === 'map' || readsMaps(inputs) ? samples : 1);
  }, 0);
}

const readsMaps = (inputs: readonly { readonly kind: string }[]): boolean =>
  inputs.some(({ kind }) => kind === 'map');

/** Floating-point operations of a model's forward pass on one sample. */
export const forwardFlops = (model: Model): number =>
  graphFlops(
    {
      inputs: [...model.inputs, ...model.parameters.map(({ name, dims }) => ({ name, type: array(dims) }))],
      ops: model.ops,
    },
    1,
  );

/** Numbers that are trained: running statistics are none. */
export function parameterCount(model: Model): number {
  const running = new Set(statisticsOf(model).map(({ parameter }) => parameter));
  const trained = model.parameters.filter(({ name }) => !running.has(name));
  return trained.reduce((count, { dims }) => count + product(dims), 0);
}

/** Floating-point operations of one device in one step, or for one tile. */
export const roleFlops = (plan: Plan): ((role: Role) => number) => sumOfSegments(plan, segmentFlops);

const segmentFlops = remembered(({ graph, samples }: Segment) => graphFlops(graph, samples));

/** Bytes that one device reads and writes in one step, or for one tile, if no op is fused with another. */
export const roleBytesMoved = (plan: Plan): ((role: Role) => number) => sumOfSegments(plan, segmentBytes);

const segmentBytes = remembered(({ graph, samples }: Segment) => {
  const types = typesOf(graph);
  return graph.ops.reduce((sum, op) => {
    const inputs = typesAmong(types, op.inputs);
    return sum + bytesMoved(op, inputs, samples);
  }, 0);
});

/** For roles: each segment as often as the role runs it. */
function sumOfSegments({ segments }: Plan, cost: (segment: Segment) => number): (role: Role) => number {
  const costs = new Map(segments.map((segment) => [segment.name, cost(segment)]));
  return ({ instructions }) =>
    instructions.reduce((sum, one) => sum + (one.do === 'run' ? (costs.get(one.segment) ?? 0) : 0), 0);
}

/** Bytes of the buffers that one device puts into reductions each step. */
export const reducedBytes = (role: Role): number =>
  role.instructions.reduce((sum, instruction) => {
    if (instruction.do !== 'all_reduce') return sum;
    const buffers = buffersByName(role.buffers);
    const summed = [...new Set(instruction.buffers)];
    return summed.reduce((bytes, name) => bytes + (buffers.get(name)?.bytes ?? 0), sum);
  }, 0);
