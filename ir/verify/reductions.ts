/**
 * Shares: every gradient, loss and denominator is summed over all devices exactly once, after its last part
 * and before anything uses the sum; every parameter is updated from its gradient once.
 */
import { type Diagnostic, diagnose, fault } from '../diagnostics/diagnostic.ts';
import { statisticsOf, trainedParameters } from '../model.ts';
import type { Instruction, Plan, Role } from '../plan.ts';
import { placesOf } from '../ranks.ts';
import { belongings } from '../stages.ts';
import { product } from '../type.ts';
import { usesOf } from '../uses.ts';
import { placeOf, placeOfLast } from './lives.ts';

const notReduced = (place: string, buffer: string, why: string): Diagnostic =>
  diagnose(fault('not-reduced', { place, buffer, why }));

/** Instructions that make a share grow. */
const makesShare = (instruction: Instruction): readonly string[] => {
  if (instruction.do === 'run') return instruction.why === 'update' ? [] : instruction.writes;
  return instruction.do === 'count' || instruction.do === 'accumulate' ? [instruction.into] : [];
};

/** Instructions that need the whole sum, and of what. */
function needsSum(plan: Plan, instruction: Instruction): readonly string[] {
  if (instruction.do === 'clip') return instruction.buffers;
  if (instruction.do === 'report') return [instruction.from];
  if (instruction.do !== 'run') return [];
  const states = new Set(plan.states.map(({ buffer }) => buffer));
  if (instruction.why === 'update')
    return instruction.reads.filter((name) => !states.has(name) && name !== hyperOf(plan, instruction));
  const counts = plan.model.inputs.filter(({ source }) => source.from === 'count').map(({ name }) => name);
  return instruction.reads.filter((name) => counts.includes(name));
}

/** The buffer of the learning rate: the operand of an update that every device computes for itself. */
function hyperOf(plan: Plan, run: Extract<Instruction, { do: 'run' }>): string | undefined {
  const segment = plan.segments.find(({ name }) => name === run.segment);
  const index = segment?.graph.inputs.findIndex(({ name }) => name === 'hyper') ?? -1;
  return run.reads[index];
}

export function verifyReductions(plan: Plan, role: Role): Diagnostic[] {
  if (plan.purpose === 'predict') return [];
  const faults: Diagnostic[] = [];
  const alone = plan.schedule.replicas * product(placesOf(plan)) === 1;
  const parts = new Set<string>();
  const sums = new Set<string>();
  role.instructions.forEach((instruction, index) => {
    const place = placeOf(role, index);
    for (const name of makesShare(instruction)) {
      if (sums.has(name)) faults.push(notReduced(place, name, 'gets another part after it was summed'));
      parts.add(name);
    }
    if (instruction.do === 'all_reduce' && instruction.over === 'stage')
      for (const name of instruction.buffers) {
        if (!parts.has(name)) faults.push(notReduced(place, name, 'is no sum of what the devices made'));
        if (sums.has(name)) faults.push(notReduced(place, name, 'is summed a second time'));
        sums.add(name);
      }
    if (instruction.do === 'accumulate' && sums.has(instruction.from))
      faults.push(notReduced(place, instruction.from, 'is summed over the devices before it is added'));
    for (const name of needsSum(plan, instruction))
      if (!(alone ? parts : sums).has(name))
        faults.push(notReduced(place, name, 'is used before it is summed'));
    for (const name of usesOf(instruction).frees) sums.delete(name);
  });
  return [...faults, ...updateFaults(plan, role)];
}

const isUpdate = (one: Instruction): one is Extract<Instruction, { do: 'run' }> =>
  one.do === 'run' && one.why === 'update';

/** Every weight that has a gradient, and every running statistic, is written by an update, once. */
function updateFaults(plan: Plan, role: Role): Diagnostic[] {
  const updates = role.instructions.flatMap((one) => (isUpdate(one) ? one.writes : []));
  const changing = new Set([
    ...trainedParameters(plan.model),
    ...statisticsOf(plan.model).map(({ parameter }) => parameter),
  ]);
  const { parameters } = belongings(plan.model, plan.schedule, role.stage);
  return plan.states
    .filter(({ parameter }) => parameters.has(parameter))
    .filter(({ parameter, slot }) => slot !== 'weight' || changing.has(parameter))
    .filter(({ buffer }) => updates.filter((name) => name === buffer).length !== 1)
    .map(({ buffer }) =>
      notReduced(placeOfLast(role, isUpdate), buffer, 'is not updated exactly once a step'),
    );
}
