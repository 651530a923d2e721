/**
 * Meetings: every message has two ends, every group meets complete and in one order, and no cycle of waits is
 * possible. A send does not wait; a receive waits for its send, a meeting of several for all of them.
 */
import { alg, Graph as Digraph } from '@dagrejs/graphlib';
import { at } from '../box.ts';
import { type Diagnostic, diagnose, fault } from '../diagnostics/diagnostic.ts';
import { flowingValues } from '../flow.ts';
import type { Buffer, Instruction, NamedInstruction, Role } from '../plan.ts';
import { isSameData } from '../same-data.ts';
import { isInSweep } from '../sweeps.ts';
import { sameDims } from '../type.ts';
import { type NamedCheck, onceForAlike } from './alike.ts';
import { returned } from './exchanges.ts';
import type { IndexedPlan, IndexedRole } from './indexed.ts';
import { placeOf } from './lives.ts';

const wrong = (place: string, why: string): Diagnostic => diagnose(fault('wrong-meeting', { place, why }));

export const verifyMeetings = (index: IndexedPlan): Diagnostic[] => [
  ...groupFaults(index.roles),
  ...messageFaults(index.roles),
  ...index.roles.flatMap(onceForAlike(wayBackFaults)(index)),
  ...cycleFaults(index),
];

/** What all roles of a stage must have alike, by name: groups in which everybody takes part. */
function groupName(instruction: NamedInstruction): string | undefined {
  switch (instruction.do) {
    case 'all_reduce':
      return `all_reduce ${instruction.over} (${instruction.buffers.join(', ')}) #${instruction.micro}`;
    case 'all_gather':
    case 'reduce_scatter':
      return `${instruction.do} ${instruction.over} ${instruction.into} #${instruction.micro}`;
    case 'clip':
      return 'clip';
    default:
      return undefined;
  }
}

/** What is told of a role by names alone, and so once for all that are alike. */
function onceAmong<T>(roles: readonly IndexedRole[], tell: (role: Role) => T): (one: IndexedRole) => T {
  const told = new Map<number, T>();
  return ({ alike }) => {
    const known = told.get(alike) ?? tell(at(roles, alike).role);
    told.set(alike, known);
    return known;
  };
}

type GroupMeeting = { readonly name: string; readonly index: number };

function groupMeetings({ instructions }: Role): GroupMeeting[] {
  const meetings: GroupMeeting[] = [];
  for (let index = 0; index < instructions.length; index++) {
    const name = groupName(at(instructions, index));
    if (name !== undefined) meetings.push({ name, index });
  }
  return meetings;
}

/** All devices of a stage meet in the same groups in the same order; else they would wait for each other for ever. */
function groupFaults(roles: readonly IndexedRole[]): Diagnostic[] {
  const meetingsOf = onceAmong(roles, groupMeetings);
  return roles.flatMap((one) => {
    const { role } = one;
    const other = roles.find(({ role: { stage } }) => stage === role.stage);
    const first = other?.role;
    const [found, expected] = [meetingsOf(one), other === undefined ? [] : meetingsOf(other)];
    if (found === expected) return [];
    const length = Math.max(found.length, expected.length);
    const index = Array.from({ length }, (_, i) => i).find((i) => found[i]?.name !== expected[i]?.name);
    if (index === undefined) return [];
    const [mine, theirs] = [found[index]?.name ?? 'nothing', expected[index]?.name ?? 'nothing'];
    const place = placeOf(role, found[index]?.index ?? role.instructions.length - 1);
    return [wrong(place, `its meetings are not those of ${first?.name}: ${mine} where that has ${theirs}`)];
  });
}

type Message = Extract<Instruction, { do: 'send' | 'receive' }>;

const isMessage = (one: Instruction): one is Message => one.do === 'send' || one.do === 'receive';

/** What the two ends of a message agree on, seen from the device at the end `how`. */
const messageName = (how: Message['do'], { name, micro }: Message, stage: number): string =>
  `${how} ${name} #${micro}, stage ${stage}`;

/** The messages of a role by name. */
function messagesOf({ instructions }: Role): Map<string, Message[]> {
  const messages = new Map<string, Message[]>();
  for (const one of instructions) {
    if (!isMessage(one)) continue;
    const name = messageName(one.do, one, one.stage);
    messages.set(name, [...(messages.get(name) ?? []), one]);
  }
  return messages;
}

/** What is sent to another stage is received there, by the role of the same place, into an equal buffer; and back. */
function messageFaults(roles: readonly IndexedRole[]): Diagnostic[] {
  const seat = (stage: number, { classes }: Role) => `${stage}: ${classes.join()}`;
  // Of several roles of one seat the first counts.
  const bySeat = new Map(roles.toReversed().map((one) => [seat(one.role.stage, one.role), one]));
  const messagesIn = onceAmong(roles, messagesOf);
  const faultOf = (one: IndexedRole, it: Message): string | undefined => {
    const peer = bySeat.get(seat(it.stage, one.role));
    const other = it.do === 'send' ? 'receive' : 'send';
    const ends = (peer && messagesIn(peer).get(messageName(other, it, one.role.stage))) ?? [];
    const twins = messagesIn(one).get(messageName(it.do, it, it.stage)) ?? [];
    const [end] = ends;
    if (peer === undefined || end === undefined || ends.length !== 1 || twins.length !== 1)
      return `it has no single other end in stage ${it.stage}`;
    return agree(it, heldAt(one, it), heldAt(peer, end)) ? undefined : 'the two ends do not hold the same';
  };
  return roles.flatMap((one) =>
    one.role.instructions.flatMap((it, index) => {
      const why = isMessage(it) ? faultOf(one, it) : undefined;
      return why === undefined ? [] : [wrong(placeOf(one.role, index), why)];
    }),
  );
}

