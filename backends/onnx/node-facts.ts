/**
 * What is known of each kind of ONNX node before it runs: the sizes of its results, and how ONNX Runtime's CPU
 * kernels use memory. A kind that we emit and that is not here is a type error.
 */
import { at } from '../../ir/box.ts';
import { product } from '../../ir/type.ts';
import type { Attribute, TensorElement } from './proto.ts';

/** A tensor as far as it is known: its sizes, and the numbers of small ones that sizes are computed from. */
export type Known = {
  readonly element: TensorElement;
  readonly dims: readonly number[];
  readonly numbers?: readonly number[];
};

export type NodeSite = {
  /** Operands; one that is left out is an empty tensor. */
  readonly inputs: readonly Known[];
  readonly attributes: Readonly<Record<string, Attribute>>;
};

export type NodeFacts = {
  readonly results: (site: NodeSite) => readonly Known[];
  /** Operands that the kernel may write its result over, where nobody else reads them. */
  readonly overwrites?: readonly number[];
  /** The result is the first operand by another name. */
  readonly renames?: true;
  /** Bytes of the blocks that the kernel takes while it runs. */
  readonly scratch?: (site: NodeSite) => readonly number[];
};

const elementBytes: { readonly [E in TensorElement]: number } = { f32: 4, u8: 1, i64: 8, bool: 1 };

export const knownBytes = ({ element, dims }: Known): number => product(dims) * elementBytes[element];

const first = ({ inputs }: NodeSite): Known => at(inputs, 0);

const numbersAt = ({ inputs }: NodeSite, index: number): readonly number[] => {
  const numbers = inputs[index]?.numbers;
  if (numbers === undefined) throw new Error(`operand ${index} is not known before the run`);
  return numbers;
};

const listOf = ({ attributes }: NodeSite, name: string, otherwise: readonly number[]): readonly number[] => {
  const value = attributes[name];
  return Array.isArray(value) ? value : otherwise;
};

const numberOf = ({ attributes }: NodeSite, name: string, otherwise: number): number => {
  const value = attributes[name];
  return typeof value === 'number' ? value : otherwise;
};

const counted = (axis: number, rank: number): number => (axis < 0 ? axis + rank : axis);

/** Sizes after broadcasting. */
const broadcast = (all: readonly (readonly number[])[]): number[] => {
  const rank = Math.max(...all.map((dims) => dims.length));
  return Array.from({ length: rank }, (_, axis) =>
    all.reduce((size, dims) => {
      const own = dims[axis - rank + dims.length] ?? 1;
      return own === 1 ? size : own;
    }, 1),
  );
};

/** Numbers of a result whose operands' numbers are known; one number stands for as many as there are. */
function fold(
  inputs: readonly Known[],
  compute: (a: number, b: number) => number,
): readonly number[] | undefined {
  const lists = inputs.map(({ numbers }) => numbers);
  if (!lists.every((list) => list !== undefined)) return undefined;
  const length = Math.max(...lists.map((list) => list.length));
  const entry = (index: number): number[] => lists.map((list) => at(list, list.length === 1 ? 0 : index));
  return Array.from({ length }, (_, index) => entry(index).reduce((a, b) => compute(a, b)));
}

const withNumbers = (known: Known, numbers: readonly number[] | undefined): Known =>
  numbers === undefined ? known : { ...known, numbers };

/** Cell by cell, of the first operand's element or of another. */
const pointwise = ({
  element,
  compute,
}: {
  element?: TensorElement;
  compute?: (a: number, b: number) => number;
} = {}): NodeFacts => ({
  results(site) {
    const dims = broadcast(site.inputs.map((input) => input.dims));
    const result = { element: element ?? first(site).element, dims };
    return [withNumbers(result, compute && fold(site.inputs, compute))];
  },
});

const unary: NodeFacts = { results: (site) => [plain(first(site))] };

/** Activations work in place; plain arithmetic, of one operand or two, never does. */
const activation: NodeFacts = { ...unary, overwrites: [0] };

