/**
 * What a step is made of: every input comes from where the model says, every sample of every micro-batch is
 * worked through once, its parts are added once, and clipping, metrics and the loss are those of the model.
 */
import { extents } from '../box.ts';
import { type Diagnostic, diagnose, fault } from '../diagnostics/diagnostic.ts';
import { type Model, statisticsOf, trainedParameters } from '../model.ts';
import type { Buffer, Instruction, Plan, Role } from '../plan.ts';
import { belongings } from '../stages.ts';
import { tileIndices } from '../tiling.ts';
import { product } from '../type.ts';
import { usesOf } from '../uses.ts';
import { placeOf, placeOfBuffer, placeOfLast } from './lives.ts';
import { stripSums } from './strips.ts';

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
function sourceFaults(plan: Plan, role: Role): Diagnostic[] {
  const { model } = plan;
  const kindOf = (name: string) => model.inputs.find((input) => input.name === name)?.source.from;
  return (['load', 'draw', 'count'] as const).flatMap((kind) =>
    every(role, kind).flatMap(({ index, it }) => {
      const allowed: readonly string[] = sourceKinds[kind];
      const found = kindOf(it.source);
      const fits =
        found !== undefined &&
        allowed.includes(found) &&
        valueHeld(role, it.into) === it.source &&
        (it.do === 'count' || isFilled(plan, role, it.source, it.into));
      return fits && countsItsTarget(model, role, it)
        ? []
        : [wrong(placeOf(role, index), `\`${it.source}\` is not what \`${it.into}\` is made from`)];
    }),
  );
}

/** A buffer that is loaded or drawn has the samples, channels and element of its input, and the cells that it says. */
function isFilled({ model, samples }: Plan, role: Role, source: string, into: string): boolean {
  const type = model.inputs.find(({ name }) => name === source)?.type;
  const buffer = role.buffers.find(({ name }) => name === into);
  if (type?.kind !== 'map' || buffer === undefined) return false;
  const dims = [samples, type.channels, ...extents(buffer.box ?? [])];
  return buffer.element === type.element && buffer.dims.join() === dims.join();
}

function countsItsTarget(model: Model, role: Role, it: Instruction): boolean {
  if (it.do !== 'count') return true;
  const source = model.inputs.find(({ name }) => name === it.source)?.source;
  return source?.from === 'count' && valueHeld(role, it.from) === source.target;
}

/** Parts of a step on one device: micro-batches times tiles. */
const partCount = ({ schedule }: Plan): number => schedule.microBatches * product(schedule.stream);

/** Which micro-batch and which tile a buffer belongs to. */
type Tag = { readonly micro: number; readonly part: string };

/** Every op of the model is done once for each part, on operands that are all of that part. */
function microFaults(plan: Plan, role: Role): Diagnostic[] {
  const tags = new Map<string, Tag>();
  const done = new Map<string, number[]>();
  const faults: Diagnostic[] = [];
  const parts = new Map(role.buffers.map(({ name, part }) => [name, part?.join() ?? '']));
  const buffers = new Map(role.buffers.map((buffer) => [buffer.name, buffer]));
  const sums = stripSums(role);
  const graphs = new Map(plan.segments.map(({ name, graph }) => [name, graph]));
  role.instructions.forEach((it, index) => {
    const { reads, writes, frees } = usesOf(it);
    if ('micro' in it && it.do !== 'all_reduce' && !(it.do === 'run' && it.why === 'update')) {
      const part = [...reads, ...writes].map((name) => parts.get(name) ?? '').find((of) => of !== '') ?? '';
      const isOther = ({ micro, part: of }: Tag) =>
        micro !== it.micro || (of !== '' && part !== '' && of !== part);
      for (const name of reads) {
        const tag = tags.get(name);
        if (tag === undefined || !isOther(tag)) continue;
        const other = `\`${name}\` is of micro-batch ${tag.micro}${tag.part === '' ? '' : `, tile ${tag.part}`}`;
        faults.push(
          wrong(
            placeOf(role, index),
            `it works on micro-batch ${it.micro}${part === '' ? '' : `, tile ${part}`}, and ${other}`,
          ),
        );
      }
      for (const name of [...reads, ...writes]) {
        const own = parts.get(name) ?? '';
        if (own !== '' && own !== part)
          faults.push(
            wrong(placeOf(role, index), `\`${name}\` is of tile ${own}, and the rest of tile ${part}`),
          );
      }
      for (const name of writes) {
        const given = it.do === 'load' || it.do === 'draw' ? (parts.get(name) ?? '') : part;
        tags.set(name, { micro: it.micro, part: given });
      }
      if (it.do === 'run')
        for (const { output } of graphs.get(it.segment)?.ops ?? [])
          note(done, `${output} #${it.micro} ${partOfRun(it, buffers)}`, index);
    }
    if ((it.do === 'paste' || it.do === 'accumulate') && sums.has(it.into)) {
      const [share, sum] = [tags.get(it.from), it.first ? undefined : tags.get(it.into)];
      if (sum !== undefined && (share?.micro !== sum.micro || share.part !== sum.part))
        faults.push(wrong(placeOf(role, index), `it adds a share of another part to \`${it.into}\``));
      if (share !== undefined) tags.set(it.into, share);
      if (it.first && share !== undefined)
        note(done, `${buffers.get(it.into)?.value} #${share.micro} ${share.part}`, index);
    }
    for (const name of frees) tags.delete(name);
  });
  return [...faults, ...onceFaults(plan, role, done), ...metricFaults(plan, role)];
}

