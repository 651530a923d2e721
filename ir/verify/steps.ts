/**
 * What a step is made of: every input comes from where the model says, every sample of every micro-batch is
 * worked through once, its parts are added once, and clipping, metrics and the loss are those of the model.
 */
import { at, extents } from '../box.ts';
import { type Diagnostic, diagnose, fault } from '../diagnostics/diagnostic.ts';
import { type Model, statisticsOf, trainedParameters } from '../model.ts';
import type { Buffer, Instruction, Plan } from '../plan.ts';
import { tileIndices } from '../tiling.ts';
import { product, sameDims } from '../type.ts';
import type { IndexedPlan, IndexedRole, RoleCheck } from './indexed.ts';
import { placeOf, placeOfBuffer, placeOfLast } from './lives.ts';
import { stripSums } from './strips.ts';

type InstructionOf<D extends Instruction['do']> = Extract<Instruction, { do: D }>;

const every = <D extends Instruction['do']>(
  { role }: IndexedRole,
  kind: D,
): { index: number; it: InstructionOf<D> }[] =>
  role.instructions.flatMap((instruction, index) =>
    instruction.do === kind ? [{ index, it: instruction as InstructionOf<D> }] : [],
  );

const wrong = (place: string, why: string): Diagnostic => diagnose(fault('wrong-step', { place, why }));

export const verifySteps: RoleCheck = (index) => (one) => {
  const { plan } = index;
  const sums = stripSums(one);
  return [
    ...sourceFaults(plan, one),
    ...(plan.purpose === 'predict'
      ? []
      : [...microFaults(index, one, sums), ...sumFaults(plan, one, sums), ...endFaults(index, one)]),
  ];
};

const valueHeld = ({ buffers }: IndexedRole, buffer: string): string | undefined =>
  buffers.get(buffer)?.value;

const sourceKinds = { load: ['image', 'target'], draw: ['mask', 'corners'], count: ['count'] } as const;

/** Loads, draws and counts name an input of the model of their kind, and fill a buffer of that value. */
function sourceFaults(plan: Plan, one: IndexedRole): Diagnostic[] {
  const { model } = plan;
  const kindOf = (name: string) => model.inputs.find((input) => input.name === name)?.source.from;
  return (['load', 'draw', 'count'] as const).flatMap((kind) =>
    every(one, kind).flatMap(({ index, it }) => {
      const allowed: readonly string[] = sourceKinds[kind];
      const found = kindOf(it.source);
      const fits =
        found !== undefined &&
        allowed.includes(found) &&
        valueHeld(one, it.into) === it.source &&
        (it.do === 'count' || isFilled(plan, one, it.source, it.into));
      return fits && countsItsTarget(model, one, it)
        ? []
        : [wrong(placeOf(one.role, index), `\`${it.source}\` is not what \`${it.into}\` is made from`)];
    }),
  );
}

/** A buffer that is loaded or drawn has the samples, channels and element of its input, and the cells that it says. */
function isFilled({ model, samples }: Plan, { buffers }: IndexedRole, source: string, into: string): boolean {
  const type = model.inputs.find(({ name }) => name === source)?.type;
  const buffer = buffers.get(into);
  if (type?.kind !== 'map' || buffer === undefined) return false;
  const dims = [samples, type.channels, ...extents(buffer.box ?? [])];
  return buffer.element === type.element && sameDims(buffer.dims, dims);
}

function countsItsTarget(model: Model, one: IndexedRole, it: Instruction): boolean {
  if (it.do !== 'count') return true;
  const source = model.inputs.find(({ name }) => name === it.source)?.source;
  return source?.from === 'count' && valueHeld(one, it.from) === source.target;
}

/** Parts of a step on one device: micro-batches times tiles. */
const partCount = ({ schedule }: Plan): number => schedule.microBatches * product(schedule.stream);

/** Which micro-batch and which tile a buffer belongs to. */
type Tag = { readonly micro: number; readonly part: string };

/** Every op of the model is done once for each part, on operands that are all of that part. */
function microFaults(
  { plan, segments }: IndexedPlan,
  one: IndexedRole,
  sums: ReadonlySet<string>,
): Diagnostic[] {
  const { role, buffers, uses } = one;
  const tags = new Map<string, Tag>();
  const done = new Map<string, number[]>();
  const faults: Diagnostic[] = [];
  const parts = new Map(role.buffers.map(({ name, part }) => [name, part?.join() ?? '']));
  role.instructions.forEach((it, index) => {
    const { reads, writes, frees } = at(uses, index);
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
      if (it.do === 'run') {
        const own = `#${it.micro} ${partOfRun(it, buffers)}`;
        for (const { output } of segments.get(it.segment)?.graph.ops ?? [])
          note(done, `${output} ${own}`, index);
      }
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
  return [...faults, ...onceFaults(plan, one, done), ...metricFaults(plan, one)];
}

function note(places: Map<string, number[]>, key: string, index: number): void {
  const known = places.get(key);
  if (known === undefined) places.set(key, [index]);
  else known.push(index);
}

const partOfRun = (it: InstructionOf<'run'>, buffers: ReadonlyMap<string, Buffer>): string =>
  [...it.reads, ...it.writes]
    .map((name) => buffers.get(name)?.part)
    .find((part) => part !== undefined)
    ?.join() ?? '';

/** Ops are done at most once; what must come out of a step, for every part. */
function onceFaults(
  { model, schedule }: Plan,
  { role, has }: IndexedRole,
  done: ReadonlyMap<string, readonly number[]>,
): Diagnostic[] {
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
function metricFaults(plan: Plan, one: IndexedRole): Diagnostic[] {
  const { model } = plan;
  const { role, has, buffers, uses } = one;
  const madeAt = new Map<string, string>();
  const held: { readonly index: number; readonly fits: boolean }[] = [];
  const partOf = (name: string) => buffers.get(name)?.part?.join() ?? '';
  role.instructions.forEach((it, index) => {
    if (it.do === 'run' || it.do === 'load')
      for (const name of at(uses, index).writes) madeAt.set(name, `${it.micro} ${partOf(name)}`);
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

/** Into each sum goes each part of the same value once, and the first one clears it. */
function sumFaults(plan: Plan, one: IndexedRole, ofStrips: ReadonlySet<string>): Diagnostic[] {
  const { role, has } = one;
  const parts = new Map<string, { readonly from: Set<string>; count: number }>();
  const faults: Diagnostic[] = [];
  const adding = [...every(one, 'accumulate'), ...every(one, 'count')];
  for (const { index, it } of adding.filter(({ it }) => !ofStrips.has(it.into))) {
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
  (one: Instruction): boolean =>
    (one.do === 'accumulate' || one.do === 'count') && one.into === sum;

const ending = (one: Instruction): boolean => one.do === 'clip' || (one.do === 'run' && one.why === 'update');

/** The gradients are clipped as the training says, all of them and nothing else; the loss is reported. */
function endFaults({ plan, states }: IndexedPlan, one: IndexedRole): Diagnostic[] {
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