const plain = ({ element, dims }: Known): Known => ({ element, dims });

const renamed = (dimsOf: (site: NodeSite) => readonly number[]): NodeFacts => ({
  renames: true,
  results(site) {
    const { element, numbers } = first(site);
    return [withNumbers({ element, dims: dimsOf(site) }, numbers)];
  },
});

const sized = (dimsOf: (site: NodeSite) => readonly number[]): NodeFacts => ({
  results: (site) => [{ element: first(site).element, dims: dimsOf(site) }],
});

/** 0 keeps a size, -1 is what is left. */
function reshapedDims(site: NodeSite): number[] {
  const { dims } = first(site);
  const wanted = numbersAt(site, 1).map((size, axis) => (size === 0 ? at(dims, axis) : size));
  const rest = product(dims) / product(wanted.filter((size) => size !== -1));
  return wanted.map((size) => (size === -1 ? rest : size));
}

const reduction = sized((site) => {
  const { dims } = first(site);
  const axes = new Set(numbersAt(site, 1).map((axis) => counted(axis, dims.length)));
  return numberOf(site, 'keepdims', 1) === 1
    ? dims.map((size, axis) => (axes.has(axis) ? 1 : size))
    : dims.filter((_, axis) => !axes.has(axis));
});

function slicedDims(site: NodeSite): number[] {
  const { dims } = first(site);
  const [starts, ends] = [numbersAt(site, 1), numbersAt(site, 2)];
  const axes = site.inputs[3] === undefined ? starts.map((_, i) => i) : numbersAt(site, 3);
  const steps = site.inputs[4] === undefined ? starts.map(() => 1) : numbersAt(site, 4);
  const sliced = [...dims];
  for (const [i, named] of axes.entries()) {
    const axis = counted(named, dims.length);
    const [size, step] = [at(dims, axis), at(steps, i)];
    const place = (p: number, least: number, most: number): number =>
      Math.min(most, Math.max(least, p < 0 ? p + size : p));
    const [from, to] =
      step > 0
        ? [place(at(starts, i), 0, size), place(at(ends, i), 0, size)]
        : [place(at(starts, i), 0, size - 1), place(at(ends, i), -1, size - 1)];
    sliced[axis] = Math.max(0, Math.ceil((to - from) / step));
  }
  return sliced;
}

function paddedDims(site: NodeSite): number[] {
  const { dims } = first(site);
  const pads = numbersAt(site, 1);
  const axes = site.inputs[3] === undefined ? dims.map((_, axis) => axis) : numbersAt(site, 3);
  const padded = [...dims];
  for (const [i, named] of axes.entries()) {
    const axis = counted(named, dims.length);
    padded[axis] = at(dims, axis) + at(pads, i) + at(pads, i + axes.length);
  }
  return padded;
}

type Windows = {
  readonly kernel: readonly number[];
  readonly stride: readonly number[];
  readonly dilation: readonly number[];
  readonly pads: readonly number[];
  readonly cells: readonly number[];
};

function windowsOf(site: NodeSite): Windows {
  const [, , ...cells] = first(site).dims;
  const ones = cells.map(() => 1);
  return {
    cells,
    kernel: listOf(site, 'kernel_shape', site.inputs[1]?.dims.slice(2) ?? ones),
    stride: listOf(site, 'strides', ones),
    dilation: listOf(site, 'dilations', ones),
    pads: listOf(
      site,
      'pads',
      [...ones, ...ones].map(() => 0),
    ),
  };
}

/** Windows that fit, on each axis. */
function windowCounts(site: NodeSite): number[] {
  const { cells, kernel, stride, dilation, pads } = windowsOf(site);
  return cells.map((size, axis) => {
    const room = size + at(pads, axis) + at(pads, axis + cells.length);
    return Math.floor((room - (at(kernel, axis) - 1) * at(dilation, axis) - 1) / at(stride, axis)) + 1;
  });
}

