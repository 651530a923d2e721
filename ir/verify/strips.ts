/**
 * Strips: together they go back through every row of what leaves them once, each gives one share of every cotangent
 * and gradient, and each share is added once, in its place, before anybody reads the sum. So it is with losses and
 * predictions that are made in strips alone. That strips compute what the network computes is checked with all other
 * regions.
 */
import { at, type Box, extents, isEmpty, sameBox } from '../box.ts';
import { type Diagnostic, diagnose, fault } from '../diagnostics/diagnostic.ts';
import type { Graph } from '../graph.ts';
import type { Model } from '../model.ts';
import type { Buffer, Instruction, NamedInstruction, Plan, Role } from '../plan.ts';
import { axisOfStrips, ownOf, readStripName, rowsOf, type StripName, shareOf } from '../strips.ts';
import type { Value } from '../type.ts';
import type { NamedRole } from './alike.ts';
import type { IndexedPlan, IndexedRole, IndexedSegment, RoleCheck } from './indexed.ts';
import { placeOf } from './lives.ts';
import type { Meaning } from './names.ts';

type Adding = Extract<Instruction, { do: 'paste' | 'accumulate' }>;

const wrong = (place: string, why: string): Diagnostic => diagnose(fault('wrong-strips', { place, why }));

const isAdding = (it: NamedInstruction): it is Adding => it.do === 'paste' || it.do === 'accumulate';

/** Buffers in which what strips give is added up. */
export function stripSums({ role, buffers }: Pick<NamedRole, 'role' | 'buffers'>): ReadonlySet<string> {
  const isShare = (name: string) => isGiven(readStripName(buffers.get(name)?.value ?? ''));
  return new Set(role.instructions.flatMap((it) => (isAdding(it) && isShare(it.from) ? [it.into] : [])));
}

const isGiven = (name: StripName | undefined): boolean => name?.kind === 'share' || name?.kind === 'own';

/** One run of a strip. */
type Site = {
  readonly index: number;
  readonly place: string;
  readonly it: Extract<Instruction, { do: 'run' }>;
  readonly segment: IndexedSegment;
  readonly strips: number;
  readonly strip: number;
  /** Along which the strips follow one another. */
  readonly axis: number;
};

export const verifyStrips: RoleCheck = (index) => {
  const { segments } = index;
  const names = new Map([...segments.values()].map((one) => [one.name, stripNames(one)]));
  return (one) => {
    const { sites, faults } = sitesOf(index, names, one.role);
    return [...faults, ...siteFaults(index, one, sites), ...sumFaults(one)];
  };
};

function siteFaults(index: IndexedPlan, one: IndexedRole, sites: readonly Site[]): Diagnostic[] {
  if (sites.length === 0) return [];
  const { plan } = index;
  const { meaning } = one;
  const added = addedFrom(one.role);
  const groups = new Map<string, Site[]>();
  for (const site of sites) {
    const key = `${site.strips} ${site.it.micro} ${partOf(one, site.it)}`;
    groups.set(key, [...(groups.get(key) ?? []), site]);
  }
  return [
    ...[...groups.values()].flatMap((group) => [
      ...countFaults(plan, group),
      ...rowFaults(plan, group, meaning),
      ...shareFaults(index, one, group, added),
      ...ownFaults(plan, one, group, added),
    ]),
    ...sites.flatMap((site) => labelFaults(plan, site, meaning)),
  ];
}

/** By buffer the instructions that add it to another. */
function addedFrom({ instructions }: Role): Map<string, { readonly index: number; readonly it: Adding }[]> {
  const added = new Map<string, { index: number; it: Adding }[]>();
  for (const [index, it] of instructions.entries())
    if (isAdding(it)) added.set(it.from, [...(added.get(it.from) ?? []), { index, it }]);
  return added;
}

const partOf = ({ buffers }: IndexedRole, { reads, writes }: Site['it']): string =>
  [...reads, ...writes].flatMap((name) => buffers.get(name)?.part ?? []).join();

/** The names of strips among the results of a segment. */
const stripNames = ({ graph }: IndexedSegment): StripName[] =>
  graph.ops.flatMap(({ output }) => readStripName(output) ?? []);

