/** The ops of the calibration's networks, each once, as segments of one op that a device can be timed with. */
import { emitOnnx } from '../../backends/onnx/emit.ts';
import { extents, volume, wholeBox } from '../../ir/box.ts';
import { isFault } from '../../ir/diagnostics/diagnostic.ts';
import { type Graph, type Op, typesOf } from '../../ir/graph.ts';
import { kernelOf, opSeconds } from '../../ir/kernels.ts';
import type { Device, KernelClass } from '../../ir/machine.ts';
import type { OpAttributes, OpKind } from '../../ir/ops/attributes.ts';
import { makeOp } from '../../ir/ops/table.ts';
import type { Plan, Segment } from '../../ir/plan.ts';
import { array, dimsOf, map, type ValueType } from '../../ir/type.ts';
import { compile } from '../compile.ts';
import { type CalibrationNetwork, calibrationNetworks } from './networks.ts';

/** One input or output of an ONNX file, as it is fed. */
export type Tensor = {
  readonly name: string;
  readonly element: 'f32' | 'u8';
  readonly dims: readonly number[];
};

export type Work = {
  readonly file: Uint8Array;
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly Tensor[];
};

export type CalibrationKernel = Work & {
  readonly kind: OpKind;
  readonly kernel: KernelClass;
  /** As the cost model counts them. */
  readonly flops: number;
  readonly bytes: number;
  /** How often a step of the networks has it. */
  readonly times: number;
  /** Ops that run beside it, each a kernel that only launches. */
  readonly beside: number;
};

/** Results up to so many bytes are given out; of larger ones only a cell is, lest its copy be timed. */
const smallResult = 65_536;

/** Kernels of all networks up to a size, the same op on the same shapes once. */
export function calibrationKernels(largestSide: number): CalibrationKernel[] {
  const found = new Map<string, CalibrationKernel>();
  const add = (key: string, make: () => CalibrationKernel): void => {
    const known = found.get(key);
    found.set(key, known === undefined ? make() : { ...known, times: known.times + 1 });
  };
  for (const network of calibrationNetworks(largestSide))
    for (const { graph, samples } of planOf(network).segments) {
      const types = typesOf(graph);
      for (const op of graph.ops) {
        const inputs = op.inputs.map((name) => typeIn(types, name));
        const key = JSON.stringify([op.kind, op.attrs, inputs, samples]);
        add(key, () => kernelFor(op, inputs, samples));
      }
    }
  for (const [samples, from, to] of linearKernels)
    add(`linear ${samples} ${from} ${to}`, () => linearKernel(samples, from, to));
  return representatives([...found.values()]);
}

/** Kernels that move fewer bytes only launch. */
const tinyBytes = 8192;

/**
 * A step has hundreds of updates and of kernels on a few numbers, which differ little: one stands for all tiny ones
 * of its kind, one for the updates of about the same size.
 */
function representatives(kernels: readonly CalibrationKernel[]): CalibrationKernel[] {
  const chosen = new Map<string, CalibrationKernel>();
  for (const [i, one] of kernels.entries()) {
    const size =
      one.bytes < tinyBytes ? 'tiny' : one.kernel === 'update' ? Math.floor(Math.log2(one.bytes)) : i;
    const key = `${one.kind} ${size}`;
    const known = chosen.get(key);
    chosen.set(key, known === undefined ? one : { ...known, times: known.times + one.times });
  }
  return [...chosen.values()];
}

function planOf({ source, name, side, width }: CalibrationNetwork): Plan {
  const sets = { side: String(side), width: String(width) };
  const compiled = compile({ source, file: name, sets, purpose: 'train', pins: { devices: 1 } });
  if (!compiled.ok) throw new Error(compiled.diagnostics.map(({ message }) => message).join('; '));
  return compiled.value.plan;
}

/** Cells times channels of the largest network that is run as a whole: a second or two. */
const mostOfStep = 8192;

export type CalibrationStep = Work & {
  readonly name: string;
  readonly ops: number;
  /** What the cost model says of it, ops one after another. */
  seconds(device: Device): number;
};

/** Whole forward and backward passes of the networks, to compare with the sum of their kernels. */
export const calibrationSteps = (largestSide: number): CalibrationStep[] =>
  calibrationNetworks(largestSide)
    .filter(({ side, width }) => side * width <= mostOfStep)
    .map((network) => ({ name: network.name, ...stepOf(planOf(network).segments) }));