/** Cells that windows at every place cover, without what is cropped. */
function coveredCells(site: NodeSite): number[] {
  const { cells, kernel, stride, dilation, pads } = windowsOf(site);
  return cells.map((size, axis) => {
    const reach = (at(kernel, axis) - 1) * at(dilation, axis) + 1;
    return (size - 1) * at(stride, axis) + reach - at(pads, axis) - at(pads, axis + cells.length);
  });
}

const batchAndChannels = (site: NodeSite): readonly number[] => first(site).dims.slice(0, 2);

const pooledDims = (site: NodeSite): number[] => [...batchAndChannels(site), ...windowCounts(site)];

/** One sample and group as columns: a row for each cell of the kernel and channel of the result. */
function transposedConvScratch(site: NodeSite): number[] {
  const { kernel, cells } = windowsOf(site);
  return [4 * at(at(site.inputs, 1).dims, 1) * product(kernel) * product(cells)];
}

function productDims(site: NodeSite): number[] {
  const [a, b] = [at(site.inputs, 0).dims, at(site.inputs, 1).dims];
  const columns = at(b, b.length - 1 - numberOf(site, 'transB', 0));
  return [...broadcast([a.slice(0, -2), b.slice(0, -2)]), at(a, a.length - 2), columns];
}

function gemmDims(site: NodeSite): number[] {
  const [a, b] = [at(site.inputs, 0).dims, at(site.inputs, 1).dims];
  return [at(a, numberOf(site, 'transA', 0)), at(b, 1 - numberOf(site, 'transB', 0))];
}

function gatheredDims(site: NodeSite): number[] {
  const { dims } = first(site);
  const axis = numberOf(site, 'axis', 0);
  return [...dims.slice(0, axis), ...at(site.inputs, 1).dims, ...dims.slice(axis + 1)];
}

/** The numbers of one row of a table. */
function gatheredRow({ inputs }: NodeSite): readonly number[] | undefined {
  const [table, index] = [at(inputs, 0), at(inputs, 1).numbers?.[0]];
  const width = product(table.dims.slice(1));
  return index === undefined ? undefined : table.numbers?.slice(index * width, (index + 1) * width);
}

function joinedDims(site: NodeSite): number[] {
  const { dims } = first(site);
  const joined = counted(numberOf(site, 'axis', 0), dims.length);
  return dims.map((size, axis) =>
    axis === joined ? site.inputs.reduce((sum, input) => sum + at(input.dims, axis), 0) : size,
  );
}

/** The codes of ONNX for the elements that are cast to. */
const castElements: Readonly<Record<number, TensorElement>> = { 1: 'f32', 2: 'u8', 7: 'i64', 9: 'bool' };

function chosen({ inputs }: NodeSite): Known {
  return { element: at(inputs, 1).element, dims: broadcast(inputs.map(({ dims }) => dims)) };
}

const table = <K extends string>(facts: Readonly<Record<K, NodeFacts>>) => facts;

