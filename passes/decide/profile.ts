/**
 * What planning needs to know of a model, read off its untiled forward and backward pass once: for each op the
 * work it does each way as a function of its cells, and what the backward pass keeps. Candidates are then priced
 * without being lowered.
 */
import { at, range, volume } from '../../ir/box.ts';
import { isFault } from '../../ir/diagnostics/diagnostic.ts';
import { type Op, typesOf } from '../../ir/graph.ts';
import { isSpatial, modelTypes, regionOf } from '../../ir/intervals.ts';
import { isCotangent, type Kernel, kernelOf } from '../../ir/kernels.ts';
import { leanValues, valueOfBytes } from '../../ir/lean.ts';
import { type Model, trainedParameters } from '../../ir/model.ts';
import type { Program } from '../../ir/module.ts';
import { ops as definitions } from '../../ir/ops/table.ts';
import { plainDecisions } from '../../ir/schedule.ts';
import { sumsIn, togetherIn } from '../../ir/sharers.ts';
import { stridesOf, tiledExtents } from '../../ir/tiling.ts';
import { bytesOf, type MapType, type ValueType } from '../../ir/type.ts';
import { gradient } from '../lower/gradient.ts';
import { shard } from '../lower/shard.ts';
import { type Ground, groundOf } from './ground.ts';

/** A spatial value of the model. */
export type ValueProfile = {
  /** Cells of the tiled extents (the finest result) per cell of the value, an axis. */
  readonly stride: readonly number[];
  /** Cells of the untiled value, an axis. */
  readonly extents: readonly number[];
  /** Bytes of all channels of one cell of one sample. */
  readonly cellBytes: number;
  /** Whether the backward pass reads it. */
  readonly kept: boolean;
  /** The same number for all of the same grid and channels. */
  readonly like: number;
};

/** An op of the model. Its kernels are counted by the cells of `counted`: its result, or what it sums over. */
export type OpProfile = {
  readonly op: Op;
  /** The spatial value whose cells count its work; absent where it works on vectors and arrays alone. */
  readonly counted?: string;
  readonly forward: readonly Kernel[];
  /** In the order of the backward pass. */
  readonly backward: readonly Kernel[];
  /** Where bytes in place of maps will do (`ir/lean.ts`): what notes them, and the way back from them. */
  readonly lean?: { readonly note: Kernel; readonly backward: readonly Kernel[] };
  /** Where there is a cotangent of a spatial operand whose blocks are counted. */
  readonly reads?: {
    readonly value: string;
    /** How many cells more are read of it than there are results, an axis. */
    readonly more: readonly number[];
  };
  /** Bytes of the parameters that it reads first, of all ops; their gradients come from its backward pass. */
  readonly parameterBytes: number;
  /** Bytes of each of those that are trained. */
  readonly gradients: readonly number[];
};

export type Profile = {
  readonly model: Model;
  readonly ops: readonly OpProfile[];
  readonly values: ReadonlyMap<string, ValueProfile>;
  /** By op the first op that is like it: the same work on values of the same grids. */
  readonly likes: readonly number[];
  /** How many consecutive samples some op must see at once, where more than one; `swept`: or sums of them. */
  readonly together: readonly Together[];
  /** Sums of whole samples that a loss divides: by name the op that does. */
  readonly sums: ReadonlyMap<string, Op>;
  /** The untiled program on one device: forward, then backward. */
  readonly program: Program;
  /** The same where every op that can do with bytes does. */
  readonly lean: Program;
  /** Where it may be cut into stages. */
  readonly ground: Ground;
};

export type Together = { readonly over: number; readonly swept: boolean };

/** Throws where the model has no loss: planning is for training. */
export function profileOf(model: Model): Profile {
  const { plain: program, lean } = untiledPrograms(model);
  const values = valuesOf(model, program);
  const { forward = 0 } = program;
  const kernelAt = kernelsIn(model, program, values);
  const backward = byOrigin(kernelAt, program, forward, program.graph.ops.length);
  const before = byOrigin(kernelAt, program, 0, forward);
  const withBytes = leanKernels(model, lean, values);
  const firstUse = firstUses(model);
  const drawn = drawnBy(model, values);
  const ops = model.ops.map((op, index): OpProfile => {
    const counted = countedBy(op, values);
    return {
      op,
      ...(counted === undefined ? {} : { counted }),
      forward: [...(drawn.get(op.output) ?? []), ...(before.get(index) ?? [])],
      backward: backward.get(index) ?? [],
      ...withBytes.get(index),
      ...readsOf(op, backward.get(index) ?? [], counted, values),
      ...(firstUse.get(op.output) ?? noParameters),
    };
  });
  return {
    model,
    ops,
    values,
    likes: likesOf(ops, values),
    together: joinedIn(model),
    sums: sumsIn(model),
    program,
    lean,
    ground: groundOf(model, ops),
  };
}

