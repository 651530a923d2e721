/**
 * Meetings: every message has two ends, every group meets complete and in one order, and no cycle of waits is
 * possible. A send does not wait; a receive waits for its send, a meeting of several for all of them.
 */
import { alg, Graph as Digraph } from '@dagrejs/graphlib';
import { type Diagnostic, diagnose, fault } from '../diagnostics/diagnostic.ts';
import { flowingValues } from '../flow.ts';
import type { Instruction, Plan, Role } from '../plan.ts';
import { returned } from './exchanges.ts';
import { placeOf } from './lives.ts';

const wrong = (place: string, why: string): Diagnostic => diagnose(fault('wrong-meeting', { place, why }));

export const verifyMeetings = (plan: Plan): Diagnostic[] => [
  ...groupFaults(plan),
  ...plan.roles.flatMap((role) => messageFaults(plan, role)),
  ...plan.roles.flatMap((role) => wayBackFaults(plan, role)),
  ...cycleFaults(plan),
];

/** What all roles of a stage must have alike, by name: groups in which everybody takes part. */
function groupName(instruction: Instruction): string | undefined {
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

const groupMeetings = (role: Role): { readonly name: string; readonly index: number }[] =>
  role.instructions.flatMap((one, index) => {
    const name = groupName(one);
    return name === undefined ? [] : [{ name, index }];
  });

/** All devices of a stage meet in the same groups in the same order; else they would wait for each other for ever. */
function groupFaults({ roles }: Plan): Diagnostic[] {
  return roles.flatMap((role) => {
    const first = roles.find(({ stage }) => stage === role.stage);
    const expected = first === undefined ? [] : groupMeetings(first);
    const found = groupMeetings(role);
    const length = Math.max(found.length, expected.length);
    const index = Array.from({ length }, (_, i) => i).find((i) => found[i]?.name !== expected[i]?.name);
    if (index === undefined) return [];
    const [mine, theirs] = [found[index]?.name ?? 'nothing', expected[index]?.name ?? 'nothing'];
    const place = placeOf(role, found[index]?.index ?? role.instructions.length - 1);
    return [wrong(place, `its meetings are not those of ${first?.name}: ${mine} where that has ${theirs}`)];
  });
}

/** What is sent to another stage is received there, by the role of the same place, into an equal buffer; and back. */
function messageFaults(plan: Plan, role: Role): Diagnostic[] {
  const bufferIn = (of: Role, name: string) => of.buffers.find((buffer) => buffer.name === name);
  return role.instructions.flatMap((one, index) => {
    if (one.do !== 'send' && one.do !== 'receive') return [];
    const peer = plan.roles.find(
      ({ stage, classes }) => stage === one.stage && classes.join() === role.classes.join(),
    );
    const other = one.do === 'send' ? 'receive' : 'send';
    const ends = (peer?.instructions ?? []).flatMap((end) =>
      end.do === other && end.name === one.name && end.micro === one.micro && end.stage === role.stage
        ? [end]
        : [],
    );
    const twins = role.instructions.filter(
      (twin) =>
        twin.do === one.do && twin.name === one.name && twin.micro === one.micro && twin.stage === one.stage,
    );
    const place = placeOf(role, index);
    if (peer === undefined || ends.length !== 1 || twins.length !== 1)
      return [wrong(place, `it has no single other end in stage ${one.stage}`)];
    const mine = bufferIn(role, one.do === 'send' ? one.from : one.into);
    const [end] = ends;
    const theirs = end && bufferIn(peer, end.do === 'send' ? end.from : end.into);
    const key = (buffer: typeof mine) =>
      JSON.stringify([buffer?.value, buffer?.dims, buffer?.box, buffer?.element]);
    const named = mine?.value === one.name;
    return key(mine) === key(theirs) && named ? [] : [wrong(place, 'the two ends do not hold the same')];
  });
}

/** Where a cotangent flows through a meeting, the devices meet again on the way back. */
function wayBackFaults(plan: Plan, role: Role): Diagnostic[] {
  const flows = flowingValues(plan.model);
  const back = returned(role);
  const scattered = new Set(
    role.instructions.flatMap((one) =>
      one.do === 'reduce_scatter' ? [`${one.micro} ${heldIn(role, one.into)}`] : [],
    ),
  );
  return role.instructions.flatMap((one, index) => {
    if (one.do === 'exchange' && !one.back && flows.has(one.value) && !back.has(`${one.name} #${one.micro}`))
      return [wrong(placeOf(role, index), 'the shares of what it fetches never go home')];
    if (one.do !== 'all_gather') return [];
    const statistic = heldIn(role, one.into).replace(/~parts$/, '');
    const source = plan.model.ops.find(({ output }) => output === statistic)?.inputs[0] ?? '';
    const wanted =
      flows.has(source) &&
      ![...scattered].some((name) => name.startsWith(`${one.micro} ${statistic}~parts~`));
    return wanted ? [wrong(placeOf(role, index), 'the shares of what it gathers never go home')] : [];
  });
}

const heldIn = (role: Role, buffer: string): string =>
  role.buffers.find(({ name }) => name === buffer)?.value ?? '';

/** The moments in which a device may have to wait, as nodes; `waitsFor` another moment. */
function moment(
  role: Role,
  one: Instruction,
): { readonly node: string; readonly waitsFor?: string } | undefined {
  if (one.do === 'exchange') return { node: `stage ${role.stage}: exchange ${one.name} #${one.micro}` };
  const place = `at ${role.classes.join(' ')}`;
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

/** A cycle among moments, each after the one before it on its device, is a wait without end. */
function cycleFaults(plan: Plan): Diagnostic[] {
  const waits = new Digraph({ directed: true });
  for (const role of plan.roles) {
    let before: string | undefined;
    for (const instruction of role.instructions) {
      const here = moment(role, instruction);
      if (here === undefined) continue;
      // Sends of different places are different moments, but lie alike in their programs.
      if (before !== undefined && before !== here.node) waits.setEdge(before, here.node);
      if (here.waitsFor !== undefined) waits.setEdge(here.waitsFor, here.node);
      before = here.node;
    }
  }
  return alg
    .findCycles(waits)
    .map((cycle) =>
      wrong(`plan ${plan.name}`, `devices wait for each other: ${[...cycle].reverse().join(', then ')}`),
    );
}
