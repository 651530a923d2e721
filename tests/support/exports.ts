/** Every example as one ONNX file, with inputs and what the float64 reference makes of them. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { exportOnnx } from '../../backends/onnx/export.ts';
import { runGraph } from '../../backends/reference/run-graph.ts';
import { compileModel } from '../../compiler/front/lower-model.ts';
import { initialWeights } from '../../ir/draw.ts';
import type { Model } from '../../ir/model.ts';
import { array, dimsOf, product } from '../../ir/type.ts';
import { root } from './command-line.ts';
import { valueIn } from './devices.ts';

/** Small enough for the reference; every example is here. */
export const exampleSets: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  attention: { base: '2', poolings: '2', side: '24' },
  classic: {},
  coastline: { side: '24' },
  diffusion: { base: '4', groups: '2', poolings: '1', side: '8' },
  residual: { base: '4', side: '32' },
  summit10k: { side: '32' },
  torchgpipe: { base: '4', num_convs: '2', depth: '2', side: '32' },
  unet_plus_plus: { base: '2', depth: '2', side: '24' },
};

/** `classic` has its published width and sizes in its text, and no names for them. */
const narrow = (text: string): string =>
  text
    .replace('= 64 * 2^l', '= 2 * 2^l')
    .replaceAll('[1, 572, 572]', '[1, 188, 188]')
    .replaceAll('[388, 388]', '[4, 4]');

export type Exported = {
  readonly bytes: Uint8Array;
  readonly inputs: Readonly<Record<string, { readonly dims: number[]; readonly data: Float32Array }>>;
  /** In float64, by the name of the output. */
  readonly expected: Readonly<Record<string, Float64Array>>;
};

const SAMPLES = 2;

const wave = (length: number, step: number): Float32Array =>
  Float32Array.from({ length }, (_, i) => Math.sin(step * i + 1));

/** Drawn as for training; what begins as zeros or ones, such as a bias, is no longer that. */
function weightsOf({ parameters }: Model): Map<string, Float32Array> {
  const drawn = parameters.map((parameter, i): [string, Float32Array] => {
    const values = initialWeights(parameter, 3);
    const shift = parameter.init.kind === 'he_uniform' ? 0 : 0.1;
    return [parameter.name, values.map((value, k) => value + shift * Math.sin(k + i))];
  });
  return new Map(drawn);
}

export function exportExample(example: string): Exported {
  const file = join(root, `examples/${example}.unet`);
  const sets = exampleSets[example] ?? {};
  const model = valueIn(compileModel(narrow(readFileSync(file, 'utf8')), file, { sets, purpose: 'predict' }));
  const weights = weightsOf(model);
  const bytes = valueIn(exportOnnx(model, weights));
  const isDropped = (name: string) =>
    model.inputs.some((input) => input.name === name && input.source.from === 'mask');
  const inputs = Object.fromEntries(
    model.inputs.map(({ name, type, source }, i) => {
      const dims = dimsOf(type, SAMPLES);
      const pixels = source.from === 'image' ? 100 : 1;
      const data = wave(product(dims), 0.37 + i).map((value) => pixels * (1 + value));
      return [name, { dims, data: isDropped(name) ? data.fill(1) : data }];
    }),
  );
  const values = new Map(
    [...weights, ...Object.entries(inputs).map(([name, { data }]) => [name, data] as const)].map(
      ([name, data]) => [name, Float64Array.from(data)] as const,
    ),
  );
  const graph = {
    inputs: [
      ...model.inputs.map(({ name, type }) => ({ name, type })),
      ...model.parameters.map(({ name, dims }) => ({ name, type: array(dims) })),
    ],
    ops: model.ops,
    outputs: model.ops.map(({ output }) => output),
  };
  const found = runGraph(graph, SAMPLES, values);
  const computed = (name: string) => found.get(name) ?? new Float64Array();
  const expected = model.outputs.flatMap(({ name, value }): [string, Float64Array][] => {
    const op = model.ops.find(({ output }) => output === value);
    const scores = op?.kind === 'classify' ? [[`${name}.logits`, computed(op.inputs[0] ?? '')] as const] : [];
    return [[name, computed(value)], ...scores.map(([key, data]): [string, Float64Array] => [key, data])];
  });
  const fed = Object.entries(inputs).filter(([name]) => !isDropped(name));
  return { bytes, inputs: Object.fromEntries(fed), expected: Object.fromEntries(expected) };
}

/** The largest error relative to the largest value; of classes, the share of cells that differ. */
export function errorOf(
  name: string,
  actual: ArrayLike<number | bigint>,
  expected: Float64Array,
  classes: boolean,
): number {
  if (actual.length !== expected.length)
    throw new Error(`${name}: ${actual.length} values, not ${expected.length}`);
  const errors = expected.map((value, i) => Math.abs(Number(actual[i]) - value));
  if (classes) return errors.filter((error) => error !== 0).length / expected.length;
  const scale = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-30);
  return errors.reduce((most, error) => Math.max(most, error), 0) / scale;
}
