/** The arena of the role at work, and the values that live from step to step. */
import { at } from '../../ir/box.ts';
import { initialWeights } from '../../ir/draw.ts';
import type { Plan, State } from '../../ir/plan.ts';
import { product } from '../../ir/type.ts';
import { type Arena, layOut } from './arena.ts';
import type { StateValues } from './protocol.ts';

export type DeviceMemory = {
  /** The buffers of a role; what they held for another role is gone, but for the states. */
  arenaOf(role: number): Arena;
  /** What lives from step to step and is here: the values where they are, no copies. */
  states(): StateValues[];
};

/**
 * Weights that are not among the given values are drawn, other slots begin at 0. In a prediction a device
 * turns from role to role, and the states, which do not change, are put in place again each time; some roles
 * lack some of them, where a tile has no cell of a deep level.
 */
export function deviceMemory(plan: Plan, given: readonly StateValues[]): DeviceMemory {
  const block = new ArrayBuffer(Math.max(64, ...plan.roles.map(({ arenaBytes }) => arenaBytes)));
  let first = new Map(plan.states.map((state) => [state.buffer, firstValues(plan, state, given)]));
  let current: { readonly role: number; readonly arena: Arena } | undefined;

  const turnTo = (role: number): Arena => {
    const arena = layOut(at(plan.roles, role), block);
    for (const [buffer, values] of first) if (arena.has(buffer)) arena.floats(buffer).set(values);
    current = { role, arena };
    if (plan.purpose === 'train') first = new Map();
    return arena;
  };
  /** A stage keeps its own part of the network. */
  const holds = (buffer: string): boolean => first.has(buffer) || (current?.arena.has(buffer) ?? false);
  const valuesOf = (buffer: string): Float32Array => first.get(buffer) ?? turned().floats(buffer);
  const turned = (): Arena => {
    if (current === undefined) throw new Error('a device without a role has no states');
    return current.arena;
  };

  return {
    arenaOf: (role) => (current?.role === role ? current.arena : turnTo(role)),
    states: () =>
      plan.states
        .filter(({ buffer }) => holds(buffer))
        .map(({ buffer, parameter, slot }) => ({ parameter, slot, values: valuesOf(buffer) })),
  };
}

/** On its own, so that nothing which lives on holds the given values. */
function firstValues(
  { model }: Plan,
  { parameter: name, slot }: State,
  given: readonly StateValues[],
): Float32Array {
  const found = given.find((state) => state.parameter === name && state.slot === slot);
  if (found !== undefined) return found.values;
  const parameter = model.parameters.find((one) => one.name === name);
  if (parameter === undefined) throw new RangeError(`the model has no parameter ${name}`);
  return slot === 'weight'
    ? initialWeights(parameter, model.training?.seed ?? 0)
    : new Float32Array(product(parameter.dims));
}
