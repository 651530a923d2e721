/** Segments: what is computed, on which cells. Backward ops are checked for types alone (`verify --numeric` is for them). */
import { at } from '../../../ir/box.ts';
import type { Graph, Op } from '../../../ir/graph.ts';
import { typesOf } from '../../../ir/graph.ts';
import { extentOf, isSpatial, modelTypes } from '../../../ir/intervals.ts';
import type { Plan } from '../../../ir/plan.ts';
import { tilesOf } from '../../../ir/schedule.ts';
import { inSweep, outOfSweep } from '../../../ir/sweeps.ts';
import { sameSize, type ValueType } from '../../../ir/type.ts';
import { atOp, type Mutation, placed, replaceAt } from './edit.ts';
import { inferType } from './infer.ts';

/** Whether an op carries out one of the model, be it in part or again, or notes bytes of one. */
const isForward = ({ model }: Plan, { output, kind }: Op): boolean =>
  model.ops.some((op) => op.output === outOfSweep(output).replace(/~(again|part)$/, '')) ||
  ['partial_moments', 'merge_moments', 'merge_sums', 'relu_mask', 'max_pool_index'].includes(kind);

const onForward = (change: (op: Op, graph: Graph, plan: Plan) => Op | undefined): Mutation =>
  atOp((op, graph, plan) => (isForward(plan, op) ? change(op, graph, plan) : undefined));

const shiftedType = (type: ValueType): ValueType =>
  type.kind === 'map'
    ? { ...type, box: type.box.map(({ from, to }) => ({ from: from + 1, to: to + 1 })) }
    : type;