function stepOf(segments: readonly Segment[]): Omit<CalibrationStep, 'name'> {
  const [step] = segments;
  if (step === undefined) throw new Error('a plan without segments');
  const { graph, samples } = step;
  const types = typesOf(graph);
  return {
    ...workOf(graph, samples),
    ops: graph.ops.length,
    seconds: (device) =>
      graph.ops.reduce((sum, op) => {
        const inputs = op.inputs.map((name) => typeIn(types, name));
        return sum + opSeconds(device, op, inputs, samples);
      }, 0),
  };
}

function typeIn(types: ReadonlyMap<string, ValueType>, name: string): ValueType {
  const type = types.get(name);
  if (type === undefined) throw new Error(`no value ${name}`);
  return type;
}

/** Layers of vectors, which the networks have none of: samples, inputs, outputs. */
const linearKernels = [
  [8, 64, 64],
  [8, 256, 256],
  [16, 1024, 1024],
  [64, 1024, 1024],
] as const;

const linearKernel = (samples: number, from: number, to: number): CalibrationKernel => {
  const inputs = [map(from, []), array([to, from])];
  return kernelFor(made('linear', ['x', 'weight'], {}, inputs), inputs, samples);
};

function made<K extends OpKind>(
  kind: K,
  inputs: readonly string[],
  attrs: OpAttributes[K],
  types: readonly ValueType[],
  output = 'result',
): Op {
  const op = makeOp(kind, output, inputs, attrs, types);
  if (isFault(op)) throw new Error(`${kind}: ${op.code}`);
  return op;
}

function kernelFor(op: Op, inputs: readonly ValueType[], samples: number): CalibrationKernel {
  const graph = graphOf(op, inputs, samples);
  const spatial = [op.type, ...inputs].find((type) => type.kind === 'map' && type.box.length > 0);
  const cells = spatial?.kind === 'map' ? volume(spatial.box) : 1;
  const { kernel, flops, bytes } = kernelOf(op, inputs, cells);
  return {
    kind: op.kind,
    kernel,
    flops: flops.fixed + flops.perCell * cells * samples,
    bytes: bytes.fixed + bytes.perCell * cells * samples,
    times: 1,
    beside: graph.ops.length - 1,
    ...workOf(graph, samples),
  };
}

/**
 * A graph of one op. Inside a step a result stays where ONNX Runtime has put it; given out of a segment it would be
 * copied once more. So a large one is cut to one cell, which makes it a value inside the graph.
 */
function graphOf(op: Op, inputs: readonly ValueType[], samples: number): Graph {
  const named = new Map(op.inputs.map((name, i) => [name, inputs[i] ?? op.type]));
  const given = [...named].map(([name, type]) => ({ name, type }));
  const { type } = op;
  if (type.kind === 'array' || bytesIn(type, samples) <= smallResult || type.box.length === 0)
    return { inputs: given, ops: [op], outputs: [op.output] };
  const sides = extents(type.box).map((size) => [0, size - 1] as const);
  const cut = made('crop', [op.output], { sides }, [{ ...type, box: wholeBox(extents(type.box)) }], 'cut');
  return { inputs: given, ops: [op, cut], outputs: [cut.output] };
}

const bytesIn = (type: ValueType, samples: number): number =>
  dimsOf(type, samples).reduce((product, size) => product * size, type.element === 'u8' ? 1 : 4);

/** A graph as an ONNX file, and what it is fed with. */
export function workOf(graph: Graph, samples: number): Work {
  const types = typesOf(graph);
  const tensor = (name: string, type: ValueType): Tensor => ({
    name,
    element: type.element,
    dims: dimsOf(type, samples),
  });
  return {
    file: emitOnnx({ name: 'kernel', samples, graph, workspace: 0 }),
    inputs: graph.inputs.map(({ name, type }) => tensor(name, type)),
    outputs: graph.outputs.map((name) => tensor(name, typeIn(types, name))),
  };
}

/** A chain of `length` ops on a few numbers: what each more costs is the launch of a kernel. */
export function tinyChain(length: number): Work {
  const type = map(8, wholeBox([4, 4]));
  const ops = Array.from({ length }, (_, i) => made('sigmoid', [`x${i}`], {}, [type], `x${i + 1}`));
  return workOf({ inputs: [{ name: 'x0', type }], ops, outputs: [`x${length}`] }, 1);
}