function likesOf(ops: readonly OpProfile[], values: ReadonlyMap<string, ValueProfile>): number[] {
  const first = new Map<string, number>();
  return ops.map(({ op, counted, forward, backward, lean }, index) => {
    const operands = op.inputs.map((name) => [values.get(name), name === counted]);
    const result = [op.kind, op.attrs, op.type, values.get(op.output), op.output === counted];
    const key = JSON.stringify([result, operands, forward, backward, lean]);
    const known = first.get(key) ?? index;
    first.set(key, known);
    return known;
  });
}

/** Of the ops of an untiled program, by their index, counted by the values that their ops of the model are counted by. */
function kernelsIn(
  model: Model,
  { graph, origins }: Program,
  values: ReadonlyMap<string, ValueProfile>,
): (index: number) => Kernel {
  const types = typesOf(graph);
  return (index) => {
    const op = at(graph.ops, index);
    const counted = countedBy(at(model.ops, at(origins, index)), values);
    const cells = counted === undefined ? 1 : cellsIn(counted, values);
    return kernelOf(
      op,
      op.inputs.map((name) => typeIn(types, name)),
      cells,
    );
  };
}

/** By op of the model, where it notes bytes. */
function leanKernels(
  model: Model,
  program: Program,
  values: ReadonlyMap<string, ValueProfile>,
): Map<number, Pick<OpProfile, 'lean'>> {
  const { graph, origins, forward = 0 } = program;
  const kernelAt = kernelsIn(model, program, values);
  const notes = new Map<number, Kernel>();
  for (let index = 0; index < forward; index++)
    if (valueOfBytes(at(graph.ops, index).output) !== undefined)
      notes.set(at(origins, index), kernelAt(index));
  const backward = byOrigin(kernelAt, program, forward, graph.ops.length, (origin) => notes.has(origin));
  return new Map(
    [...notes].map(([origin, note]) => [origin, { lean: { note, backward: backward.get(origin) ?? [] } }]),
  );
}

/** The kernels between two places of the program by the op of the model that they belong to, where that is asked for. */
function byOrigin(
  kernelAt: (index: number) => Kernel,
  { origins }: Program,
  from: number,
  to: number,
  isAsked: (origin: number) => boolean = () => true,
): Map<number, Kernel[]> {
  const found = new Map<number, Kernel[]>();
  for (let index = from; index < to; index++) {
    const origin = at(origins, index);
    if (!isAsked(origin)) continue;
    const kernel = kernelAt(index);
    const known = found.get(origin);
    if (known === undefined) found.set(origin, [kernel]);
    else known.push(kernel);
  }
  return found;
}

/** What is drawn for an op, such as the masks of a dropout, by the first that reads it: each micro-batch anew. */
function drawnBy(model: Model, values: ReadonlyMap<string, ValueProfile>): Map<string, Kernel[]> {
  const open = new Map(
    model.inputs.flatMap(({ name, type, source }) =>
      source.from === 'mask' || source.from === 'corners' ? [[name, type] as const] : [],
    ),
  );
  const found = new Map<string, Kernel[]>();
  for (const op of model.ops)
    for (const name of op.inputs) {
      const type = open.get(name);
      if (type === undefined || !open.delete(name)) continue;
      const counted = countedBy(op, values);
      const bytes = bytesOf(type, 1);
      const isMap = values.has(name) && counted !== undefined;
      const kernel: Kernel = {
        kernel: 'move',
        flops: { fixed: 0, perCell: 0 },
        bytes: isMap ? { fixed: 0, perCell: bytes / cellsIn(counted, values) } : { fixed: bytes, perCell: 0 },
        pixels: 0,
        channels: 0,
      };
      found.set(op.output, [...(found.get(op.output) ?? []), kernel]);
    }
  return found;
}

const joinedIn = (model: Model): Together[] =>
  model.ops.flatMap((op) => {
    const over = togetherIn(op);
    return over > 1 ? [{ over, swept: definitions[op.kind].needsSums === true }] : [];
  });

