/**
 * The only file that knows `onnx-proto`: plain data in, the bytes of an ONNX file out. The package is
 * CommonJS without named ESM exports, so its one export is taken from the default import.
 */
import onnxProto, { type onnx as Onnx } from 'onnx-proto';
import type { Element } from '../../ir/type.ts';
import type { NodeType } from './node-facts.ts';

const { onnx } = onnxProto;

/** Element types of our values, and those that only occur between nodes. */
export type TensorElement = Element | 'i64' | 'bool';

export type Tensor = {
  readonly element: TensorElement;
  readonly dims: readonly number[];
  /** Little-endian bytes, row-major. */
  readonly data: Uint8Array;
};

/** A whole number is an INT, a list INTS; a FLOAT says so, since 1 and 1.0 are one number here. */
export type Attribute = number | readonly number[] | string | { readonly float: number } | Tensor | Body;

export type Node = {
  readonly type: NodeType;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: Readonly<Record<string, Attribute>>;
};

/** The body of a loop. It sees the names of the graph around it. */
export type Body = {
  readonly nodes: readonly Node[];
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
};

/** A string is a symbolic dimension; without dimensions any will do. */
export type Port = {
  readonly name: string;
  readonly element: TensorElement;
  readonly dims?: readonly (number | string)[];
};

/** How whoever runs the file may take memory for it (`runtime/local/sessions.ts`). It stands at the end of the file. */
export type MemoryWay = 'arena' | 'one block';

export type OnnxGraph = {
  readonly name: string;
  readonly nodes: readonly Node[];
  readonly constants: readonly (Tensor & { readonly name: string })[];
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  readonly memory?: readonly MemoryWay[];
};

/** Operator set of `ai.onnx` that we emit: axes of reductions are inputs, ScatterElements adds. */
export const opset = 18;

const irVersion = 8;

/** Operators of ONNX Runtime itself, and the version of each set. */
const contributed = { domain: 'com.microsoft', version: 1 };

const domains: { readonly [T in NodeType]?: string } = { FusedMatMul: contributed.domain };

const { DataType } = onnx.TensorProto;
const { AttributeType } = onnx.AttributeProto;

const dataTypes: Record<TensorElement, number> = {
  f32: DataType.FLOAT,
  u8: DataType.UINT8,
  i64: DataType.INT64,
  bool: DataType.BOOL,
};

const tensorProto = ({ element, dims, data }: Tensor, name = ''): Onnx.ITensorProto => ({
  name,
  dataType: dataTypes[element],
  dims: [...dims],
  rawData: data,
});

const isTensor = (value: object): value is Tensor => 'data' in value;
const isBody = (value: object): value is Body => 'nodes' in value;
const isList = (value: Attribute): value is readonly number[] => Array.isArray(value);

function attributeProto(name: string, value: Attribute): Onnx.IAttributeProto {
  if (typeof value === 'number') return { name, type: AttributeType.INT, i: value };
  if (typeof value === 'string') return { name, type: AttributeType.STRING, s: Buffer.from(value) };
  if (isList(value)) return { name, type: AttributeType.INTS, ints: [...value] };
  if (isTensor(value)) return { name, type: AttributeType.TENSOR, t: tensorProto(value) };
  if (isBody(value)) return { name, type: AttributeType.GRAPH, g: bodyProto(name, value) };
  return { name, type: AttributeType.FLOAT, f: value.float };
}

const nodeProto = ({ type, inputs, outputs, attributes }: Node): Onnx.INodeProto => ({
  name: outputs.find((name) => name !== '') ?? '',
  opType: type,
  domain: domains[type] ?? '',
  input: [...inputs],
  output: [...outputs],
  attribute: Object.entries(attributes).map(([name, value]) => attributeProto(name, value)),
});

const dimension = (size: number | string): Onnx.TensorShapeProto.IDimension =>
  typeof size === 'string' ? { dimParam: size } : { dimValue: size };

const valueInfo = ({ name, element, dims }: Port): Onnx.IValueInfoProto => ({
  name,
  type: {
    tensorType: {
      elemType: dataTypes[element],
      ...(dims === undefined ? {} : { shape: { dim: dims.map(dimension) } }),
    },
  },
});

const bodyProto = (name: string, { nodes, inputs, outputs }: Body): Onnx.IGraphProto => ({
  name,
  node: nodes.map(nodeProto),
  input: inputs.map(valueInfo),
  output: outputs.map(valueInfo),
});

const usesContributed = (nodes: readonly Node[]): boolean =>
  nodes.some(
    ({ type, attributes: { body } }) =>
      domains[type] !== undefined ||
      (typeof body === 'object' && isBody(body) && usesContributed(body.nodes)),
  );

/** The bytes of the ONNX file; the same graph gives the same bytes. */
export function encode(graph: OnnxGraph): Uint8Array {
  const model: Onnx.IModelProto = {
    irVersion,
    producerName: 'unetc',
    opsetImport: [{ domain: '', version: opset }, ...(usesContributed(graph.nodes) ? [contributed] : [])],
    graph: {
      name: graph.name,
      node: graph.nodes.map(nodeProto),
      initializer: graph.constants.map((constant) => tensorProto(constant, constant.name)),
      input: graph.inputs.map(valueInfo),
      output: graph.outputs.map(valueInfo),
    },
    ...(graph.memory?.length
      ? { metadataProps: [{ key: 'unetc.memory', value: graph.memory.join(', ') }] }
      : {}),
  };
  return onnx.ModelProto.encode(model).finish();
}
