/**
 * Statistics over a whole sample, or over samples of several replicas: what a device makes of its own cells is
 * gathered from exactly the devices that have a share in it, and merged as the model says.
 */
import { at } from '../box.ts';
import { type Diagnostic, diagnose, fault } from '../diagnostics/diagnostic.ts';
import type { Graph, Op } from '../graph.ts';
import type { Group, OpKind } from '../ops/attributes.ts';
import { ops } from '../ops/table.ts';
import type { Buffer, Instruction, Plan } from '../plan.ts';
import { type Sharers, sharersOf, sharingOf, sumsIn } from '../sharers.ts';
import { outOfSweep } from '../sweeps.ts';
import type { IndexedRole, RoleCheck } from './indexed.ts';
import { placeOf } from './lives.ts';
import type { Meaning } from './names.ts';

const wrong = (place: string, why: string): Diagnostic => diagnose(fault('wrong-meeting', { place, why }));

/** A statistic of the model that devices have shares in. */
type Shared = { readonly op: Op; readonly sharers: Sharers };

/** By name. The sums that a loss divides are those of its reader's samples; moments are those of their own. */
function sharedStatistics({ model, samples, schedule }: Plan): Map<string, Shared> {
  const readers = sumsIn(model);
  return new Map(
    model.ops.flatMap((op): [string, Shared][] => {
      const of = ops[op.kind].wholeExtent === true ? op : readers.get(op.output);
      return of === undefined
        ? []
        : [[op.output, { op, sharers: sharersOf(of, sharingOf(schedule), samples) }]];
    }),
  );
}

export const verifyGathers: RoleCheck = ({ plan, segments }) => {
  const shared = sharedStatistics(plan);
  if (plan.purpose === 'predict' || shared.size === 0) return () => [];
  const inSegments = new Map(
    [...segments].map(([name, { graph }]) => [name, statisticFaults(graph, shared)]),
  );
  const faultsOf = (one: IndexedRole, it: Instruction): readonly string[] => {
    if (it.do === 'run') return it.why === 'update' ? none : (inSegments.get(it.segment) ?? none);
    const isGathering = it.do === 'all_gather' || it.do === 'reduce_scatter';
    return !isGathering || isShared(one, it, shared)
      ? none
      : ['it is not what all who have a share in one statistic give each other'];
  };
  return (one) => {
    const faults: Diagnostic[] = [];
    for (let index = 0; index < one.role.instructions.length; index++)
      for (const why of faultsOf(one, at(one.role.instructions, index)))
        faults.push(wrong(placeOf(one.role, index), why));
    return faults;
  };
};

const none: readonly string[] = [];

type Gathering = Extract<Instruction, { do: 'all_gather' | 'reduce_scatter' }>;

function isShared(
  { buffers, meaning }: IndexedRole,
  { do: how, over, from, into }: Gathering,
  shared: ReadonlyMap<string, Shared>,
): boolean {
  const [part, all] = how === 'all_gather' ? [from, into] : [into, from];
  const known = shared.get(/^(.*)~parts(~|$)/.exec(buffers.get(into)?.value ?? '')?.[1] ?? '');
  return (
    known !== undefined &&
    fits(known, over, buffers.get(part), buffers.get(all), how === 'all_gather', meaning)
  );
}

/** What is wrong with the statistics that a graph makes, in words. */
const statisticFaults = ({ ops: all }: Graph, shared: ReadonlyMap<string, Shared>): string[] =>
  all.flatMap((op) => {
    const output = outOfSweep(op.output);
    const known = shared.get(output.replace(/~part$/, ''));
    if (known === undefined) return [];
    const local = { ...op, output, inputs: op.inputs.map(outOfSweep) };
    const why = statisticFault(local, known.op, known.sharers);
    return why === undefined ? [] : [`\`${op.output}\` ${why}`];
  });

/** Everybody of the group gives one part, of the statistic at hand. */
function fits(
  { op, sharers: { over, parts } }: Shared,
  found: Group,
  part: Buffer | undefined,
  all: Buffer | undefined,
  forth: boolean,
  meaning: Meaning,
): boolean {
  if (part === undefined || all === undefined || found !== over) return false;
  if (at(all.dims, 1) !== parts * at(part.dims, 1)) return false;
  return forth
    ? outOfSweep(part.value) === `${op.output}~part` && outOfSweep(all.value) === `${op.output}~parts`
    : meaning(all.value) === undefined && !all.value.endsWith('~parts');
}

/** Why a local op is not its part in a statistic: one device makes it, several merge it, a sweep adds it up. */
function statisticFault(local: Op, op: Op, { parts, rounds, samples }: Sharers): string | undefined {
  const isPart = local.output !== op.output;
  if (rounds > 1)
    return isPart && local.kind === op.kind ? undefined : 'is made of one part, and a sweep adds up all';
  if (parts === 1)
    return isPart || local.kind !== op.kind ? 'has one share alone, and is made of several' : undefined;
  const groups = op.kind === 'moments' ? { groups: op.attrs.groups } : {};
  const merged = op.kind === 'moments' ? { groups: op.attrs.groups, parts, over: samples } : { parts };
  const expected = isPart ? groups : merged;
  const kinds: readonly OpKind[] = isPart
    ? [op.kind === 'moments' ? 'partial_moments' : op.kind, 'blank']
    : [op.kind === 'moments' ? 'merge_moments' : 'merge_sums'];
  if (!kinds.includes(local.kind))
    return `is made of the cells of one device, and ${parts} have a share in it`;
  const inputs = isPart || local.inputs.join() === `${op.output}~parts`;
  const attrs = local.kind === 'blank' || same(local.attrs, expected);
  return inputs && attrs ? undefined : 'is not merged as the model says';
}

const same = (a: object, b: object): boolean => {
  const sorted = (of: object) => JSON.stringify(Object.entries(of).sort(([x], [y]) => x.localeCompare(y)));
  return sorted(a) === sorted(b);
};