/** The runs that have names of a strip in them; a run has those of one strip at most. */
function sitesOf(
  { plan: { model, schedule }, segments }: IndexedPlan,
  stripsIn: ReadonlyMap<string, readonly StripName[]>,
  role: Role,
): { readonly sites: Site[]; readonly faults: Diagnostic[] } {
  const sites: Site[] = [];
  const faults: Diagnostic[] = [];
  role.instructions.forEach((it, index) => {
    if (it.do !== 'run') return;
    const segment = segments.get(it.segment);
    const names = stripsIn.get(it.segment) ?? [];
    const [first] = names;
    if (segment === undefined || first === undefined) return;
    const { strips, strip } = first;
    const place = placeOf(role, index);
    if (names.some((one) => one.strips !== strips || one.strip !== strip))
      faults.push(wrong(place, 'it does ops of several strips'));
    const axis = axisOfStrips(model, schedule.strips[strips] ?? {});
    sites.push({ index, place, it, segment, strips, strip, axis });
  });
  return { sites, faults };
}

/** Strips are numbered from 0, each runs once, and there are no more than the schedule says. */
function countFaults({ schedule }: Plan, group: readonly Site[]): Diagnostic[] {
  const { strips } = at(group, 0);
  const most = schedule.strips[strips]?.count ?? 0;
  const numbers = group.map(({ strip }) => strip).sort((a, b) => a - b);
  return numbers.every((strip, i) => strip === i) && numbers.length <= most
    ? []
    : group.map(({ place }) => wrong(place, `of at most ${most} strips run ${numbers.join(', ')}`));
}

/** The rows of cotangents and of labels that the strips read partition those that there are. */
function rowFaults(plan: Plan, group: readonly Site[], meaning: Meaning): Diagnostic[] {
  const targets = targetsOf(plan.model);
  const shared = (name: string) => meaning(name) === undefined || targets.has(meaning(name) ?? '');
  const names = new Set(group.flatMap(({ segment }) => namesOf(segment.graph.inputs)).filter(shared));
  return [...names].flatMap((name) =>
    unevenSites(group, wholeIn(group, name), (site) => rowsRead(site, name)).map((site) =>
      unevenly(site, name),
    ),
  );
}

const unevenly = ({ place }: Site, name: string): Diagnostic =>
  wrong(place, `the strips do not go once through every row of \`${name}\``);

/** All cells that there are of what strips are given. */
const wholeIn = (group: readonly Site[], name: string): Box | undefined =>
  group.flatMap(({ segment }) => boxIn(segment, name) ?? [])[0];

/** Strips that do not begin in the row in which the one before ends, and those; the first and the last row count too. */
function unevenSites(
  group: readonly Site[],
  whole: Box | undefined,
  cells: (site: Site) => readonly Box[],
): Site[] {
  const { axis } = at(group, 0);
  const rows = whole?.[axis];
  if (whole === undefined || rows === undefined) return [];
  const read = group.flatMap((site) => cells(site).map((box) => ({ site, box, rows: at(box, axis) })));
  const others = (box: Box) => box.filter((_, other) => other !== axis);
  read.sort((a, b) => a.rows.from - b.rows.from);
  const faulty = group.filter((site) => !read.some((one) => one.site === site));
  for (const [i, { site, box, rows: own }] of read.entries()) {
    const begin = read[i - 1]?.rows.to ?? rows.from;
    const end = read[i + 1]?.rows.from ?? rows.to;
    const isWhole = sameBox(others(box), others(whole)) && !isEmpty(own);
    if (!isWhole || own.from !== begin || own.to !== end) faulty.push(site);
  }
  return faulty;
}

const namesOf = (values: readonly Value[]): string[] => values.map(({ name }) => name);

const boxIn = ({ types }: IndexedSegment, name: string): [Box] | undefined => {
  const type = types.get(name);
  return type?.kind === 'map' && type.box.length > 0 ? [type.box] : undefined;
};

/** The cells that a strip reads of what it is given: its rows, or all where it cuts none out. */
function rowsRead({ segment, strips, strip }: Site, name: string): Box[] {
  const { graph } = segment;
  const rows = graph.ops.find(({ output }) => output === rowsOf(name, { strips, strip }));
  const [whole] = boxIn(segment, name) ?? [];
  if (whole === undefined) return [];
  if (rows === undefined) return [whole];
  if (rows.kind !== 'crop') return [];
  const others = graph.ops.some((op) => op !== rows && op.inputs.includes(name));
  const cut = whole.map((r, axis) => {
    const [lo, hi] = at(rows.attrs.sides, axis);
    return { from: r.from + lo, to: r.to - hi };
  });
  const isThere = rows.type.kind === 'map' && sameBox(rows.type.box, cut) && rows.inputs[0] === name;
  return isThere && !others ? [cut] : [];
}