const heldAt = ({ buffers }: IndexedRole, it: Message): Buffer | undefined =>
  buffers.get(it.do === 'send' ? it.from : it.into);

const agree = ({ name }: Message, mine: Buffer | undefined, theirs: Buffer | undefined): boolean =>
  mine?.value === name &&
  theirs?.value === name &&
  mine.element === theirs.element &&
  sameDims(mine.dims, theirs.dims) &&
  isSameData(mine.box, theirs.box);

/** Where a cotangent flows through a meeting, the devices meet again on the way back. */
const wayBackFaults: NamedCheck = ({ plan: { model } }) => {
  const flows = flowingValues(model);
  // What a sweep computes nothing flows back through: `verifySweeps` keeps it apart.
  const sources = new Map(model.ops.map(({ output, inputs }) => [output, inputs[0] ?? '']));
  return (one) => {
    const { role, buffers } = one;
    const held = (name: string) => buffers.get(name)?.value ?? '';
    const back = returned(one);
    const scattered = new Set(
      role.instructions.flatMap((it) => {
        if (it.do !== 'reduce_scatter') return [];
        const [, statistic] = /^(.*?)~parts~/.exec(held(it.into)) ?? [];
        return statistic === undefined ? [] : [`${it.micro} ${statistic}`];
      }),
    );
    const wayBack = (it: NamedInstruction): string | undefined => {
      if (
        it.do === 'exchange' &&
        !it.back &&
        !isInSweep(it.into === undefined ? it.name : held(it.into)) &&
        flows.has(it.value) &&
        !back.has(`${it.name} #${it.micro}`)
      )
        return 'the shares of what it fetches never go home';
      if (it.do !== 'all_gather' || isInSweep(held(it.into))) return undefined;
      const statistic = held(it.into).replace(/~parts$/, '');
      return flows.has(sources.get(statistic) ?? '') && !scattered.has(`${it.micro} ${statistic}`)
        ? 'the shares of what it gathers never go home'
        : undefined;
    };
    return role.instructions.flatMap((it, index) => {
      const why = wayBack(it);
      return why === undefined ? [] : [wrong(placeOf(role, index), why)];
    });
  };
};

/** The moments in which a device may have to wait, as nodes; `waitsFor` another moment. `place`: where the device is. */
function moment(
  role: Role,
  one: Instruction,
  place: string,
): { readonly node: string; readonly waitsFor?: string } | undefined {
  if (one.do === 'exchange') return { node: `stage ${role.stage}: exchange ${one.name} #${one.micro}` };
  if (one.do === 'send')
    return { node: `send ${one.name} #${one.micro} ${role.stage}>${one.stage} ${place}` };
  if (one.do === 'receive')
    return {
      node: `receive ${one.name} #${one.micro} ${one.stage}>${role.stage} ${place}`,
      waitsFor: `send ${one.name} #${one.micro} ${one.stage}>${role.stage} ${place}`,
    };
  if (one.do === 'clip') return { node: 'clip' };
  const group = groupName(one);
  return group === undefined ? undefined : { node: `stage ${role.stage}: ${group}` };
}

/**
 * A cycle among moments, each after the one before it on its device, is a wait without end. Without the places a cycle is
 * still one, and roles that are alike have the same moments: where there is none among these, there is none.
 */
function cycleFaults({ plan, roles }: IndexedPlan): Diagnostic[] {
  const firsts = roles.flatMap(({ role, alike }, index) => (alike === index ? [role] : []));
  if (waitsWithoutEnd(waitsOf(firsts, () => '')).length === 0) return [];
  const waits = waitsWithoutEnd(waitsOf(plan.roles, ({ classes }) => `at ${classes.join(' ')}`));
  if (waits.length === 0) return [];
  const graph = new Digraph({ directed: true });
  for (const [before, after] of waits) graph.setEdge(before, after);
  return alg
    .findCycles(graph)
    .map((cycle) =>
      wrong(`plan ${plan.name}`, `devices wait for each other: ${[...cycle].reverse().join(', then ')}`),
    );
}

/** A moment, and one that waits for it. */
type Wait = readonly [before: string, after: string];

function waitsOf(roles: readonly Role[], placeOfRole: (role: Role) => string): Wait[] {
  const waits: Wait[] = [];
  for (const role of roles) {
    const place = placeOfRole(role);
    let before: string | undefined;
    for (const instruction of role.instructions) {
      const here = moment(role, instruction, place);
      if (here === undefined) continue;
      // Sends of different places are different moments, but lie alike in their programs.
      if (before !== undefined && before !== here.node) waits.push([before, here.node]);
      if (here.waitsFor !== undefined) waits.push([here.waitsFor, here.node]);
      before = here.node;
    }
  }
  return waits;
}

/** The waits that are left when whatever waits for nothing has come, again and again (Kahn 1962). */
function waitsWithoutEnd(waits: readonly Wait[]): Wait[] {
  const waiting = new Map<string, number>();
  const followers = new Map<string, string[]>();
  for (const [before, after] of waits) {
    waiting.set(after, (waiting.get(after) ?? 0) + 1);
    const known = followers.get(before);
    if (known === undefined) followers.set(before, [after]);
    else known.push(after);
  }
  const come = [...followers.keys()].filter((moment) => !waiting.has(moment));
  for (const moment of come)
    for (const after of followers.get(moment) ?? []) {
      const left = (waiting.get(after) ?? 0) - 1;
      waiting.set(after, left);
      if (left === 0) come.push(after);
    }
  const isLeft = (moment: string) => (waiting.get(moment) ?? 0) > 0;
  return waits.filter(([before, after]) => isLeft(before) && isLeft(after));
}
