/** What a device is timed with: whole steps of the calibration's networks, and a few segments of one op. */
import { emitOnnx } from '../../backends/onnx/emit.ts';
import { at, volume, wholeBox } from '../../ir/box.ts';
import { isFault } from '../../ir/diagnostics/diagnostic.ts';
import { type Graph, type Op, typesOf } from '../../ir/graph.ts';
import { intensityOf, kernelOf, opSeconds, strandBytes } from '../../ir/kernels.ts';
import type { Device } from '../../ir/machine.ts';
import type { Optimizer } from '../../ir/model.ts';
import type { OpAttributes, OpKind } from '../../ir/ops/attributes.ts';
import { makeOp } from '../../ir/ops/table.ts';
import type { Plan, Segment } from '../../ir/plan.ts';
import type { Pins } from '../../ir/schedule.ts';
import { strandsOf } from '../../ir/strands.ts';
import { array, bytesOf, map, type ValueType } from '../../ir/type.ts';
import { updateGraph } from '../../passes/lower/optimizer.ts';
import { compile } from '../compile.ts';
import type { Timed } from './fit.ts';
import { type CalibrationNetwork, calibrationNetworks } from './networks.ts';

/** A segment to be timed, and its ONNX file. */
export type Work = { readonly segment: Segment; readonly file: Uint8Array };

/** Whole forward and backward passes of a network, whose ops are timed inside them. */
export type CalibrationStep = Work & {
  readonly name: string;
  readonly plan: Plan;
  /** What the cost model says of it, ops one after another. */
  seconds(device: Device): number;
};

export const calibrationSteps = (largestSide: number): CalibrationStep[] =>
  calibrationNetworks(largestSide).map((network) => {
    const plan = planOf(network, alone);
    const [segment] = plan.segments;
    if (segment === undefined) throw new Error('a plan without segments');
    return {
      name: network.name,
      plan,
      segment,
      file: emitOnnx(segment),
      seconds: (device) =>
        operandsOf(segment.graph).reduce(
          (sum, { op, inputs }) => sum + opSeconds(device, op, inputs, segment.samples),
          0,
        ),
    };
  });

type WithOperands = { readonly op: Op; readonly inputs: readonly ValueType[] };

function operandsOf(graph: Graph): WithOperands[] {
  const types = typesOf(graph);
  return graph.ops.map((op) => ({ op, inputs: op.inputs.map((name) => typeIn(types, name)) }));
}

/** The kernels of a segment by the seconds of its ops; the same op on the same shapes once, with the mean of its times. */
export function timedKernels({ graph, samples }: Segment, seconds: readonly number[]): Timed[] {
  const found = new Map<string, Timed>();
  for (const [index, { op, inputs }] of operandsOf(graph).entries()) {
    const key = JSON.stringify([op.kind, op.attrs, inputs]);
    const own = seconds[index] ?? 0;
    const known = found.get(key);
    found.set(
      key,
      known === undefined
        ? { ...workIn(op, inputs, samples), seconds: own, times: 1 }
        : {
            ...known,
            times: known.times + 1,
            seconds: (known.seconds * known.times + own) / (known.times + 1),
          },
    );
  }
  return [...found.values()];
}

/** As the cost model counts them. */
function workIn(op: Op, inputs: readonly ValueType[], samples: number) {
  const spatial = [op.type, ...inputs].find((type) => type.kind === 'map' && type.box.length > 0);
  const cells = spatial?.kind === 'map' ? volume(spatial.box) : 1;
  const one = kernelOf(op, inputs, cells);
  const { kernel, flops, bytes } = one;
  return {
    kind: op.kind,
    kernel,
    intensity: intensityOf(one),
    flops: flops.fixed + flops.perCell * cells * samples,
    bytes: bytes.fixed + bytes.perCell * cells * samples,
  };
}

/** The plan that the pins make of a network; `times` as many images as it says. */
function planOf({ source, name, side, width, images }: CalibrationNetwork, pins: Pins, times = 1): Plan {
  const sets = { side: String(side), width: String(width), images: String(images * times) };
  const all = { microBatches: 1, ...pins };
  const compiled = compile({ source, file: name, sets, purpose: 'train', pins: all });
  if (!compiled.ok) throw new Error(compiled.diagnostics.map(({ message }) => message).join('; '));
  return compiled.value.plan;
}

const alone = { devices: 1, replicas: 1 };

/** Smaller images make steps of which much is not kernels. */
const smallestWholeSide = 64;