/** Each strip gives a share of the same values, of the rows that it reads of them, and each share is added once. */
function shareFaults(
  { trained }: IndexedPlan,
  one: IndexedRole,
  group: readonly Site[],
  addedFrom: ReadonlyMap<string, readonly { readonly index: number; readonly it: Adding }[]>,
): Diagnostic[] {
  const values = new Set(
    group.flatMap(({ segment: { graph } }) => [
      ...givenBy(graph, 'share'),
      ...namesOf(graph.inputs).filter((name) => trained.has(name)),
    ]),
  );
  return [...values].flatMap((value) => {
    const sums = new Set<string>();
    const faults = group.flatMap((site): Diagnostic[] => {
      const name = shareOf(value, site);
      const added = additions(site, name, addedFrom);
      if (added === undefined)
        return [wrong(site.place, `it gives no share of the cotangent of \`${value}\``)];
      for (const { it } of added) sums.add(it.into);
      // A share of what only went through, such as an operand of a sum, needs no rows of the value.
      const [read] = rowsRead(site, value);
      const [box] = boxIn(site.segment, name) ?? [];
      const fits = read === undefined || (box !== undefined && sameBox(read, box));
      return [
        ...onceFaults(site, name, added),
        ...(fits ? [] : [wrong(site.place, `\`${name}\` does not cover the rows that are read`)]),
      ];
    });
    return [...faults, ...(faults.length > 0 ? [] : intoFaults(one, at(group, 0), value, [...sums]))];
  });
}

type Added = readonly { readonly index: number; readonly it: Adding }[];

/** The instructions that add what a strip gives under a name; undefined where it gives nothing of it. */
function additions(
  { it, index, segment }: Site,
  name: string,
  addedFrom: ReadonlyMap<string, Added>,
): Added | undefined {
  const buffer = it.writes[segment.graph.outputs.indexOf(name)];
  if (buffer === undefined) return undefined;
  return (addedFrom.get(buffer) ?? []).filter((one) => one.index > index);
}

const onceFaults = ({ place }: Site, name: string, added: Added): Diagnostic[] =>
  added.length === 1 ? [] : [wrong(place, `\`${name}\` is added ${added.length} times`)];

/** Of what values strips give something of that kind. */
const givenBy = ({ outputs }: Graph, kind: StripName['kind']): string[] =>
  outputs.flatMap((name) => {
    const strip = readStripName(name);
    return strip?.kind === kind ? [strip.value] : [];
  });

/**
 * Of the losses and predictions that strips make each strip gives its part, once, to what holds the value: of a map
 * its rows there, of a loss the sum over rows of the labels.
 */
function ownFaults(
  { model }: Plan,
  { buffers, meaning }: IndexedRole,
  group: readonly Site[],
  addedFrom: ReadonlyMap<string, Added>,
): Diagnostic[] {
  const targets = targetsOf(model);
  const values = new Set(group.flatMap(({ segment: { graph } }) => givenBy(graph, 'own')));
  return [...values].flatMap((value) => {
    const sums = new Set<string>();
    const faults = group.flatMap((site): Diagnostic[] => {
      const name = ownOf(value, site);
      const added = additions(site, name, addedFrom);
      if (added === undefined) return [wrong(site.place, `it gives nothing of \`${value}\``)];
      for (const { it } of added) sums.add(it.into);
      return onceFaults(site, name, added);
    });
    if (faults.length > 0) return faults;
    const into = buffers.get([...sums][0] ?? '');
    if (sums.size !== 1 || into?.value !== value)
      return [wrong(at(group, 0).place, `the parts of \`${value}\` do not add up to it`)];
    const cells = (site: Site) => cellsGiven(site, value, (name) => targets.has(meaning(name) ?? ''));
    const labels = group.flatMap(({ segment: { graph } }) =>
      graph.inputs.filter(({ name }) => targets.has(name)),
    );
    const whole = into.box ?? wholeIn(group, labels[0]?.name ?? '');
    if (whole === undefined) return group.map((site) => unevenly(site, value));
    return unevenSites(group, whole, cells).map((site) => unevenly(site, value));
  });
}

