/** Weights and optimizer states between files, plans and devices. */
import {
  type Diagnostic,
  diagnose,
  failure,
  fault,
  type Result,
  success,
} from '../ir/diagnostics/diagnostic.ts';
import type { Model } from '../ir/model.ts';
import type { Plan } from '../ir/plan.ts';
import { stateName } from './files/checkpoint.ts';
import { f32, readTensors, type Tensor } from './files/safetensors.ts';
import type { StateValues } from './local/protocol.ts';
import type { WeightNames } from './weight-names.ts';

/** Trained values by the name of the parameter, row-major. */
export type Weights = ReadonlyMap<string, Float32Array>;

/**
 * Reads the weights of a model by their names, or by those that `names` gives. Further tensors are left alone;
 * with `names` the warning `weights-unused` lists them. Errors: `weights-invalid`, `weights-differ`.
 */
export function readWeights(
  file: string,
  model: Pick<Model, 'parameters'>,
  names?: WeightNames,
): Result<Weights> {
  const read = readTensors(file);
  if (!read.ok) return read;
  const { tensors } = read.value;
  const values = model.parameters.map(({ name, dims }) => {
    const from = names?.get(name) ?? name;
    return { name, from, found: fitting(tensors.get(from), dims) };
  });
  const problems = values.flatMap(({ name, from, found }) => {
    const what = from === name ? `\`${name}\`` : `\`${from}\` (for \`${name}\`)`;
    return typeof found === 'string' ? [`${what} ${found}`] : [];
  });
  const warnings = names === undefined ? [] : unusedIn(file, tensors, values);
  if (problems.length > 0)
    return failure(
      ...problems.map((problem) => diagnose(fault('weights-differ', { file, problem }))),
      ...warnings,
    );
  const weights = values.flatMap(({ name, found }) =>
    typeof found === 'string' ? [] : [[name, found] as const],
  );
  return success(new Map(weights), warnings);
}

function unusedIn(
  file: string,
  tensors: ReadonlyMap<string, Tensor>,
  values: readonly { readonly from: string }[],
): Diagnostic[] {
  const used = new Set(values.map(({ from }) => from));
  const unused = [...tensors].flatMap(([name, { dims }]) =>
    used.has(name) ? [] : [`\`${name}\` [${dims.join(', ')}]`],
  );
  return unused.length === 0 ? [] : [diagnose(fault('weights-unused', { file, names: unused.join(', ') }))];
}

/** The values, or what is wrong with them. */
function fitting(tensor: Tensor | undefined, dims: readonly number[]): Float32Array | string {
  if (tensor === undefined) return 'is missing';
  if (tensor.dtype !== 'F32') return `is ${tensor.dtype}, not F32`;
  const same = tensor.dims.length === dims.length && tensor.dims.every((size, i) => size === dims[i]);
  return same ? tensor.data : `is [${tensor.dims.join(', ')}], not [${dims.join(', ')}]`;
}

export const statesFromWeights = (weights: Weights): StateValues[] =>
  [...weights].map(([parameter, values]) => ({ parameter, slot: 'weight', values }));

const dimsOf = (plan: Plan, parameter: string): readonly number[] =>
  plan.model.parameters.find(({ name }) => name === parameter)?.dims ?? [];

/** The tensors of a checkpoint. */
export const tensorsFromStates = (plan: Plan, states: readonly StateValues[]): Map<string, Tensor> =>
  new Map(
    states.map(({ parameter, slot, values }) => [
      stateName(slot, parameter),
      f32(values, dimsOf(plan, parameter)),
    ]),
  );

/**
 * The states of a plan out of the tensors of a checkpoint `file`. Errors: `weights-differ`, all at once.
 */
export function statesFromTensors(
  plan: Plan,
  tensors: ReadonlyMap<string, Tensor>,
  file: string,
): Result<StateValues[]> {
  const states: StateValues[] = [];
  const problems: string[] = [];
  for (const { parameter, slot } of plan.states) {
    const name = stateName(slot, parameter);
    const values = fitting(tensors.get(name), dimsOf(plan, parameter));
    if (typeof values === 'string') problems.push(`\`${name}\` ${values}`);
    else states.push({ parameter, slot, values });
  }
  if (problems.length === 0) return success(states);
  return failure(...problems.map((problem) => diagnose(fault('weights-differ', { file, problem }))));
}

/** The weights among the states. */
export const weightsOf = (states: readonly StateValues[]): Weights =>
  new Map(states.filter(({ slot }) => slot === 'weight').map(({ parameter, values }) => [parameter, values]));