function untiledPrograms(model: Model): { readonly plain: Program; readonly lean: Program } {
  const extents = tiledExtents(model);
  const batch = model.training?.batch ?? 1;
  const schedule = {
    ...plainDecisions(model.rank),
    name: model.name,
    devices: 1,
    cuts: extents.map((extent) => [0, extent]),
  };
  const sharded = shard.run({ stage: 'scheduled', model, schedule });
  if (isFault(sharded)) throw new Error(`${model.name} of batch ${batch} on one device: ${sharded.code}`);
  const differentiated = (lean: readonly string[]): Program => {
    const both = gradient.run({ ...sharded, schedule: { ...schedule, lean } });
    if (isFault(both)) throw new Error(`${model.name}: ${both.code}`);
    return at(both.programs, 0);
  };
  return { plain: differentiated([]), lean: differentiated(leanValues(model)) };
}

const typeIn = (types: ReadonlyMap<string, ValueType>, name: string): ValueType => {
  const type = types.get(name);
  if (type === undefined) throw new Error(`no value ${name}`);
  return type;
};

function valuesOf(model: Model, { graph, forward = 0 }: Program): Map<string, ValueProfile> {
  const kept = new Set(graph.ops.slice(forward).flatMap(({ inputs }) => inputs));
  const strides = stridesOf(model);
  const finest = [...strides.values()].reduce((a, b) => a.map((s, axis) => Math.min(s, at(b, axis))));
  const likes = new Map<string, number>();
  return new Map(
    [...modelTypes(model)].flatMap(([name, type]): [string, ValueProfile][] => {
      const stride = strides.get(name);
      if (!isSpatial(type) || type.kind !== 'map' || stride === undefined) return [];
      const cells = type.box.map(({ from, to }) => to - from);
      const relative = stride.map((s, axis) => s / at(finest, axis));
      const grid = { stride: relative, extents: cells, cellBytes: cellBytesOf(type) };
      const key = JSON.stringify(grid);
      const like = likes.get(key) ?? likes.size;
      likes.set(key, like);
      return [[name, { ...grid, kept: kept.has(name), like }]];
    }),
  );
}

const cellBytesOf = (type: MapType): number => bytesOf(type, 1) / volume(type.box);

/**
 * Of a result that is finer than its operand, two: its margins may begin amid a cell of it. Where it is coarser, tiles may begin
 * anywhere in a step, and the margin on either side is the widest that any of them needs.
 */
function readsOf(
  op: Op,
  backward: readonly Kernel[],
  counted: string | undefined,
  values: ReadonlyMap<string, ValueProfile>,
): Pick<OpProfile, 'reads'> {
  const operand = op.inputs.findIndex((name) => values.has(name));
  const [value, result] = [values.get(at(op.inputs, Math.max(0, operand))), values.get(op.output)];
  const kernel = backward.find(isCotangent);
  if (value === undefined || result === undefined || kernel === undefined || counted === undefined) return {};
  const more = value.stride.map((stride, axis) => {
    const step = at(result.stride, axis) / stride;
    const { from, to } = regionOf(op, axis, range(0, 1), operand);
    return step < 1 ? 2 : Math.max(0, to - from - step) + 2 * (step - 1);
  });
  const name = at(op.inputs, operand);
  return { reads: { value: name, more } };
}

function countedBy({ output, inputs }: Op, values: ReadonlyMap<string, ValueProfile>): string | undefined {
  return [output, ...inputs].find((name) => values.has(name));
}

const cellsIn = (name: string, values: ReadonlyMap<string, ValueProfile>): number =>
  (values.get(name)?.extents ?? []).reduce((cells, size) => cells * size, 1);

type OfParameters = Pick<OpProfile, 'parameterBytes' | 'gradients'>;

const noParameters: OfParameters = { parameterBytes: 0, gradients: [] };

/** Bytes of the parameters by the first op that reads them. */
function firstUses(model: Model): Map<string, OfParameters> {
  const types = modelTypes(model);
  const uses = new Map<string, OfParameters>();
  const seen = new Set<string>();
  const parameters = new Set(model.parameters.map(({ name }) => name));
  const trained = new Set(trainedParameters(model));
  for (const { output, inputs } of model.ops)
    for (const name of inputs.filter((one) => parameters.has(one) && !seen.has(one))) {
      seen.add(name);
      const bytes = bytesOf(typeIn(types, name), 1);
      const { parameterBytes, gradients } = uses.get(output) ?? noParameters;
      uses.set(output, {
        parameterBytes: parameterBytes + bytes,
        gradients: trained.has(name) ? [...gradients, bytes] : gradients,
      });
    }
  return uses;
}
