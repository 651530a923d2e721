/**
 * Sweeps: into each sum goes the part of every tile, of the micro-batches that share it, once; then it is summed over the
 * devices; and nobody reads it before. Of all else that a sweep computes nothing is used outside of it.
 */
import { at } from '../box.ts';
import { type Diagnostic, diagnose, fault } from '../diagnostics/diagnostic.ts';
import type { NamedInstruction } from '../plan.ts';
import { groupSize } from '../ranks.ts';
import { type Sharers, sharingOf } from '../sharers.ts';
import { isInSweep, partOfSum, sweptSums } from '../sweeps.ts';
import type { Uses } from '../uses.ts';
import type { NamedCheck, NamedPlan, NamedRole, NamedSegment } from './alike.ts';
import { placeOf } from './lives.ts';
import { partName, partsOfStep } from './micro-batches.ts';

export const verifySweeps: NamedCheck = ({ plan, segments }) => {
  if (plan.purpose === 'predict') return () => [];
  const swept = sweptSums(plan.model, sharingOf(plan.schedule), plan.samples);
  const sums = new Set(swept.keys());
  const leaks = new Map([...segments].map(([name, { graph }]) => [name, leaksOf(graph, sums)]));
  return (one) => [
    ...one.role.instructions.flatMap((it, index) =>
      leaksAt(one, it, at(one.uses, index), leaks).map((why) => wrong(one, index, why)),
    ),
    ...(swept.size === 0 ? [] : sumFaults(plan, swept, one)),
  ];
};

const wrong = ({ role }: NamedRole, index: number, why: string): Diagnostic =>
  diagnose(fault('wrong-sweep', { place: placeOf(role, index), why }));

/** Results of a graph that are made of what a sweep computes, and are neither of the sweep nor parts of its sums. */
function leaksOf({ ops }: NamedSegment['graph'], sums: ReadonlySet<string>): string[] {
  const parts = new Set([...sums].map(partOfSum));
  return ops.flatMap(({ inputs, output }) =>
    inputs.some(isInSweep) && !isInSweep(output) && !parts.has(output) ? [output] : [],
  );
}

/** What an instruction makes of values of the sweep, in words. */
function leaksAt(
  { buffers }: NamedRole,
  it: NamedInstruction,
  { reads, writes }: Uses,
  leaks: ReadonlyMap<string, readonly string[]>,
): string[] {
  if (it.do === 'run')
    return (leaks.get(it.segment) ?? []).map((name) => `\`${name}\` is made of what belongs to the sweep`);
  const isOfSweep = (name: string) => isInSweep(buffers.get(name)?.value ?? '');
  return reads.some(isOfSweep) && !(writes.length > 0 && writes.every(isOfSweep))
    ? ['it uses what belongs to the sweep']
    : [];
}

/** A sum in the making: the parts that are in it, and whether it is summed over the devices. */
type Sum = { readonly parts: Set<string>; reduced: boolean };

type Known = {
  readonly plan: NamedPlan;
  readonly swept: ReadonlyMap<string, Sharers>;
  readonly one: NamedRole;
  /** By buffer the part of the step that it is of. */
  readonly made: Map<string, string>;
  /** By buffer. */
  readonly sums: Map<string, Sum>;
};

function sumFaults(plan: NamedPlan, swept: ReadonlyMap<string, Sharers>, one: NamedRole): Diagnostic[] {
  const known: Known = { plan, swept, one, made: new Map(), sums: new Map() };
  return one.role.instructions.flatMap((it, index) => {
    const faults = faultsAt(known, it, index);
    for (const name of at(one.uses, index).frees) {
      known.made.delete(name);
      known.sums.delete(name);
    }
    return faults.map((why) => wrong(one, index, why));
  });
}

function faultsAt(known: Known, it: NamedInstruction, index: number): string[] {
  if (it.do === 'run') return runFaults(known, it, index);
  if (it.do === 'free') return [];
  const { reads, writes } = at(known.one.uses, index);
  if (![...reads, ...writes].some((name) => sharersOfBuffer(known, name) !== undefined)) return [];
  if (it.do === 'accumulate') return addingFaults(known, it);
  if (it.do === 'all_reduce') return it.buffers.flatMap((name) => reducingFaults(known, it, name));
  return ['it uses a sum that a sweep makes'];
}

const valueIn = ({ one }: Known, buffer: string): string => one.buffers.get(buffer)?.value ?? '';

const sharersOfBuffer = (known: Known, buffer: string): Sharers | undefined =>
  known.swept.get(valueIn(known, buffer));

type InstructionOf<D extends NamedInstruction['do']> = Extract<NamedInstruction, { do: D }>;

/** A run makes parts of sums, or reads whole ones. */
function runFaults(known: Known, { micro, reads, writes }: InstructionOf<'run'>, index: number): string[] {
  const { swept, one, made } = known;
  const values = new Set([...swept.keys()].map(partOfSum));
  for (const name of writes)
    if (values.has(valueIn(known, name))) made.set(name, partName(micro, one.parts[index]));
  return [
    ...writes
      .filter((name) => sharersOfBuffer(known, name) !== undefined)
      .map((name) => `\`${name}\` is made of one part`),
    ...reads.flatMap((name) => {
      const sharers = sharersOfBuffer(known, name);
      const why = sharers && incomplete(known, sharers, name, micro);
      return why === undefined ? [] : [`\`${name}\` is used before ${why}`];
    }),
  ];
}

/** What a sum still lacks for those who work on a micro-batch. */
function incomplete({ plan, sums }: Known, { over, parts }: Sharers, name: string, micro: number) {
  const sum = sums.get(name);
  const wanted = partsOfStep(plan, over === 'grid' ? [micro] : undefined);
  const missing = wanted.filter((part) => sum?.parts.has(part) !== true);
  if (missing.length > 0) return `the part \`${missing[0]}\` is in it`;
  if (sum !== undefined && sum.parts.size > wanted.length) return 'others than its own parts are out of it';
  return parts > 1 && sum?.reduced !== true ? 'it is summed over the devices' : undefined;
}

function addingFaults(known: Known, { from, into, first }: InstructionOf<'accumulate'>): string[] {
  const { made, sums } = known;
  const name = valueIn(known, into);
  const part = made.get(from);
  if (part === undefined || valueIn(known, from) !== partOfSum(name))
    return [`\`${from}\` is no part of \`${name}\``];
  const sum = sums.get(into) ?? { parts: new Set<string>(), reduced: false };
  sums.set(into, sum);
  const faults = [
    ...(sum.parts.has(part) ? [`the part \`${part}\` is in \`${into}\` already`] : []),
    ...(sum.reduced ? [`\`${into}\` gets another part after it was summed`] : []),
    ...(first === (sum.parts.size === 0)
      ? []
      : [first ? 'what was summed before is lost' : 'the sum is not cleared']),
  ];
  sum.parts.add(part);
  return faults;
}

function reducingFaults(known: Known, { over }: InstructionOf<'all_reduce'>, name: string): string[] {
  const sharers = sharersOfBuffer(known, name);
  if (sharers === undefined) return [];
  const sum = known.sums.get(name);
  const again = sum?.reduced === true;
  if (sum !== undefined) sum.reduced = true;
  return [
    ...(sum === undefined ? [`\`${name}\` has no part yet`] : []),
    ...(again ? [`\`${name}\` is summed a second time`] : []),
    ...(over === sharers.over || groupSize(known.plan, over) === sharers.parts
      ? []
      : [`\`${name}\` is summed over others than those who have parts of it`]),
  ];
}
