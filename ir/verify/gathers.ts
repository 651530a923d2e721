/**
 * Statistics over a whole sample, or over samples of several replicas: what a device makes of its own cells is
 * gathered from exactly the devices that have a share in it, and merged as the model says.
 */
import { at } from '../box.ts';
import { type Diagnostic, diagnose, fault } from '../diagnostics/diagnostic.ts';
import type { Op } from '../graph.ts';
import type { Group, OpAttributes, OpKind } from '../ops/attributes.ts';
import type { OpDefinition } from '../ops/definition.ts';
import { ops } from '../ops/table.ts';
import type { Buffer, Plan, Role } from '../plan.ts';
import { placesOf } from '../ranks.ts';
import { product } from '../type.ts';
import { placeOf } from './lives.ts';
import { type Meaning, meaningsOf } from './names.ts';

const definition = (op: Op): OpDefinition<OpKind> => ops[op.kind] as OpDefinition<OpKind>;

const wrong = (place: string, why: string): Diagnostic => diagnose(fault('wrong-meeting', { place, why }));

/** Who has a share in a statistic: how many devices of which group, and how many samples of one device. */
type Sharers = { readonly over: Group; readonly parts: number; readonly samples: number };

/** The sums that a loss divides are those of its reader's samples; moments are those of their own. */
function sharersOf(plan: Plan, op: Op): Sharers | undefined {
  const { model, samples, schedule } = plan;
  const isRead = (one: Op) => definition(one).needsSums === true && one.inputs.includes(op.output);
  const of = definition(op).wholeExtent === true ? op : model.ops.find(isRead);
  if (of === undefined) return undefined;
  const together = definition(of).together?.(of.attrs as OpAttributes[OpKind]) ?? 1;
  const places = product(placesOf(plan));
  return together > samples
    ? { over: 'stage', parts: places * schedule.replicas, samples }
    : { over: 'grid', parts: places, samples: together };
}

export function verifyGathers(plan: Plan, role: Role): Diagnostic[] {
  if (plan.purpose === 'predict') return [];
  const shared = new Map(
    plan.model.ops.flatMap((op) => {
      const sharers = sharersOf(plan, op);
      return sharers === undefined ? [] : [[op.output, { op, sharers }] as const];
    }),
  );
  if (shared.size === 0) return [];
  const meaning = meaningsOf(plan, role);
  const buffers = new Map(role.buffers.map((buffer) => [buffer.name, buffer]));
  return role.instructions.flatMap((one, index) => {
    const place = placeOf(role, index);
    if (one.do === 'all_gather' || one.do === 'reduce_scatter') {
      const [from, into] = [buffers.get(one.from), buffers.get(one.into)];
      const [part, all] = one.do === 'all_gather' ? [from, into] : [into, from];
      const known = shared.get(/^(.*)~parts(~|$)/.exec(into?.value ?? '')?.[1] ?? '');
      return known === undefined ||
        !fits(known.op, known.sharers, one.over, part, all, one.do === 'all_gather', meaning)
        ? [wrong(place, 'it is not what all who have a share in one statistic give each other')]
        : [];
    }
    if (one.do !== 'run' || one.why === 'update') return [];
    const graph = plan.segments.find(({ name }) => name === one.segment)?.graph;
    return (graph?.ops ?? []).flatMap((op) => {
      const known = shared.get(op.output.replace(/~part$/, ''));
      if (known === undefined) return [];
      const why = statisticFault(op, known.op, known.sharers);
      return why === undefined ? [] : [wrong(place, `\`${op.output}\` ${why}`)];
    });
  });
}

/** Everybody of the group gives one part, of the statistic at hand. */
function fits(
  op: Op,
  { over, parts }: Sharers,
  found: Group,
  part: Buffer | undefined,
  all: Buffer | undefined,
  forth: boolean,
  meaning: Meaning,
): boolean {
  if (part === undefined || all === undefined || found !== over) return false;
  if (at(all.dims, 1) !== parts * at(part.dims, 1)) return false;
  return forth
    ? part.value === `${op.output}~part` && all.value === `${op.output}~parts`
    : meaning(all.value) === undefined && !all.value.endsWith('~parts');
}

/** Why a local op is not its part in a statistic: one device makes it, several merge it. */
function statisticFault(local: Op, op: Op, { parts, samples }: Sharers): string | undefined {
  const isPart = local.output !== op.output;
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