/** The cells of a map that a strip gives; of a sum those of the labels that it is over. */
function cellsGiven(site: Site, value: string, isLabel: (name: string) => boolean): Box[] {
  const { segment } = site;
  const name = ownOf(value, site);
  const given = boxIn(segment, name);
  if (given !== undefined) return given;
  const op = segment.graph.ops.find(({ output }) => output === name);
  return (op?.inputs ?? []).filter(isLabel).flatMap((one) => boxIn(segment, one) ?? []);
}

/** All shares of a value go into one sum, which is that value's and covers all that there is of it. */
function intoFaults(
  { buffers }: IndexedRole,
  { it, segment, place, strips }: Site,
  value: string,
  sums: readonly string[],
) {
  const sum = buffers.get(sums[0] ?? '');
  const given = buffers.get(it.reads[namesOf(segment.graph.inputs).indexOf(value)] ?? '');
  const named = sum?.value === `${value}~grad` || sum?.value === `${value}~sum${strips}`;
  const key = (buffer: Buffer | undefined) => JSON.stringify([buffer?.box, buffer?.part]);
  const fits = given === undefined || key(sum) === key(given);
  return sums.length === 1 && named && fits
    ? []
    : [wrong(place, `the shares of the cotangent of \`${value}\` do not add up to it`)];
}

const targetsOf = ({ inputs }: Model): Set<string> =>
  new Set(inputs.flatMap(({ name, source }) => (source.from === 'target' ? [name] : [])));

/** Labels are held against what is predicted of the same cells. */
function labelFaults({ model }: Plan, { segment, place }: Site, meaning: Meaning): Diagnostic[] {
  const targets = targetsOf(model);
  return segment.graph.ops.flatMap((op) => {
    if (op.kind === 'crop' || !op.inputs.some((name) => targets.has(meaning(name) ?? ''))) return [];
    const boxes = op.inputs.flatMap((name) =>
      meaning(name) === undefined ? [] : (boxIn(segment, name) ?? []),
    );
    return boxes.every((box) => sameBox(box, at(boxes, 0)))
      ? []
      : [wrong(place, `\`${op.output}\` is made of labels and predictions of other cells`)];
  });
}

/** The first share clears the sum, no other does, nothing else writes it, and nobody reads it before the last. */
function sumFaults(one: IndexedRole): Diagnostic[] {
  const { role, buffers, uses } = one;
  const sums = stripSums(one);
  const added = new Map<string, number>();
  const used = new Set<string>();
  const faults: Diagnostic[] = [];
  role.instructions.forEach((it, index) => {
    const blame = (why: string) => faults.push(wrong(placeOf(role, index), why));
    if (isAdding(it) && sums.has(it.into)) {
      const before = added.get(it.into) ?? 0;
      added.set(it.into, before + 1);
      if (it.first !== (before === 0))
        blame(it.first ? 'what was summed before is lost' : 'the sum is not cleared');
      if (used.has(it.into)) blame(`\`${it.into}\` was used before its last share came`);
      if (!fits(it, buffers.get(it.from), buffers.get(it.into)))
        blame(`\`${it.from}\` has no place in \`${it.into}\``);
      return;
    }
    if (it.do === 'paste') blame('no strip has a share there');
    if (sums.size === 0) return;
    const { reads, writes, frees } = at(uses, index);
    for (const name of [...reads, ...writes]) if (sums.has(name)) used.add(name);
    for (const name of frees) {
      used.delete(name);
      added.delete(name);
    }
  });
  return faults;
}

/** What is pasted lies inside the sum; what is accumulated is like it. */
function fits({ do: how }: Adding, from: Buffer | undefined, into: Buffer | undefined): boolean {
  if (from === undefined || into === undefined || from.element !== into.element) return false;
  if (how === 'accumulate') return from.dims.join() === into.dims.join();
  const [cells, whole] = [from.box ?? [], into.box ?? []];
  const inside = cells.every(({ from: begin, to: end }, axis) => {
    const r = whole[axis];
    return r !== undefined && r.from <= begin && end <= r.to;
  });
  // Where a sum grows no op tells how large it is.
  const hasCells = into.dims.slice(2).join() === extents(whole).join();
  return (
    inside && hasCells && cells.length > 0 && from.dims.slice(0, 2).join() === into.dims.slice(0, 2).join()
  );
}
