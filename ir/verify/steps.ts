/**
 * What a step is made of: every input comes from where the model says, every sample of every micro-batch is
 * worked through once, its parts are added once, and clipping, metrics and the loss are those of the model.
 */
import { type Diagnostic, diagnose, fault } from '../diagnostics/diagnostic.ts';
import { type Model, statisticsOf } from '../model.ts';
import type { Instruction, Plan, Role } from '../plan.ts';
import { placeOf } from './lives.ts';

type InstructionOf<D extends Instruction['do']> = Extract<Instruction, { do: D }>;

const every = <D extends Instruction['do']>(role: Role, kind: D): { index: number; it: InstructionOf<D> }[] =>
  role.instructions.flatMap((instruction, index) =>
    instruction.do === kind ? [{ index, it: instruction as InstructionOf<D> }] : [],
  );

const wrong = (place: string, why: string): Diagnostic => diagnose(fault('wrong-step', { place, why }));

export function verifySteps(plan: Plan, role: Role): Diagnostic[] {
  const faults = [...sourceFaults(plan, role)];
  if (plan.purpose === 'predict') return faults;
  return [...faults, ...microFaults(plan, role), ...sumFaults(plan, role), ...endFaults(plan, role)];
}

const valueHeld = (role: Role, buffer: string): string | undefined =>
  role.buffers.find(({ name }) => name === buffer)?.value;

const sourceKinds = { load: ['image', 'target'], draw: ['mask', 'corners'], count: ['count'] } as const;

/** Loads, draws and counts name an input of the model of their kind, and fill a buffer of that value. */
function sourceFaults({ model }: Plan, role: Role): Diagnostic[] {
  const kindOf = (name: string) => model.inputs.find((input) => input.name === name)?.source.from;
  return (['load', 'draw', 'count'] as const).flatMap((kind) =>
    every(role, kind).flatMap(({ index, it }) => {
      const allowed: readonly string[] = sourceKinds[kind];
      const found = kindOf(it.source);
      const fits = found !== undefined && allowed.includes(found) && valueHeld(role, it.into) === it.source;
      return fits && countsItsTarget(model, role, it)
        ? []
        : [wrong(placeOf(role, index), `\`${it.source}\` is not what \`${it.into}\` is made from`)];
    }),
  );
}

function countsItsTarget(model: Model, role: Role, it: Instruction): boolean {
  if (it.do !== 'count') return true;
  const source = model.inputs.find(({ name }) => name === it.source)?.source;
  return source?.from === 'count' && valueHeld(role, it.from) === source.target;
}

/** Each micro-batch is run once, on inputs that are all its own. */
function microFaults(plan: Plan, role: Role): Diagnostic[] {
  const { microBatches } = plan.schedule;
  const loadedAt = new Map<string, number>();
  const runs: number[] = [];
  const faults: Diagnostic[] = [];
  role.instructions.forEach((it, index) => {
    if (it.do === 'load' || it.do === 'draw') loadedAt.set(it.into, it.micro);
    if (it.do !== 'run' || it.why === 'update') return;
    runs.push(it.micro);
    for (const name of it.reads) {
      const micro = loadedAt.get(name);
      if (micro !== undefined && micro !== it.micro)
        faults.push(wrong(placeOf(role, index), `\`${name}\` holds micro-batch ${micro}`));
    }
  });
  const once = Array.from({ length: microBatches }, (_, micro) => micro);
  if (runs.toSorted((a, b) => a - b).join() !== once.join())
    faults.push(
      wrong(role.name, `micro-batches ${runs.join(', ')} are run, not each of ${microBatches} once`),
    );
  return [...faults, ...metricFaults(plan, role, loadedAt)];
}

