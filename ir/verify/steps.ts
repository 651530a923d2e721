/**
 * What a step is made of: every input comes from where the model says, every sample of every micro-batch is
 * worked through once, its parts are added once, and clipping, metrics and the loss are those of the model.
 */
import { at, extents } from '../box.ts';
import { type Diagnostic, diagnose, fault } from '../diagnostics/diagnostic.ts';
import { type Input, statisticsOf } from '../model.ts';
import type { NamedInstruction } from '../plan.ts';
import { sharingOf } from '../sharers.ts';
import { sweptSums } from '../sweeps.ts';
import { product, sameDims } from '../type.ts';
import type { NamedCheck, NamedIndex, NamedPlan, NamedRole } from './alike.ts';
import type { IndexedRole, RoleCheck } from './indexed.ts';
import { placeOf, placeOfBuffer, placeOfLast } from './lives.ts';
import { microFaults } from './micro-batches.ts';
import { stripSums } from './strips.ts';

type InstructionOf<D extends NamedInstruction['do']> = Extract<NamedInstruction, { do: D }>;

function every<D extends NamedInstruction['do']>(
  { role }: Pick<NamedRole, 'role'>,
  kind: D,
): { index: number; it: InstructionOf<D> }[] {
  const found: { index: number; it: InstructionOf<D> }[] = [];
  for (const [index, it] of role.instructions.entries())
    if (it.do === kind) found.push({ index, it: it as InstructionOf<D> });
  return found;
}

const wrong = (place: string, why: string): Diagnostic => diagnose(fault('wrong-step', { place, why }));

export const verifySources: RoleCheck = ({ plan }) => {
  const inputs = new Map(plan.model.inputs.map((input) => [input.name, input]));
  return (one) => sourceFaults(inputs, plan.samples, one);
};

type Inputs = ReadonlyMap<string, Input>;

export const verifySteps: NamedCheck = (index) => {
  const { plan } = index;
  if (plan.purpose === 'predict') return () => [];
  const swept = sweptSums(plan.model, sharingOf(plan.schedule), plan.samples);
  return (one) => {
    const sums = stripSums(one);
    return [
      ...microFaults(index, one, sums),
      ...metricFaults(plan, one),
      ...sumFaults(plan, one, new Set([...sums, ...sumsOfSweeps(swept, one)])),
      ...endFaults(index, one),
    ];
  };
};

/** Buffers of what a sweep adds up. */
function sumsOfSweeps(swept: ReadonlyMap<string, unknown>, { role }: NamedRole): string[] {
  return swept.size === 0 ? [] : role.buffers.flatMap(({ name, value }) => (swept.has(value) ? [name] : []));
}

const valueHeld = ({ buffers }: Pick<NamedRole, 'buffers'>, buffer: string): string | undefined =>
  buffers.get(buffer)?.value;

const sourceKinds = { load: ['image', 'target'], draw: ['mask', 'corners'], count: ['count'] } as const;

/** Loads, draws and counts name an input of the model of their kind, and fill a buffer of that value. */
function sourceFaults(inputs: Inputs, samples: number, one: IndexedRole): Diagnostic[] {
  return (['load', 'draw', 'count'] as const).flatMap((kind) =>
    every(one, kind).flatMap(({ index, it }) => {
      const allowed: readonly string[] = sourceKinds[kind];
      const input = inputs.get(it.source);
      const found = input?.source.from;
      const fits =
        found !== undefined &&
        allowed.includes(found) &&
        valueHeld(one, it.into) === it.source &&
        (it.do === 'count' || isFilled(input?.type, samples, one, it.into));
      return fits && countsItsTarget(inputs, one, it)
        ? []
        : [wrong(placeOf(one.role, index), `\`${it.source}\` is not what \`${it.into}\` is made from`)];
    }),
  );
}

/** A buffer that is loaded or drawn has the samples, channels and element of its input, and the cells that it says. */
function isFilled(
  type: Input['type'] | undefined,
  samples: number,
  { buffers }: IndexedRole,
  into: string,
): boolean {
  const buffer = buffers.get(into);
  if (type?.kind !== 'map' || buffer === undefined) return false;
  const dims = [samples, type.channels, ...extents(buffer.box ?? [])];
  return buffer.element === type.element && sameDims(buffer.dims, dims);
}

function countsItsTarget(inputs: Inputs, one: IndexedRole, it: NamedInstruction): boolean {
  if (it.do !== 'count') return true;
  const source = inputs.get(it.source)?.source;
  return source?.from === 'count' && valueHeld(one, it.from) === source.target;
}

/** Parts of a step on one device: micro-batches times tiles. */
const partCount = ({ schedule }: NamedPlan): number => schedule.microBatches * product(schedule.stream);