const note = (places: Map<string, number[]>, key: string, index: number) =>
  places.set(key, [...(places.get(key) ?? []), index]);

const partOfRun = (it: InstructionOf<'run'>, buffers: ReadonlyMap<string, Buffer>): string =>
  [...it.reads, ...it.writes]
    .map((name) => buffers.get(name)?.part)
    .find((part) => part !== undefined)
    ?.join() ?? '';

/** Ops are done at most once; what must come out of a step, for every part. */
function onceFaults(plan: Plan, role: Role, done: ReadonlyMap<string, readonly number[]>): Diagnostic[] {
  const { model, schedule } = plan;
  const has = belongings(model, schedule, role.stage);
  const repeated = [...done].flatMap(([key, places]) => places.slice(1).map((index) => ({ key, index })));
  const trained = new Set(trainedParameters(model));
  const wanted = [
    ...(has.loss ? [model.loss as string] : []),
    ...has.scored.map(({ value }) => value),
    ...has.statistics.map(({ value }) => value),
    ...[...has.parameters].filter((name) => trained.has(name)).map((name) => `${name}~grad`),
  ];
  const parts = tileParts(schedule.stream);
  const missing = wanted.flatMap((name) =>
    Array.from({ length: schedule.microBatches }, (_, micro) => micro).flatMap((micro) =>
      parts.map((part) => `${name} #${micro} ${part}`).filter((key) => !done.has(key)),
    ),
  );
  return [
    ...repeated.map(({ key, index }) => wrong(placeOf(role, index), `\`${key}\` is computed more than once`)),
    ...missing.map((key) => {
      const others = [...done].filter(([other]) => other.split(' #')[0] === key.split(' #')[0]);
      const index = others.flatMap(([, places]) => places).at(-1);
      const place = index === undefined ? placeOfLast(role, (one) => one.do === 'run') : placeOf(role, index);
      return wrong(place, `\`${key}\` is never computed`);
    }),
  ];
}

/** The parts of a device as buffers name them. */
function tileParts(stream: readonly number[]): string[] {
  const total = product(stream);
  return total === 1 ? [''] : Array.from({ length: total }, (_, index) => tileIndices(stream, index).join());
}

/** Each prediction of each part is held against the labels of that part, once. */
function metricFaults(plan: Plan, role: Role): Diagnostic[] {
  const { model, schedule } = plan;
  const madeAt = new Map<string, string>();
  const held: { readonly index: number; readonly fits: boolean }[] = [];
  const partOf = new Map(role.buffers.map(({ name, part }) => [name, part?.join() ?? '']));
  role.instructions.forEach((it, index) => {
    if (it.do === 'run' || it.do === 'load')
      for (const name of usesOf(it).writes) madeAt.set(name, `${it.micro} ${partOf.get(name)}`);
    if (it.do !== 'metric') return;
    const output = model.outputs.find(({ name }) => name === it.target);
    const fits =
      output !== undefined &&
      valueHeld(role, it.predicted) === output.value &&
      valueHeld(role, it.labels) === it.target &&
      madeAt.get(it.predicted) === madeAt.get(it.labels);
    held.push({ index, fits });
  });
  const faults = held
    .filter(({ fits }) => !fits)
    .map(({ index }) => wrong(placeOf(role, index), 'what is predicted is not held against its own labels'));
  const scored = belongings(model, schedule, role.stage).scored.length * partCount(plan);
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

/** Into each sum goes each part of the same value once, and the first one clears it. */
function sumFaults(plan: Plan, role: Role): Diagnostic[] {
  const parts = new Map<string, string[]>();
  const faults: Diagnostic[] = [];
  const ofStrips = stripSums(role);
  const adding = [...every(role, 'accumulate'), ...every(role, 'count')];
  for (const { index, it } of adding.filter(({ it }) => !ofStrips.has(it.into))) {
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
  const wanted = partCount(plan);
  for (const [sum, added] of parts)
    if (added.length !== wanted)
      faults.push(
        wrong(placeOfLast(role, addsTo(sum)), `\`${sum}\` gets ${added.length} parts, not ${wanted}`),
      );
  for (const { name } of belongings(plan.model, plan.schedule, role.stage).counts)
    if (!parts.has(name)) faults.push(wrong(placeOfBuffer(role, name), `\`${name}\` is never counted`));
  return faults;
}

const addsTo =
  (sum: string) =>
  (one: Instruction): boolean =>
    (one.do === 'accumulate' || one.do === 'count') && one.into === sum;

const ending = (one: Instruction): boolean => one.do === 'clip' || (one.do === 'run' && one.why === 'update');

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
  const reports = every(role, 'report').filter(
    ({ it }) => it.from === model.loss && valueHeld(role, it.from) === model.loss,
  );
  const expected = belongings(model, plan.schedule, role.stage).loss ? 1 : 0;
  if (reports.length !== expected || every(role, 'report').length !== expected)
    faults.push(
      wrong(
        placeOfLast(role, (one) => one.do === 'report'),
        'the loss is not what is reported, once',
      ),
    );
  return faults;
}
