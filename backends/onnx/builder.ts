/**
 * Collects the nodes of one ONNX graph. Each method adds a node and returns the name of its result, so an
 * op's emission reads as a formula. The only mutable thing of this backend; it lives for one emission.
 */
import type { NodeType } from './node-facts.ts';
import type { Attribute, Body, Node, Port, Tensor } from './proto.ts';

type Attributes = Readonly<Record<string, Attribute>>;

const littleEndian = <T>(
  values: readonly T[],
  width: number,
  put: (view: DataView, at: number, value: T) => void,
) => {
  const data = new Uint8Array(values.length * width);
  const view = new DataView(data.buffer);
  for (const [index, value] of values.entries()) put(view, index * width, value);
  return data;
};

export const floatTensor = (values: readonly number[], dims: readonly number[]): Tensor => ({
  element: 'f32',
  dims,
  data: littleEndian(values, 4, (view, at, value) => view.setFloat32(at, value, true)),
});

const intTensor = (values: readonly number[], dims: readonly number[]): Tensor => ({
  element: 'i64',
  dims,
  data: littleEndian(values, 8, (view, at, value) => view.setBigInt64(at, BigInt(value), true)),
});

const byteTensor = (values: readonly number[], dims: readonly number[]): Tensor => ({
  element: 'u8',
  dims,
  data: Uint8Array.from(values),
});

/** What nodes read, those inside loops included. */
const inputsOf = (nodes: readonly Node[]): string[] =>
  nodes.flatMap(({ inputs, attributes }) => {
    const { body } = attributes;
    const inside = typeof body === 'object' && 'nodes' in body ? inputsOf(body.nodes) : [];
    return [...inputs, ...inside];
  });

export class Builder {
  #nodes: Node[] = [];
  readonly #constants = new Map<string, Tensor & { readonly name: string }>();
  /** Inputs and op outputs of the graph being emitted: temporaries must not take their names. */
  readonly #taken: ReadonlySet<string>;
  /** By value the name under which it is read from now on. */
  readonly #replaced = new Map<string, string>();
  #scope = '';
  #next = 0;

  constructor(taken: ReadonlySet<string>) {
    this.#taken = taken;
  }

  get nodes(): readonly Node[] {
    return this.#nodes;
  }

  /** Those that some node reads: ONNX Runtime warns of others when it loads the file. */
  get constants(): readonly (Tensor & { readonly name: string })[] {
    const used = new Set(inputsOf(this.#nodes));
    return [...this.#constants.values()].filter(({ name }) => used.has(name));
  }

  /** Emits one op by `formula`, whose result gets the name `output`. */
  define(output: string, formula: () => string): void {
    this.#scope = output;
    this.#next = 0;
    let result = '';
    const nodes = this.#collect(() => {
      result = formula();
    });
    const swap = (name: string): string => (name === result ? output : name);
    const made = nodes.some(({ outputs }) => outputs.includes(result));
    if (made)
      for (const node of nodes)
        this.#nodes.push({ ...node, inputs: node.inputs.map(swap), outputs: node.outputs.map(swap) });
    else this.#nodes.push({ type: 'Identity', inputs: [result], outputs: [output], attributes: {} });
  }

  /** Whoever reads `name` from here on reads `other`. */
  replace(name: string, other: string): void {
    this.#replaced.set(name, other);
  }

  current(name: string): string {
    return this.#replaced.get(name) ?? name;
  }

  op(type: NodeType, inputs: readonly string[], attributes: Attributes = {}): string {
    const name = this.#fresh();
    this.#nodes.push({ type, inputs, attributes, outputs: [name] });
    return name;
  }

  /** The second result of a node whose first one is not wanted. */
  second(type: NodeType, inputs: readonly string[], attributes: Attributes): string {
    const outputs = [this.#fresh(), this.#fresh()] as const;
    this.#nodes.push({ type, inputs, attributes, outputs });
    return outputs[1];
  }

  /**
   * Sums over 0, 1, ... below `count`, each a tensor of one of `dims`. `add` gives what they are after one more
   * index, from what they are before it: nothing before the first if it is the only one. The index is a scalar. The
   * body is in the file once, so a long sum costs ONNX Runtime no time to prepare.
   */
  sums(
    count: number,
    dims: readonly (readonly number[])[],
    add: (index: string, totals: readonly (string | undefined)[]) => readonly string[],
  ): readonly string[] {
    if (count === 1)
      return add(
        this.ints([0], []),
        dims.map(() => undefined),
      );
    const [index, go] = [this.#fresh(), this.#fresh()];
    const totals = dims.map(() => this.#fresh());
    let [next, goOn]: [readonly string[], string] = [[], ''];
    const nodes = this.#collect(() => {
      next = add(index, totals);
      goOn = this.op('Identity', [go]);
    });
    const ports = (names: readonly string[]): Port[] =>
      names.map((name, i) => ({ name, element: 'f32', dims: dims[i] ?? [] }));
    const body: Body = {
      nodes,
      inputs: [
        { name: index, element: 'i64', dims: [] },
        { name: go, element: 'bool', dims: [] },
        ...ports(totals),
      ],
      outputs: [{ name: goOn, element: 'bool', dims: [] }, ...ports(next)],
    };
    const zeros = dims.map((sizes) => this.op('ConstantOfShape', [this.ints(sizes)]));
    const outputs = dims.map(() => this.#fresh());
    this.#nodes.push({
      type: 'Loop',
      inputs: [this.ints([count], []), '', ...zeros],
      outputs,
      attributes: { body },
    });
    return outputs;
  }

  ints(values: readonly number[], dims: readonly number[] = [values.length]): string {
    return this.#constant(`i64[${dims}]${values}`, () => intTensor(values, dims));
  }

  floats(values: readonly number[], dims: readonly number[] = [values.length]): string {
    return this.#constant(`f32[${dims}]${values}`, () => floatTensor(values, dims));
  }

  bytes(values: readonly number[], dims: readonly number[] = [values.length]): string {
    return this.#constant(`u8[${dims}]${values}`, () => byteTensor(values, dims));
  }

  float(value: number): string {
    return this.floats([value], []);
  }

  /** Constants of equal content are one. */
  #constant(key: string, make: () => Tensor): string {
    const known = this.#constants.get(key);
    if (known !== undefined) return known.name;
    const name = this.#free(`constant~${this.#constants.size}`);
    this.#constants.set(key, { ...make(), name });
    return name;
  }

  /** The nodes that `make` adds, instead of adding them here. */
  #collect(make: () => void): Node[] {
    const outside = this.#nodes;
    const nodes: Node[] = [];
    this.#nodes = nodes;
    make();
    this.#nodes = outside;
    return nodes;
  }

  #fresh(): string {
    return this.#free(`${this.#scope}~${this.#next++}`);
  }

  #free(name: string): string {
    return this.#taken.has(name) ? this.#free(`${name}~`) : name;
  }
}