/** The value with the first number in it changed; undefined where there is none. */
function bumped(value: unknown): unknown {
  if (typeof value === 'number') return value + 1;
  if (Array.isArray(value)) {
    const index = value.findIndex((one) => bumped(one) !== undefined);
    return index < 0 ? undefined : replaceAt(value, index, bumped(value[index]));
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const entry = Object.entries(value).find(([, one]) => bumped(one) !== undefined);
  return entry && { ...value, [entry[0]]: bumped(entry[1]) };
}

const twins: Readonly<Partial<Record<Op['kind'], Op['kind']>>> = {
  relu: 'silu',
  silu: 'relu',
  sigmoid: 'relu',
  add: 'mul',
  mul: 'add',
  avg_pool: 'max_pool',
};

/** Another value of the graph that the op could read in place of one that is not all the same to it. */
function anotherOperand(op: Op, graph: Graph): Op | undefined {
  const types = typesOf(graph);
  const place = graph.ops.indexOf(op);
  const before = [
    ...graph.inputs.map(({ name }) => name),
    ...graph.ops.slice(0, place).map(({ output }) => output),
  ];
  for (const [index, name] of op.inputs.entries()) {
    const own = types.get(name);
    const other = before.find((one) => {
      const type = types.get(one);
      return one !== name && own !== undefined && type !== undefined && sameSize(own, type);
    });
    if (other !== undefined) return { ...op, inputs: replaceAt(op.inputs, index, other) } as Op;
  }
  return undefined;
}

/** Shifts all boxes of a value by a cell, wherever it is held. */
const elsewhere = (plan: Plan, value: string): Plan => {
  const renamed = (name: string) => [value, `${value}~again`, inSweep(value)].includes(name);
  const moved = <T extends { readonly type: ValueType }>(one: T, name: string): T =>
    renamed(name) ? { ...one, type: shiftedType(one.type) } : one;
  return placed({
    ...plan,
    segments: plan.segments.map((segment) => ({
      ...segment,
      graph: {
        ...segment.graph,
        inputs: segment.graph.inputs.map((input) => moved(input, input.name)),
        ops: segment.graph.ops.map((op) => moved(op, op.output)),
      },
    })),
    roles: plan.roles.map((role) => ({
      ...role,
      buffers: role.buffers.map((buffer) =>
        renamed(buffer.value) && buffer.box
          ? { ...buffer, box: buffer.box.map(({ from, to }) => ({ from: from + 1, to: to + 1 })) }
          : buffer,
      ),
    })),
  });
};

export const onGraphs: Readonly<Record<string, Mutation>> = {
  'shift the cells of a result': onForward((op) =>
    op.type.kind === 'map' && op.type.box.length > 0
      ? ({ ...op, type: shiftedType(op.type) } as Op)
      : undefined,
  ),
  'shift the cells of a value everywhere': (plan) => {
    const types = modelTypes(plan.model);
    // Where no axis is cut and nothing is padded the whole value is held, and shifting it names other cells still.
    return [...types]
      .filter(([name, type]) => isSpatial(type) && extentOf(type, 0) > 0 && isHeld(plan, name))
      .map(
        ([name]) =>
          () =>
            elsewhere(plan, name),
      );
  },
  'pad on the other side': onForward((op) =>
    op.kind === 'conv' && op.attrs.pad.some(([lo, hi]) => lo !== hi)
      ? ({ ...op, attrs: { ...op.attrs, pad: op.attrs.pad.map(([lo, hi]) => [hi, lo] as const) } } as Op)
      : undefined,
  ),
  'change a number of an op': onForward((op, graph) => {
    const attrs = bumped(op.attrs);
    const changed = attrs === undefined ? undefined : ({ ...op, attrs } as Op);
    return changed && fits(changed, graph) ? changed : undefined;
  }),
  'crop other cells': atOp((op) => {
    // The adjoint of padding is a crop as well.
    if (op.kind !== 'crop' || /~back\d+$/.test(op.output)) return undefined;
    const [first, ...rest] = op.attrs.sides;
    if (first === undefined || first[0] + first[1] === 0) return undefined;
    const side =
      first[0] > 0 ? ([first[0] - 1, first[1] + 1] as const) : ([first[0] + 1, first[1] - 1] as const);
    return { ...op, attrs: { sides: [side, ...rest] } };
  }),
  'take another op': onForward((op, graph) => {
    const kind = twins[op.kind];
    if (kind === undefined) return undefined;
    const changed = {
      ...op,
      kind,
      attrs:
        kind === 'max_pool'
          ? {
              ...op.attrs,
              pad: [
                [0, 0],
                [0, 0],
              ],
            }
          : op.attrs,
    } as Op;
    return fits(changed, graph) ? changed : undefined;
  }),
  'read another value in a segment': onForward(anotherOperand),
  'read the parts of a concat in another order': onForward((op, graph) => {
    const types = typesOf(graph);
    const [a, b] = op.inputs;
    if (op.kind !== 'concat' || a === undefined || b === undefined || a === b) return undefined;
    return types.has(a) ? ({ ...op, inputs: [b, a, ...op.inputs.slice(2)] } as Op) : undefined;
  }),
  'count cells of the margin in statistics': atOp((op, graph) => {
    if (op.kind !== 'partial_moments' && op.kind !== 'dice_sums') return undefined;
    const crops = op.inputs.map((name) =>
      graph.ops.find(({ output, kind }) => output === name && kind === 'crop'),
    );
    if (crops.some((crop) => crop === undefined)) return undefined;
    return { ...op, inputs: crops.map((crop) => at(crop?.inputs ?? [], 0)) } as Op;
  }),
  'leave out an op': (plan) =>
    plan.segments.flatMap((segment, s) =>
      segment.graph.ops.flatMap((op, index) => {
        const users = segment.graph.ops.filter(({ inputs }) => inputs.includes(op.output));
        const [x] = op.inputs;
        const types = typesOf(segment.graph);
        const type = x === undefined ? undefined : types.get(x);
        const skips =
          isForward(plan, op) &&
          users.length > 0 &&
          x !== undefined &&
          type !== undefined &&
          sameSize(type, op.type);
        if (!skips || segment.graph.outputs.includes(op.output)) return [];
        const ops = replaceAt(segment.graph.ops, index).map(
          (other) =>
            ({ ...other, inputs: other.inputs.map((name) => (name === op.output ? x : name)) }) as Op,
        );
        return [
          () =>
            placed({
              ...plan,
              segments: replaceAt(plan.segments, s, { ...segment, graph: { ...segment.graph, ops } }),
            }),
        ];
      }),
    ),
};

const isHeld = (plan: Plan, name: string): boolean =>
  tilesOf(plan.schedule).length > 0 && plan.segments.some(({ graph }) => typesOf(graph).has(name));

const fits = (op: Op, graph: Graph): boolean => {
  const inferred = inferType(op, graph);
  return inferred !== undefined && sameSize(inferred, op.type);
};
