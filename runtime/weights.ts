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
import { floatsOf } from './files/floats.ts';
import { f32, readTensors, type Tensor } from './files/safetensors.ts';
import { allFinite } from './local/finite.ts';
import type { StateValues } from './local/protocol.ts';
import type { WeightNames } from './weight-names.ts';

/** Trained values by the name of the parameter, row-major. */
export type Weights = ReadonlyMap<string, Float32Array>;

/**
 * Reads the weights of a model by their names, or by those that `names` gives; a parameter whose name is null
 * there is not read. Floats of other lengths become 32-bit ones. Further tensors are left alone; with `names`
 * the warning `weights-unused` lists them. Errors: `weights-invalid`, `weights-differ`.
 */
export function readWeights(
  file: string,
  model: Pick<Model, 'parameters'>,
  names?: WeightNames,
): Result<Weights> {
  const read = readTensors(file);
  if (!read.ok) return read;
  const { tensors } = read.value;
  const wanted = model.parameters.flatMap(({ name, dims }) => {
    const from = names === undefined ? name : names.get(name);
    return typeof from === 'string' ? [{ name, from, dims }] : [];
  });
  const values = wanted.map((one) => ({ ...one, found: fitting(tensors.get(one.from), one.dims) }));
  const warnings = names === undefined ? [] : unusedIn(file, tensors, values);
  const problems = values.every(({ from }) => !tensors.has(from))
    ? strangersIn(tensors)
    : values.flatMap(({ name, from, found }) =>
        typeof found === 'string'
          ? [`${from === name ? `\`${name}\`` : `\`${from}\` (for \`${name}\`)`} ${found}`]
          : [],
      );
  if (wanted.length > 0 && problems.length > 0)
    return failure(
      ...problems.map((problem) => diagnose(fault('weights-differ', { file, problem }))),
      ...warnings,
    );
  const weights = values.flatMap(({ name, found }) =>
    typeof found === 'string' ? [] : [[name, found] as const],
  );
  return success(new Map(weights), warnings);
}

/** Another network, or another program: one sentence says it better than one for each parameter. */
function strangersIn(tensors: ReadonlyMap<string, Tensor>): string[] {
  const some = [...tensors.keys()].slice(0, 3).map((name) => `\`${name}\``);
  return [
    `it has none of its parameters, but ${tensors.size} others${some.length === 0 ? '' : ` (${some.join(', ')}, ...)`}`,
  ];
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
  const same = tensor.dims.length === dims.length && tensor.dims.every((size, i) => size === dims[i]);
  if (!same) return `is [${tensor.dims.join(', ')}], not [${dims.join(', ')}]`;
  const floats = floatsOf(tensor);
  if (floats === undefined) return `is ${tensor.dtype}, no floats`;
  return allFinite(floats) ? floats : 'holds values that are not finite as 32-bit floats';
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
