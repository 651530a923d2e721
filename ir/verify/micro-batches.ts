/** Every op of the model is done once for each micro-batch and each tile of a device, on operands that are all of these. */
import { at } from '../box.ts';
import { type Diagnostic, diagnose, fault } from '../diagnostics/diagnostic.ts';
import type { NamedInstruction, Plan } from '../plan.ts';
import { sharingOf } from '../sharers.ts';
import { partOfSum, sweptSums } from '../sweeps.ts';
import { tileIndices } from '../tiling.ts';
import { product } from '../type.ts';
import type { Uses } from '../uses.ts';
import type { NamedIndex, NamedRole } from './alike.ts';
import { placeOf, placeOfLast } from './lives.ts';

const wrong = (place: string, why: string): Diagnostic => diagnose(fault('wrong-step', { place, why }));

/** A part of a step: which micro-batch, and which tile of the device; '' where it has one alone. */
type Part = { readonly micro: number; readonly tile: string };

const nameOf = ({ micro, tile }: Part): string => `#${micro} ${tile}`;

/** What a part of a step is called; no tile where a device has one alone. */
export const partName = (micro: number, tile: readonly number[] = []): string =>
  nameOf({ micro, tile: tile.join() });

/** `sums`: the buffers in which the shares of strips are added up. */
export function microFaults(plan: NamedIndex, one: NamedRole, sums: ReadonlySet<string>): Diagnostic[] {
  const { role, buffers, uses } = one;
  const parts = new Map<string, Part>();
  const added: ByPart = new Map();
  const faults: Diagnostic[] = [];
  role.instructions.forEach((it, index) => {
    const blame = (why: string) => faults.push(wrong(placeOf(role, index), why));
    const own = partOf(one, index);
    if (own !== undefined) {
      const used = at(uses, index);
      for (const why of strangers(one, used, own, parts)) blame(why);
      const comes = it.do === 'load' || it.do === 'draw';
      for (const name of used.writes) parts.set(name, comes ? { ...own, tile: tileOf(one, name) } : own);
    }
    if ((it.do === 'paste' || it.do === 'accumulate') && sums.has(it.into)) {
      const [share, sum] = [parts.get(it.from), it.first ? undefined : parts.get(it.into)];
      if (sum !== undefined && (share?.micro !== sum.micro || share.tile !== sum.tile))
        blame(`it adds a share of another part to \`${it.into}\``);
      if (share !== undefined) parts.set(it.into, share);
      if (it.first && share !== undefined)
        note(added, `${buffers.get(it.into)?.value}`, nameOf(share), index);
    }
    for (const name of at(uses, index).frees) parts.delete(name);
  });
  return [...faults, ...onceFaults(plan, one, doneIn(plan, one, added))];
}

/** The part that an instruction works on; undefined where it works on all of them. */
function partOf({ role, parts }: NamedRole, index: number): Part | undefined {
  const it = at(role.instructions, index);
  if (!('micro' in it) || it.do === 'all_reduce' || isUpdate(it)) return undefined;
  return { micro: it.micro, tile: parts[index]?.join() ?? '' };
}

const isUpdate = (it: NamedInstruction): boolean => it.do === 'run' && it.why === 'update';

const tileOf = ({ parts, buffers }: NamedRole, name: string): string =>
  parts.length === 0 ? '' : (buffers.get(name)?.part?.join() ?? '');

/** What an instruction reads or writes that is of another part than its own, in words. */
function strangers(
  one: NamedRole,
  { reads, writes }: Uses,
  { micro, tile }: Part,
  parts: ReadonlyMap<string, Part>,
): string[] {
  const ofMicro = (which: number, where: string) => `micro-batch ${which}${where && `, tile ${where}`}`;
  const others = reads.flatMap((name) => {
    const of = parts.get(name);
    const isOther =
      of !== undefined && (of.micro !== micro || (of.tile !== '' && tile !== '' && of.tile !== tile));
    return isOther
      ? [`it works on ${ofMicro(micro, tile)}, and \`${name}\` is of ${ofMicro(of.micro, of.tile)}`]
      : [];
  });
  if (tile === '') return others;
  const elsewhere = [...reads, ...writes].flatMap((name) => {
    const where = tileOf(one, name);
    return where === '' || where === tile
      ? []
      : [`\`${name}\` is of tile ${where}, and the rest of tile ${tile}`];
  });
  return [...others, ...elsewhere];
}