/** Each prediction of each part is held against the labels of that part, once. */
function metricFaults(plan: NamedPlan, one: NamedRole): Diagnostic[] {
  const { model } = plan;
  const { role, has, buffers, uses } = one;
  const madeAt = new Map<string, string>();
  const held: { readonly index: number; readonly fits: boolean }[] = [];
  const partOf = (name: string) => buffers.get(name)?.part?.join() ?? '';
  role.instructions.forEach((it, index) => {
    if (it.do === 'run' || it.do === 'load')
      for (const name of at(uses, index).writes) madeAt.set(name, `${it.micro} ${partOf(name)}`);
    if (it.do === 'paste') madeAt.set(it.into, madeAt.get(it.from) ?? '');
    if (it.do !== 'metric') return;
    const output = model.outputs.find(({ name }) => name === it.target);
    const fits =
      output !== undefined &&
      valueHeld(one, it.predicted) === output.value &&
      valueHeld(one, it.labels) === it.target &&
      madeAt.get(it.predicted) === madeAt.get(it.labels);
    held.push({ index, fits });
  });
  const faults = held
    .filter(({ fits }) => !fits)
    .map(({ index }) => wrong(placeOf(role, index), 'what is predicted is not held against its own labels'));
  const scored = has.scored.length * partCount(plan);
  return held.length === scored
    ? faults
    : [
        ...faults,
        wrong(
          placeOfLast(role, (one) => one.do === 'metric'),
          `${held.length} metrics are taken, not ${scored}`,
        ),
      ];
}

/** Into each sum, but for others, goes each part of the same value once, and the first one clears it. */
function sumFaults(plan: NamedPlan, one: NamedRole, others: ReadonlySet<string>): Diagnostic[] {
  const { role, has } = one;
  const parts = new Map<string, { readonly from: Set<string>; count: number }>();
  const faults: Diagnostic[] = [];
  const adding = [...every(one, 'accumulate'), ...every(one, 'count')];
  for (const { index, it } of adding.filter(({ it }) => !others.has(it.into))) {
    const added = parts.get(it.into) ?? { from: new Set(), count: 0 };
    parts.set(it.into, added);
    if (it.first !== (added.count === 0))
      faults.push(
        wrong(placeOf(role, index), it.first ? 'what was summed before is lost' : 'the sum is not cleared'),
      );
    if (added.from.has(it.from)) faults.push(wrong(placeOf(role, index), `\`${it.from}\` is added twice`));
    if (it.do === 'accumulate' && valueHeld(one, it.from) !== valueHeld(one, it.into))
      faults.push(wrong(placeOf(role, index), `\`${it.from}\` is no part of \`${it.into}\``));
    added.from.add(it.from);
    added.count++;
  }
  const wanted = partCount(plan);
  for (const [sum, { count }] of parts)
    if (count !== wanted)
      faults.push(wrong(placeOfLast(role, addsTo(sum)), `\`${sum}\` gets ${count} parts, not ${wanted}`));
  for (const { name } of has.counts)
    if (!parts.has(name)) faults.push(wrong(placeOfBuffer(role, name), `\`${name}\` is never counted`));
  return faults;
}

const addsTo =
  (sum: string) =>
  (one: NamedInstruction): boolean =>
    (one.do === 'accumulate' || one.do === 'count') && one.into === sum;

const ending = (one: NamedInstruction): boolean =>
  one.do === 'clip' || (one.do === 'run' && one.why === 'update');

/** The gradients are clipped as the training says, all of them and nothing else; the loss is reported. */
function endFaults({ plan, states }: NamedIndex, one: NamedRole): Diagnostic[] {
  const { model } = plan;
  const { role, has } = one;
  const updates = every(one, 'run').filter(({ it }) => it.why === 'update');
  const rates = new Set(every(one, 'rate').map(({ it }) => it.into));
  const shares = new Set(statisticsOf(model).map(({ value }) => value));
  const gradients = updates.flatMap(({ it }) =>
    it.reads.filter(
      (name) => !states.has(name) && !rates.has(name) && !shares.has(valueHeld(one, name) ?? ''),
    ),
  );
  const clips = every(one, 'clip');
  const firstUpdate = Math.min(...updates.map(({ index }) => index));
  const norm = model.training?.clip;
  const faults = clips.flatMap(({ index, it }) =>
    it.norm === norm && index < firstUpdate && it.buffers.toSorted().join() === gradients.toSorted().join()
      ? []
      : [
          wrong(
            placeOf(role, index),
            'the global norm is not that of all gradients before the update, or not the one of the training',
          ),
        ],
  );
  if (clips.length !== (norm === undefined ? 0 : 1))
    faults.push(
      wrong(
        placeOfLast(role, ending),
        `${clips.length} clips, and the training says ${norm === undefined ? 'none' : 'one'}`,
      ),
    );
  // A part of the loss is of the same value; the sum has its name.
  const reports = every(one, 'report');
  const sound = reports.filter(({ it }) => it.from === model.loss && valueHeld(one, it.from) === model.loss);
  const expected = has.loss ? 1 : 0;
  if (sound.length !== expected || reports.length !== expected)
    faults.push(
      wrong(
        placeOfLast(role, (one) => one.do === 'report'),
        'the loss is not what is reported, once',
      ),
    );
  return faults;
}