/** What ONNX Runtime 1.30 does, at the level of optimization that sessions have (`runtime/local/sessions.ts`). */
export const nodeFacts = table({
  Abs: unary,
  Clip: activation,
  Cos: unary,
  Erf: unary,
  Exp: unary,
  HardSigmoid: activation,
  LeakyRelu: activation,
  Log: unary,
  Neg: unary,
  Reciprocal: unary,
  Relu: activation,
  Sigmoid: activation,
  Sign: unary,
  Sin: unary,
  Softplus: activation,
  Sqrt: unary,
  Add: pointwise({ compute: (a, b) => a + b }),
  Sub: pointwise({ compute: (a, b) => a - b }),
  Mul: pointwise({ compute: (a, b) => a * b }),
  Div: pointwise({ compute: (a, b) => Math.trunc(a / b) }),
  Mod: pointwise({ compute: (a, b) => a % b }),
  Min: pointwise({ compute: Math.min }),
  Max: pointwise({ compute: Math.max }),
  Pow: pointwise(),
  Equal: pointwise({ element: 'bool' }),
  Greater: pointwise({ element: 'bool' }),
  Less: pointwise({ element: 'bool' }),
  /** Each of the two choices is spread over the result before they are merged. */
  Where: {
    results: (site) => [chosen(site)],
    scratch: (site) => [chosen(site), chosen(site)].map(knownBytes),
  },
  Cast: {
    results: (site) => [{ element: castElements[numberOf(site, 'to', 1)] ?? 'f32', dims: first(site).dims }],
  },
  Shape: {
    results: (site) => {
      const { dims } = first(site);
      return [{ element: 'i64', dims: [dims.length], numbers: dims }];
    },
  },
  Identity: renamed((site) => first(site).dims),
  Reshape: renamed(reshapedDims),
  Unsqueeze: renamed((site) => {
    const added = numbersAt(site, 1);
    const rank = first(site).dims.length + added.length;
    const axes = new Set(added.map((axis) => counted(axis, rank)));
    const rest = [...first(site).dims];
    return Array.from({ length: rank }, (_, axis) => (axes.has(axis) ? 1 : (rest.shift() ?? 1)));
  }),
  ReduceMax: reduction,
  ReduceMean: reduction,
  ReduceSum: reduction,
  ReduceSumSquare: reduction,
  ArgMax: {
    results: (site) => [
      {
        element: 'i64',
        dims: first(site).dims.map((size, axis) => (axis === numberOf(site, 'axis', 0) ? 1 : size)),
      },
    ],
  },
  /** Over another axis than the last it works on a transposed copy. */
  Softmax: { ...unary, scratch: (site) => [knownBytes(first(site))] },
  Transpose: sized((site) => listOf(site, 'perm', []).map((axis) => at(first(site).dims, axis))),
  Slice: sized(slicedDims),
  Pad: sized(paddedDims),
  Concat: {
    results(site) {
      const lists = site.inputs.map(({ numbers }) => numbers);
      const known = lists.every((list) => list !== undefined) ? lists.flat() : undefined;
      return [withNumbers({ element: first(site).element, dims: joinedDims(site) }, known)];
    },
  },
  Expand: sized((site) => broadcast([first(site).dims, numbersAt(site, 1)])),
  Gather: {
    results(site) {
      const { element } = first(site);
      return [withNumbers({ element, dims: gatheredDims(site) }, gatheredRow(site))];
    },
  },
  /** It keeps a list of the positions, each checked. */
  ScatterElements: { ...activation, scratch: ({ inputs }) => [knownBytes(at(inputs, 1))] },
  ConstantOfShape: { results: (site) => [{ element: 'f32', dims: numbersAt(site, 0) }] },
  Resize: sized((site) => {
    const scales = numbersAt(site, 2);
    return first(site).dims.map((size, axis) => Math.floor(size * at(scales, axis)));
  }),
  BatchNormalization: unary,
  Conv: sized((site) => [at(first(site).dims, 0), at(at(site.inputs, 1).dims, 0), ...windowCounts(site)]),
  ConvTranspose: {
    results: (site) => [
      {
        element: 'f32',
        dims: [
          at(first(site).dims, 0),
          at(at(site.inputs, 1).dims, 1) * numberOf(site, 'group', 1),
          ...coveredCells(site),
        ],
      },
    ],
    scratch: transposedConvScratch,
  },
  AveragePool: sized(pooledDims),
  MaxPool: {
    results: (site) => [
      { element: 'f32', dims: pooledDims(site) },
      { element: 'i64', dims: pooledDims(site) },
    ],
  },
  MaxUnpool: sized((site) => numbersAt(site, 2)),
  MatMul: sized(productDims),
  FusedMatMul: sized(productDims),
  Gemm: sized(gemmDims),
});

/** A loop is no plain node: it has a graph of its own (`workspace.ts`). */
export type NodeType = keyof typeof nodeFacts | 'Loop';
