/**
 * A trained network as a plain ONNX file: raw pixels in, logits and classes out, weights inside, any number
 * of samples. ONNX Runtime or another engine runs it without anything of ours.
 */
import { cornerShares } from '../../ir/corners.ts';
import { diagnose, failure, fault, type Result, success } from '../../ir/diagnostics/diagnostic.ts';
import { asLocal, type Op } from '../../ir/graph.ts';
import type { Input, Model, Output } from '../../ir/model.ts';
import { array, dimsOf, product, type ValueType } from '../../ir/type.ts';
import { Builder, floatTensor } from './builder.ts';
import { emitOp, typeNamed } from './emit-op.ts';
import { encode, type Port, type Tensor } from './proto.ts';

/** Protobuf, and so ONNX, ends at 2 GiB; some room for the nodes. */
const largestFile = 2 ** 31 - 2 ** 24;

/** The symbol of the batch dimension. */
const batch = 'N';

const gigabytes = (bytes: number): string => (bytes / 2 ** 30).toFixed(2);

/** Whether who runs the file has to give it. */
const isGiven = (input: Input): boolean => !isDropout(input) && input.source.from !== 'corners';

/** Shares that depend on the position alone, the same for all samples. */
function cornerConstants(inputs: readonly Input[], rename: (name: string) => string) {
  return inputs.flatMap(({ name, type, source }) => {
    if (source.from !== 'corners' || type.kind !== 'map') return [];
    const shares = [...cornerShares(source, type.box, type.box)];
    return [{ ...floatTensor(shares, dimsOf(type, 1)), name: rename(name) }];
  });
}

const isDropout = (input: Input): boolean => input.source.from === 'mask';

/** The ops that the values named are computed from, in the order of the model. */
function opsFor({ ops }: Model, values: readonly string[]): Op[] {
  const needed = new Set(values);
  const kept = ops.toReversed().filter((op) => {
    if (!needed.has(op.output)) return false;
    for (const name of op.inputs) needed.add(name);
    return true;
  });
  return kept.reverse();
}

/** What the file gives: the model's outputs, and beside each class map the logits it was decided by. */
function resultsOf(model: Model): Output[] {
  const classified = new Map(
    model.ops.flatMap((op) => (op.kind === 'classify' ? [[op.output, op.inputs[0] ?? '']] : [])),
  );
  return model.outputs.flatMap((output) => {
    const logits = classified.get(output.value);
    return logits === undefined ? [output] : [output, { name: `${output.name}.logits`, value: logits }];
  });
}

const openDims = (type: ValueType): (number | string)[] =>
  type.kind === 'array' ? [...type.dims] : [batch, ...dimsOf(type, 1).slice(1)];

const port = (name: string, type: ValueType): Port => ({ name, element: type.element, dims: openDims(type) });

/** A parameter's numbers as little-endian bytes. A missing or short one is a bug of the caller. */
function constant(
  name: string,
  dims: readonly number[],
  values: Float32Array | undefined,
): Tensor & { name: string } {
  if (values?.length !== product(dims))
    throw new RangeError(`weight ${name} has ${values?.length ?? 'no'} elements instead of ${product(dims)}`);
  const data = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  return { name, element: 'f32', dims, data };
}

/** Values of the model under the names they get in the file: a result's name is not free for another value. */
function renamer(results: readonly Output[], fixed: ReadonlySet<string>): (name: string) => string {
  const reserved = new Set(results.map(({ name }) => name));
  return (name) => (reserved.has(name) && !fixed.has(name) ? `${name}~value` : name);
}

/**
 * The bytes of an ONNX file of the model's forward pass, with `weights` by parameter name. Dropout passes
 * everything, as in every prediction. Refuses a network whose weights exceed what one file can hold.
 */
export function exportOnnx(model: Model, weights: ReadonlyMap<string, Float32Array>): Result<Uint8Array> {
  const results = resultsOf(model);
  const ops = opsFor(
    model,
    results.map(({ value }) => value),
  );
  const read = new Set(ops.flatMap((op) => op.inputs));
  const parameters = model.parameters.filter(({ name }) => read.has(name));
  const bytes = parameters.reduce((sum, { dims }) => sum + 4 * product(dims), 0);
  if (bytes > largestFile)
    return failure(diagnose(fault('onnx-too-large', { model: model.name, size: gigabytes(bytes) })));

  const inputs = model.inputs.filter((input) => read.has(input.name) && isGiven(input));
  const fixed = new Set([...inputs, ...parameters].map(({ name }) => name));
  const rename = renamer(results, fixed);
  const types = typesIn(model, rename);
  const outputs = results.map(({ name, value }) => ({
    name: fixed.has(name) ? `${name}.output` : name,
    value: rename(value),
  }));
  const g = new Builder(new Set([...types.keys(), ...outputs.map(({ name }) => name)]));
  const dropped = new Set(model.inputs.filter(isDropout).map(({ name }) => name));
  for (const op of ops) emitForward(g, op, rename, types, dropped);
  for (const { name, value } of outputs) g.define(name, () => value);
  return success(
    encode({
      name: model.name,
      nodes: g.nodes,
      constants: [
        ...parameters.map(({ name, dims }) => constant(name, dims, weights.get(name))),
        ...cornerConstants(
          model.inputs.filter(({ name }) => read.has(name)),
          rename,
        ),
        ...g.constants,
      ],
      inputs: inputs.map(({ name, type }) => port(name, type)),
      outputs: outputs.map(({ name, value }) => port(name, typeNamed(types, value))),
    }),
  );
}

/** Types of all values under their names in the file. */
const typesIn = (model: Model, rename: (name: string) => string): Map<string, ValueType> =>
  new Map<string, ValueType>([
    ...model.inputs.map(({ name, type }): [string, ValueType] => [rename(name), type]),
    ...model.parameters.map(({ name, dims }): [string, ValueType] => [rename(name), array(dims)]),
    ...model.ops.map((op): [string, ValueType] => [rename(op.output), op.type]),
  ]);

/** One op; a dropout passes its operand on. The number of samples is open, and no forward op looks at it. */
function emitForward(
  g: Builder,
  op: Op,
  rename: (name: string) => string,
  types: ReadonlyMap<string, ValueType>,
  dropped: ReadonlySet<string>,
): void {
  const [x = '', mask = ''] = op.inputs;
  if (op.kind === 'mask' && dropped.has(mask)) g.define(rename(op.output), () => rename(x));
  else emitOp(g, { ...asLocal(op), output: rename(op.output), inputs: op.inputs.map(rename) }, types, 1);
}