/** Each prediction of each micro-batch is held against the labels of that micro-batch, once. */
function metricFaults(
  { model, schedule }: Plan,
  role: Role,
  loadedAt: ReadonlyMap<string, number>,
): Diagnostic[] {
  const madeAt = new Map<string, number>();
  for (const { it } of every(role, 'run')) for (const name of it.writes) madeAt.set(name, it.micro);
  const faults = every(role, 'metric').flatMap(({ index, it }) => {
    const output = model.outputs.find(({ name }) => name === it.target);
    const right =
      output !== undefined &&
      valueHeld(role, it.predicted) === output.value &&
      valueHeld(role, it.labels) === it.target &&
      madeAt.get(it.predicted) === loadedAt.get(it.labels);
    return right
      ? []
      : [wrong(placeOf(role, index), `\`${it.predicted}\` is not predicted for \`${it.labels}\``)];
  });
  const targets = model.inputs.filter(({ source }) => source.from === 'target').map(({ name }) => name);
  const scored = model.outputs.filter(({ name }) => targets.includes(name)).length * schedule.microBatches;
  const found = every(role, 'metric').length;
  return found === scored
    ? faults
    : [...faults, wrong(role.name, `${found} metrics are taken, not ${scored}`)];
}

/** Into each sum goes each part of the same value once, and the first one clears it. */
function sumFaults({ model, schedule }: Plan, role: Role): Diagnostic[] {
  const parts = new Map<string, string[]>();
  const faults: Diagnostic[] = [];
  for (const { index, it } of [...every(role, 'accumulate'), ...every(role, 'count')]) {
    const before = parts.get(it.into) ?? [];
    parts.set(it.into, [...before, it.from]);
    if (it.first !== (before.length === 0))
      faults.push(
        wrong(placeOf(role, index), it.first ? 'what was summed before is lost' : 'the sum is not cleared'),
      );
    if (before.includes(it.from)) faults.push(wrong(placeOf(role, index), `\`${it.from}\` is added twice`));
    if (it.do === 'accumulate' && valueHeld(role, it.from) !== valueHeld(role, it.into))
      faults.push(wrong(placeOf(role, index), `\`${it.from}\` is no part of \`${it.into}\``));
  }
  const counts = model.inputs.filter(({ source }) => source.from === 'count').map(({ name }) => name);
  for (const [sum, added] of parts)
    if (added.length !== schedule.microBatches)
      faults.push(wrong(role.name, `\`${sum}\` gets ${added.length} parts, not ${schedule.microBatches}`));
  for (const name of counts.filter((count) => !parts.has(count)))
    faults.push(wrong(role.name, `\`${name}\` is never counted`));
  return faults;
}

/** The gradients are clipped as the training says, all of them and nothing else; the loss is reported. */
function endFaults(plan: Plan, role: Role): Diagnostic[] {
  const { model } = plan;
  const updates = every(role, 'run').filter(({ it }) => it.why === 'update');
  const states = new Set(plan.states.map(({ buffer }) => buffer));
  const rates = new Set(every(role, 'rate').map(({ it }) => it.into));
  const shares = new Set(statisticsOf(model).map(({ value }) => value));
  const gradients = updates.flatMap(({ it }) =>
    it.reads.filter(
      (name) => !states.has(name) && !rates.has(name) && !shares.has(valueHeld(role, name) ?? ''),
    ),
  );
  const clips = every(role, 'clip');
  const norm = model.training?.clip;
  const faults = clips.flatMap(({ index, it }) =>
    it.norm === norm && it.buffers.toSorted().join() === gradients.toSorted().join()
      ? []
      : [
          wrong(
            placeOf(role, index),
            'the global norm is not that of all gradients, or not the one of the training',
          ),
        ],
  );
  if (clips.length !== (norm === undefined ? 0 : 1))
    faults.push(
      wrong(role.name, `${clips.length} clips, and the training says ${norm === undefined ? 'none' : 'one'}`),
    );
  const reports = every(role, 'report').filter(({ it }) => valueHeld(role, it.from) === model.loss);
  if (reports.length !== 1 || every(role, 'report').length !== 1)
    faults.push(wrong(role.name, 'the loss is not what is reported, once'));
  return faults;
}