/** By what is done, and by part, the instructions that do it. */
type ByPart = Map<string, Map<string, readonly number[]>>;

function note(all: ByPart, what: string, part: string, index: number): void {
  const known = all.get(what) ?? new Map<string, readonly number[]>();
  all.set(what, known.set(part, [...(known.get(part) ?? []), index]));
}

/** By value. A segment does all of its ops whenever it runs; the shares of strips are added up by instructions. */
function doneIn({ segments }: NamedIndex, one: NamedRole, added: ByPart): ByPart {
  const runs: ByPart = new Map();
  one.role.instructions.forEach((it, index) => {
    const part = it.do === 'run' ? partOf(one, index) : undefined;
    if (it.do === 'run' && part !== undefined) note(runs, it.segment, nameOf(part), index);
  });
  const done: ByPart = new Map();
  for (const [segment, parts] of runs)
    for (const { output } of segments.get(segment)?.graph.ops ?? [])
      done.set(output, joined(done.get(output), parts));
  for (const [value, parts] of added) done.set(value, joined(done.get(value), parts));
  return done;
}

type Parts = Map<string, readonly number[]>;

function joined(some: Parts | undefined, more: Parts): Parts {
  if (some === undefined) return more;
  const all = new Map(some);
  for (const [part, indices] of more)
    all.set(
      part,
      [...(all.get(part) ?? []), ...indices].sort((a, b) => a - b),
    );
  return all;
}

/** Ops are done at most once; what must come out of a step, for every part. */
function onceFaults(index: NamedIndex, { role, has }: NamedRole, done: ByPart): Diagnostic[] {
  const repeated = [...done].flatMap(([value, parts]) =>
    [...parts].flatMap(([part, places]) =>
      places
        .slice(1)
        .map((index) => wrong(placeOf(role, index), `\`${value} ${part}\` is computed more than once`)),
    ),
  );
  const parts = partsOfStep(index.plan);
  const missing = wantedOf(index, has).flatMap((value) =>
    parts
      .filter((part) => !done.get(value)?.has(part))
      .map((part) => {
        const last = [...(done.get(value)?.values() ?? [])].flat().at(-1);
        const place = last === undefined ? placeOfLast(role, (it) => it.do === 'run') : placeOf(role, last);
        return wrong(place, `\`${value} ${part}\` is never computed`);
      }),
  );
  return [...repeated, ...missing];
}

/** The values that a stage must give for every part. */
const wantedOf = ({ plan, trained }: NamedIndex, has: NamedRole['has']): string[] => [
  ...[...sweptSums(plan.model, sharingOf(plan.schedule), plan.samples).keys()].map(partOfSum),
  ...(has.loss ? [plan.model.loss as string] : []),
  ...has.scored.map(({ value }) => value),
  ...has.statistics.map(({ value }) => value),
  ...[...has.parameters].filter((name) => trained.has(name)).map((name) => `${name}~grad`),
];

/** The names of all parts of a step on one device, or of those of some micro-batches. */
export function partsOfStep(
  { schedule }: Pick<Plan, 'schedule'>,
  micros = Array.from({ length: schedule.microBatches }, (_, micro) => micro),
): string[] {
  const total = product(schedule.stream);
  const tiles =
    total === 1
      ? ['']
      : Array.from({ length: total }, (_, index) => tileIndices(schedule.stream, index).join());
  return micros.flatMap((micro) => tiles.map((tile) => nameOf({ micro, tile })));
}
