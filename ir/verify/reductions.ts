/**
 * Shares: every gradient, loss and denominator is summed over all devices exactly once, after its last part
 * and before anything uses the sum; every parameter is updated from its gradient once.
 */
import { at } from '../box.ts';
import { type Diagnostic, diagnose, fault } from '../diagnostics/diagnostic.ts';
import { statisticsOf } from '../model.ts';
import type { NamedInstruction } from '../plan.ts';
import { placesOf } from '../ranks.ts';
import { sharingOf } from '../sharers.ts';
import { inputsFrom } from '../stages.ts';
import { sweptSums } from '../sweeps.ts';
import { product } from '../type.ts';
import type { NamedCheck, NamedIndex, NamedPlan, NamedRole } from './alike.ts';
import { placeOf, placeOfLast } from './lives.ts';

const notReduced = (place: string, buffer: string, why: string): Diagnostic =>
  diagnose(fault('not-reduced', { place, buffer, why }));

type Run = Extract<NamedInstruction, { do: 'run' }>;

/** Instructions that make a share grow. */
const makesShare = (instruction: NamedInstruction): readonly string[] => {
  if (instruction.do === 'run') return instruction.why === 'update' ? [] : instruction.writes;
  return instruction.do === 'count' || instruction.do === 'accumulate' ? [instruction.into] : [];
};

/** What an instruction needs the whole sum of: denominators, the loss, gradients and shares of statistics. */
function needsSum({ plan, segments, states }: NamedIndex): (one: NamedInstruction) => readonly string[] {
  const counts = new Set(inputsFrom(plan.model, 'count').map(({ name }) => name));
  return (instruction) => {
    if (instruction.do === 'clip') return instruction.buffers;
    if (instruction.do === 'report') return [instruction.from];
    if (instruction.do !== 'run') return [];
    if (instruction.why === 'update') {
      const hyper = hyperOf(segments, instruction);
      return instruction.reads.filter((name) => !states.has(name) && name !== hyper);
    }
    return instruction.reads.filter((name) => counts.has(name));
  };
}

/** The buffer of the learning rate: the operand of an update that every device computes for itself. */
function hyperOf(segments: NamedIndex['segments'], { segment, reads }: Run): string | undefined {
  const inputs = segments.get(segment)?.graph.inputs ?? [];
  return reads[inputs.findIndex(({ name }) => name === 'hyper')];
}

export const verifyReductions: NamedCheck = (index) => {
  if (index.plan.purpose === 'predict') return () => [];
  const { plan, trained } = index;
  const needed = needsSum(index);
  const changing = new Set([...trained, ...statisticsOf(plan.model).map(({ parameter }) => parameter)]);
  return (one) => [...shareFaults(plan, one, needed), ...updateFaults(plan, one, changing)];
};

function shareFaults(
  plan: NamedPlan,
  { role, uses, buffers }: NamedRole,
  needed: (instruction: NamedInstruction) => readonly string[],
): Diagnostic[] {
  const faults: Diagnostic[] = [];
  const swept = sweptSums(plan.model, sharingOf(plan.schedule), plan.samples);
  const alone = plan.schedule.replicas * product(placesOf(plan)) === 1;
  const parts = new Set<string>();
  const sums = new Set<string>();
  role.instructions.forEach((instruction, index) => {
    const wrong = (name: string, why: string) => faults.push(notReduced(placeOf(role, index), name, why));
    for (const name of makesShare(instruction)) {
      if (sums.has(name)) wrong(name, 'gets another part after it was summed');
      parts.add(name);
    }
    if (instruction.do === 'all_reduce' && instruction.over === 'stage')
      for (const name of instruction.buffers) {
        if (!parts.has(name)) wrong(name, 'is no sum of what the devices made');
        if (sums.has(name)) wrong(name, 'is summed a second time');
        sums.add(name);
      }
    // What is shared by the tiles of a sample alone are the sums of a sweep.
    if (instruction.do === 'all_reduce' && instruction.over !== 'stage')
      for (const name of instruction.buffers)
        if (!swept.has(buffers.get(name)?.value ?? '')) wrong(name, 'is not summed over all who have shares');
    if (instruction.do === 'accumulate' && sums.has(instruction.from))
      wrong(instruction.from, 'is summed over the devices before it is added');
    for (const name of needed(instruction))
      if (!(alone ? parts : sums).has(name)) wrong(name, 'is used before it is summed');
    for (const name of at(uses, index).frees) sums.delete(name);
  });
  return faults;
}

const isUpdate = (one: NamedInstruction): one is Run => one.do === 'run' && one.why === 'update';

/** Every weight that has a gradient, and every running statistic, is written by an update, once. */
function updateFaults(
  plan: NamedPlan,
  { role, has }: NamedRole,
  changing: ReadonlySet<string>,
): Diagnostic[] {
  const updates = new Map<string, number>();
  for (const name of role.instructions.flatMap((one) => (isUpdate(one) ? one.writes : [])))
    updates.set(name, (updates.get(name) ?? 0) + 1);
  return plan.states
    .filter(({ parameter }) => has.parameters.has(parameter))
    .filter(({ parameter, slot }) => slot !== 'weight' || changing.has(parameter))
    .filter(({ buffer }) => updates.get(buffer) !== 1)
    .map(({ buffer }) =>
      notReduced(placeOfLast(role, isUpdate), buffer, 'is not updated exactly once a step'),
    );
}
