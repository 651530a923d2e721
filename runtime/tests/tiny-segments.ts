/** The segments of tiny plans as ONNX, written node by node, and bundles of them. */
import { createHash } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import onnxProto, { type onnx as Onnx } from 'onnx-proto';
import { at } from '../../ir/box.ts';
import { bundleFormat, bundlePaths, type Manifest, segmentPath } from '../../ir/bundle.ts';
import type { Plan, Segment } from '../../ir/plan.ts';
import { planFiles } from '../../ir/plan-files.ts';
import { dimsOf } from '../../ir/type.ts';

const { onnx } = onnxProto;
const { DataType } = onnx.TensorProto;
const { AttributeType } = onnx.AttributeProto;

type Attribute = number | readonly number[];

const node = (
  opType: string,
  input: string[],
  output: string,
  attributes: Record<string, Attribute> = {},
) => ({
  opType,
  input,
  output: [output],
  attribute: Object.entries(attributes).map(
    ([name, value]): Onnx.IAttributeProto =>
      typeof value === 'number'
        ? { name, type: AttributeType.INT, i: value }
        : { name, type: AttributeType.INTS, ints: [...value] },
  ),
});

const info = (name: string, dims: readonly number[], elemType: number = DataType.FLOAT) => ({
  name,
  type: { tensorType: { elemType, shape: { dim: dims.map((dimValue) => ({ dimValue })) } } },
});

/** As many as there are: updates run in pieces. */
const elements = (name: string) => ({ name, type: { tensorType: { elemType: DataType.FLOAT } } });

const floats = (name: string, values: readonly number[], dims: readonly number[]) => ({
  name,
  dataType: DataType.FLOAT,
  dims: [...dims],
  floatData: [...values],
});

const integers = (name: string, values: readonly number[]) => ({
  name,
  dataType: DataType.INT64,
  dims: [values.length],
  int64Data: [...values],
});

const encode = (graph: Onnx.IGraphProto): Uint8Array =>
  onnx.ModelProto.encode({ irVersion: 8, opsetImport: [{ domain: '', version: 18 }], graph }).finish();

const classes = [node('ArgMax', ['logits'], 'index', { axis: 1, keepdims: 1 })];
const cast = (from: string, to: string, type: number) => node('Cast', [from], to, { to: type });

/** logits = conv(image, w); p = softmax; d = (p - onehot) / count; dw = Σ d · image. */
function stepGraph(dims: readonly number[]): Onnx.IGraphProto {
  return {
    name: 'step',
    node: [
      node('Conv', ['image', 'w'], 'logits'),
      ...classes,
      cast('index', 'found', DataType.UINT8),
      cast('land', 'land_f', DataType.FLOAT),
      node('Sub', ['one', 'land_f'], 'water'),
      node('Concat', ['water', 'land_f'], 'truth', { axis: 1 }),
      node('LogSoftmax', ['logits'], 'logp', { axis: 1 }),
      node('Mul', ['logp', 'truth'], 'picked'),
      node('ReduceSum', ['picked'], 'total', { keepdims: 0 }),
      node('Neg', ['total'], 'minus'),
      node('Div', ['minus', 'labelled'], 'loss'),
      node('Exp', ['logp'], 'p'),
      node('Sub', ['p', 'truth'], 'off'),
      node('Div', ['off', 'labelled'], 'd'),
      node('Mul', ['d', 'image'], 'dx'),
      node('ReduceSum', ['dx', 'space'], 'dsum', { keepdims: 0 }),
      node('Reshape', ['dsum', 'shape'], 'dw'),
    ],
    initializer: [floats('one', [1], []), integers('space', [0, 2, 3]), integers('shape', [2, 1, 1, 1])],
    input: [
      info('image', dims),
      info('w', [2, 1, 1, 1]),
      info('land', dims, DataType.UINT8),
      info('labelled', []),
    ],
    output: [info('found', dims, DataType.UINT8), info('loss', []), info('dw', [2, 1, 1, 1])],
  };
}

const forwardGraph = (dims: readonly number[]): Onnx.IGraphProto => ({
  name: 'forward',
  node: [node('Conv', ['image', 'w'], 'logits'), ...classes, cast('index', 'found', DataType.UINT8)],
  input: [info('image', dims), info('w', [2, 1, 1, 1])],
  output: [info('found', dims, DataType.UINT8)],
});

const updateGraph = (): Onnx.IGraphProto => ({
  name: 'update',
  node: [
    node('Gather', ['hyper', 'zero'], 'rate'),
    node('Mul', ['dw', 'rate'], 'change'),
    node('Sub', ['w', 'change'], 'w~next'),
  ],
  initializer: [{ name: 'zero', dataType: DataType.INT64, dims: [], int64Data: [0] }],
  input: [info('hyper', [3]), elements('w'), elements('dw')],
  output: [elements('w~next')],
});

/** The ONNX bytes of each segment of a tiny plan. */
export function tinySegments(plan: Plan): Map<string, Uint8Array> {
  const graphOf = ({ name, graph, samples }: Segment): Onnx.IGraphProto => {
    if (name === 'update') return updateGraph();
    const dims = dimsOf(at(graph.inputs, 0).type, samples);
    return name.startsWith('step') ? stepGraph(dims) : forwardGraph(dims);
  };
  return new Map(plan.segments.map((segment) => [segment.name, encode(graphOf(segment))]));
}

/** Writes the segments into a folder; their paths by name. */
export async function writeSegments(plan: Plan, folder: string): Promise<Record<string, string>> {
  await mkdir(folder, { recursive: true });
  const files: Record<string, string> = {};
  for (const [name, bytes] of tinySegments(plan)) {
    const path = join(folder, `${name}.onnx`);
    await writeFile(path, bytes);
    files[name] = path;
  }
  return files;
}

/** Writes a bundle as the compiler would. */
export async function writeTinyBundle(
  plan: Plan,
  folder: string,
  changes: Partial<Manifest> = {},
): Promise<void> {
  const files = new Map<string, Uint8Array>([
    ...[...planFiles(plan)].map(({ path, content }): [string, Uint8Array] => [
      path,
      new TextEncoder().encode(JSON.stringify(content)),
    ]),
    ...[...tinySegments(plan)].map(([name, bytes]): [string, Uint8Array] => [segmentPath(name), bytes]),
  ]);
  const manifest: Manifest = {
    format: bundleFormat,
    compiler: 'test',
    model: sha256(new TextEncoder().encode(JSON.stringify(plan.model))),
    plan: sha256(new TextEncoder().encode(JSON.stringify(plan))),
    sets: {},
    threads: 1,
    executors: ['local'],
    files: Object.fromEntries([...files].map(([path, bytes]) => [path, sha256(bytes)])),
    ...changes,
  };
  files.set(bundlePaths.manifest, new TextEncoder().encode(JSON.stringify(manifest)));
  for (const one of ['segments', 'roles']) await mkdir(join(folder, one), { recursive: true });
  for (const [path, bytes] of files) await writeFile(join(folder, path), bytes);
}

export const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