/**
 * Whole plans of the networks, updates and sums included: on each of so many devices the step of one, on one that is alone,
 * and on pairs of devices that give each other a margin before each convolution.
 */
export const calibrationPlans = (largestSide: number, devices: number): Plan[] =>
  calibrationNetworks(largestSide)
    .filter(({ side }) => side >= smallestWholeSide)
    .flatMap((network) => {
      const single = planOf(network, alone);
      if (devices === 1) return [single];
      return [
        planOf(network, { devices, replicas: devices }, devices),
        single,
        inPairs(network, single, Math.floor(devices / 2)),
      ];
    });

function inPairs(network: CalibrationNetwork, { model }: Plan, pairs: number): Plan {
  const exchanges = model.ops.flatMap((op) =>
    op.kind === 'conv' && op.attrs.kernel.some((cells) => cells > 1)
      ? [{ before: op.output, operand: 0, cells: 1 }]
      : [],
  );
  return planOf(network, { devices: 2 * pairs, replicas: pairs, tiles: [1, 2], exchanges }, pairs);
}

/** Layers of vectors, which the networks have none of: samples, inputs, outputs. */
const linearLayers = [
  [8, 64, 64],
  [8, 256, 256],
  [16, 1024, 1024],
  [64, 1024, 1024],
] as const;

export const linearSegments = (): Work[] =>
  linearLayers.map(([samples, from, to]) => {
    const inputs = [map(from, []), array([to, from])];
    return workOf([made('linear', ['x', 'weight'], {}, inputs)], ['x', 'weight'], inputs, samples);
  });

/** Parameters that are updated one after another, as devices work through them: at most how many, and the elements of each. */
const mostParameters = 8;
const parameterSizes = Array.from({ length: 11 }, (_, i) => 2 ** (4 + 2 * i));

const optimizers: readonly Optimizer[] = [
  { kind: 'adam', beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decay: 0 },
  { kind: 'sgd', momentum: 0.9, nesterov: false, decay: 0 },
];

/** Updates of parameters that are alike, from few elements to as many as fit into so many bytes. */
export const updateSegments = (mostBytes: number): Work[] =>
  optimizers.flatMap((optimizer) =>
    parameterSizes
      .filter((size) => 4 * size <= mostBytes)
      .map((size) => {
        const length = Math.min(mostParameters, Math.floor(mostBytes / (4 * size)));
        const parameters = Array.from({ length }, (_, i) => ({
          name: `weight${i}`,
          dims: [size],
        }));
        const { graph } = updateGraph(optimizer, parameters, (name) => `${name}~grad`, []);
        return emitted(graph, 1);
      }),
  );

/** Of an update's seconds each strand has an equal share: all are alike. */
export function timedUpdate({ graph }: Segment, seconds: number): Timed[] {
  const all = strandsOf(graph)?.forms.flatMap(({ strands }) => strands);
  if (all === undefined) throw new Error('an update that is no strands');
  const work = { kernel: 'update', kind: 'update', flops: 0, intensity: 0, times: 1 } as const;
  return all.map((strand) => ({ ...work, bytes: strandBytes(strand), seconds: seconds / all.length }));
}

export const resultBytes = ({ graph, samples }: Segment): number => {
  const types = typesOf(graph);
  return graph.outputs.reduce((sum, name) => sum + bytesOf(typeIn(types, name), samples), 0);
};

/** A chain of `length` ops on a few numbers: what each more costs is the launch of a kernel. */
export function tinyChain(length: number): Work {
  const type = map(8, wholeBox([4, 4]));
  const ops = Array.from({ length }, (_, i) => made('sigmoid', [`x${i}`], {}, [type], `x${i + 1}`));
  return workOf(ops, ['x0'], [type], 1);
}

/** Ops one after another, of which the last result leaves. */
function workOf(
  ops: readonly Op[],
  names: readonly string[],
  types: readonly ValueType[],
  samples: number,
): Work {
  const inputs = names.map((name, index) => ({ name, type: at(types, index) }));
  return emitted({ inputs, ops, outputs: [at(ops, ops.length - 1).output] }, samples);
}

function emitted(graph: Graph, samples: number): Work {
  const segment = { name: 'kernel', samples, graph, workspace: 0 };
  return { segment, file: emitOnnx(segment) };
}

function typeIn(types: ReadonlyMap<string, ValueType>, name: string): ValueType {
  const type = types.get(name);
  if (type === undefined) throw new Error(`no value ${name}`);
  return type;
}

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
