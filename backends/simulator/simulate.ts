/**
 * A plan on a machine that need not be there: when each device does what, and how much memory it holds.
 *
 * Discrete events by roles: one device stands for all of its role, so 27,648 devices cost little more than 27.
 * Where a role has several kinds of neighbours it waits for the slowest. A device has three lanes: one computes,
 * one gives and gets messages, one sums gradients; the last two share a link while both are in use. Where the executor overlaps them (clusters) a message holds up only who reads what it brings;
 * on this machine's processes it holds up the device.
 */
import { at } from '../../ir/box.ts';
import { memoryOf } from '../../ir/contents.ts';
import { roleFlops } from '../../ir/cost.ts';
import type { Machine } from '../../ir/machine.ts';
import type { Instruction, Plan, Role } from '../../ir/plan.ts';
import { roleIndexIn } from '../../ir/ranks.ts';
import { instructionInWords } from '../../ir/text/instruction-words.ts';
import { product } from '../../ir/type.ts';
import { usesOf } from '../../ir/uses.ts';
import { groupsIn, type Meeting, meetingKeys, meetingOf } from './meetings.ts';
import {
  type Activity,
  type Lane,
  type SimulatedEvent,
  type SimulatedRole,
  type Simulation,
  type Traffic,
  workedSeconds,
} from './simulation.ts';
import { transfersOf } from './transfers.ts';
import { copySeconds, loadSeconds, type Priced, pricedRole, pricesOf, workSeconds } from './work.ts';

type Ready = { time: number; readonly activity: Activity /** Who brings it. */; readonly by: number };

const atOnce: Ready = { time: 0, activity: 'idle', by: -1 };

type State = {
  readonly role: Role;
  readonly priced: Priced;
  /** Index of the next instruction. */
  next: number;
  /** When each lane is free. */
  compute: number;
  messages: number;
  sums: number;
  /** When a buffer that a message brings is there, and which kind of message it is. */
  readonly ready: Map<string, Ready>;
  readonly events: SimulatedEvent[];
  /** What the last event beside the compute lane was about. */
  last: Activity;
  readonly seconds: Record<Activity, number>;
  loading: number;
  /** A meeting that cannot be timed before another role has come, where that is so. */
  awaits: { readonly came: Arrivals; readonly other: number } | undefined;
};

const nothing = (): Record<Activity, number> => ({
  sweep: 0,
  forward: 0,
  backward: 0,
  step: 0,
  recompute: 0,
  strip: 0,
  update: 0,
  other: 0,
  load: 0,
  exchange: 0,
  gather: 0,
  all_reduce: 0,
  send: 0,
  idle: 0,
});

/**
 * Throws where the plan lets devices wait for each other for ever: a sound plan does not. `keepsEvents`: else lists of
 * events are empty, for whoever needs sums alone.
 */
export function simulate(plan: Plan, machine: Machine, keepsEvents = true): Simulation {
  const prices = pricesOf(plan, machine);
  const states = plan.roles.map(
    (role): State => ({
      role,
      priced: pricedRole(plan, role, prices),
      next: 0,
      compute: 0,
      messages: 0,
      sums: 0,
      ready: new Map(),
      events: [],
      last: 'idle',
      seconds: nothing(),
      loading: 0,
      awaits: undefined,
    }),
  );
  const world = worldOf(plan, machine, states, keepsEvents);
  let advanced = true;
  while (advanced) {
    advanced = false;
    for (const [index, state] of states.entries()) {
      const before = state.next;
      while (!isHeldUp(state) && state.next < state.role.instructions.length && perform(world, state, index))
        state.next += 1;
      advanced ||= state.next > before;
    }
  }
  const stuck = states.find(({ next, role }) => next < role.instructions.length);
  if (stuck !== undefined)
    throw new Error(
      `${stuck.role.name} waits for ever: ${instructionInWords(at(stuck.role.instructions, stuck.next))}`,
    );
  return summaryOf(plan, world, states);
}

const isHeldUp = ({ awaits }: State): boolean => awaits !== undefined && !awaits.came.has(awaits.other);

type World = {
  readonly keepsEvents: boolean;
  readonly overlaps: boolean;
  /** For each role and instruction. */
  readonly meetings: readonly (readonly (Meeting | undefined)[])[];
  /** The same for when each role came to the meeting, one map for all who meet. */
  readonly arrivals: readonly (readonly (Arrivals | undefined)[])[];
};

/** By the index of the role. */
type Arrivals = Map<number, number>;

function worldOf(plan: Plan, machine: Machine, states: readonly State[], keepsEvents: boolean): World {
  const peers = peersIn(plan);
  const transfers = transfersOf(plan, machine);
  const members = groupsIn(plan);
  const atStage = stagesIn(plan);
  const keyOf = meetingKeys();
  const meetings = states.map(({ role, priced: { buffers } }) => {
    const setting = { role, buffers, peers, atStage, members, transfers, keyOf, exchanges: new Map() };
    return role.instructions.map((one) => meetingOf(setting, one));
  });
  return {
    keepsEvents,
    overlaps: machine.launcher !== 'local',
    meetings,
    arrivals: arrivalsAt(meetings),
  };
}

function arrivalsAt(meetings: World['meetings']): World['arrivals'] {
  const byKey = new Map<string, Arrivals>();
  const arrivalsOf = ({ key }: Meeting): Arrivals => {
    const known = byKey.get(key) ?? new Map<number, number>();
    byKey.set(key, known);
    return known;
  };
  return meetings.map((ofRole) => ofRole.map((meeting) => meeting && arrivalsOf(meeting)));
}

/** The role at the place of a role in a stage; -1 where the plan has none. */
function stagesIn({ roles }: Plan): (role: Role, stage: number) => number {
  const keyOf = (stage: number, { classes }: Role) => `${stage} ${classes.join()}`;
  // Of several the first counts.
  const known = new Map(roles.map((role, index) => [keyOf(role.stage, role), index] as const).reverse());
  return (role, stage) => known.get(keyOf(stage, role)) ?? -1;
}

/** Roles that the devices of a role find at an offset. On each axis nothing depends on the others. */
function peersIn(plan: Plan): (role: Role, offset: readonly number[]) => number[] {
  const found = new Map<string, number[]>();
  const roleAt = roleIndexIn(plan);
  return (role, offset) => {
    const key = `${role.name} ${offset.join()}`;
    const known = found.get(key);
    if (known !== undefined) return known;
    const places = placesOfRole(plan, role).map((indices, axis) => {
      const { classes } = at(plan.axes, axis);
      const others = indices.map((index) => index + (offset[axis] ?? 0)).filter((other) => other in classes);
      return others.filter((other, i) => others.findIndex((one) => classes[one] === classes[other]) === i);
    });
    const roles = [...new Set(combinations(places).map((place) => roleAt({ stage: role.stage, place })))];
    found.set(key, roles);
    return roles;
  };
}

const combinations = (lists: readonly (readonly number[])[]): number[][] =>
  lists.reduce<number[][]>((all, list) => all.flatMap((one) => list.map((next) => [...one, next])), [[]]);

/** Where the devices of a role lie on each axis. */
const placesOfRole = ({ axes }: Plan, role: Role): number[][] =>
  axes.map(({ classes }, axis) =>
    classes.flatMap((one, index) => (one === at(role.classes, axis) ? [index] : [])),
  );

/** One instruction; false where it cannot be timed before others have come. */
function perform(world: World, state: State, index: number): boolean {
  const instruction = at(state.role.instructions, state.next);
  const meeting = at(at(world.meetings, index), state.next);
  const came = at(at(world.arrivals, index), state.next);
  if (meeting !== undefined && came !== undefined)
    return !world.overlaps && (instruction.do === 'send' || instruction.do === 'receive')
      ? carry(world, state, index, instruction, meeting, came)
      : meet(world, state, index, instruction, meeting, came);
  if (instruction.do === 'load') load(world, state, instruction.into);
  else compute(world, state, instruction);
  return true;
}

/** Clusters read the next step's windows ahead, so only what takes longer than the step shows. */
function load(world: World, state: State, into: string): void {
  const seconds = loadSeconds(state.priced, into);
  state.loading += seconds;
  if (world.overlaps) return;
  record(world, state, 'load', 'compute', state.compute, state.compute + seconds, () => ({ waited: 0 }));
  state.compute += seconds;
}

function compute(world: World, state: State, instruction: Instruction): void {
  const seconds = workSeconds(instruction, state.priced);
  if (seconds === 0) return;
  const { time, activity, by } = awaited(state, instruction);
  const begins = Math.max(state.compute, time);
  const waited = begins - state.compute;
  state.seconds[activity] += waited;
  const own = instruction.do === 'run' ? instruction.why : 'other';
  record(world, state, own, 'compute', begins, begins + seconds, () => ({
    waited,
    ...(waited > 0 ? { after: by } : {}),
  }));
  state.compute = begins + seconds;
}

/** The last of the messages that an instruction needs. */
function awaited({ ready }: State, instruction: Instruction): Ready {
  if (ready.size === 0) return atOnce;
  const { reads, writes } = usesOf(instruction);
  let latest = atOnce;
  for (const names of [reads, writes])
    for (const name of names) {
      const one = ready.get(name);
      if (one !== undefined && one.time > latest.time) latest = one;
    }
  return latest;
}

type Details = Pick<SimulatedEvent, 'waited' | 'after' | 'meeting'>;

function record(
  { keepsEvents }: World,
  state: State,
  activity: Activity,
  lane: Lane,
  from: number,
  to: number,
  details: () => Details,
): void {
  if (keepsEvents) state.events.push({ instruction: state.next, activity, lane, from, to, ...details() });
  if (lane === 'compute') state.seconds[activity] += to - from;
  else state.last = activity;
}

function meet(
  world: World,
  state: State,
  index: number,
  instruction: Instruction,
  meeting: Meeting,
  came: Arrivals,
): boolean {
  const before = came.get(index);
  const needs = before === undefined || world.keepsEvents ? awaited(state, instruction) : atOnce;
  const lane = meeting.activity === 'all_reduce' ? 'sums' : 'messages';
  // Receives are posted ahead on clusters: what is sent comes while the receiver still computes.
  const posted = instruction.do === 'receive' && world.overlaps;
  const own =
    before ??
    (posted ? 0 : Math.max(state.compute, needs.time, world.overlaps ? state[lane] : state.messages));
  came.set(index, own);
  const begins = lastArrival(state, meeting, came, own);
  if (begins === undefined) return false;
  const waited = Math.max(0, begins - (world.overlaps ? state[lane] : state.compute));
  const shared = world.overlaps ? sharedSeconds(state, lane, begins, meeting.seconds) : 0;
  const ends = begins + shared + meeting.seconds + workSeconds(instruction, state.priced);
  const { activity, key, bytes, others } = meeting;
  record(world, state, activity, world.overlaps ? lane : 'compute', begins, ends, () => ({
    waited,
    ...(waited > 0 && begins === needs.time ? { after: needs.by } : {}),
    meeting: {
      key,
      bytes,
      others,
      came: posted ? begins : own,
      ...(begins > own ? { last: lastOf(came) } : {}),
    },
  }));
  if (!world.overlaps) {
    state.seconds[meeting.waiting] += waited;
    state.compute = ends;
  } else if (!posted) state[lane] = ends;
  for (const name of usesOf(instruction).writes)
    state.ready.set(name, { time: ends, activity: meeting.waiting, by: state.next });
  return true;
}

/**
 * A message between stages of this machine's processes: a thread carries it, one after another, while both go on, so the
 * sender is held up by its own copy alone, and the receiver until the message is there, and by its copy.
 */
function carry(
  world: World,
  state: State,
  index: number,
  instruction: Instruction,
  meeting: Meeting,
  came: Arrivals,
): boolean {
  const { key, activity, waiting, bytes, others, seconds } = meeting;
  const own = state.compute;
  const begins = lastArrival(state, meeting, came, own);
  if (begins === undefined) return false;
  const ends = begins + copySeconds(instruction, state.priced);
  if (instruction.do === 'send') state.messages = Math.max(ends, state.messages) + seconds;
  // When it is there, of the sender.
  came.set(index, instruction.do === 'send' ? state.messages : ends);
  record(world, state, activity, 'compute', begins, ends, () => ({
    waited: begins - own,
    meeting: {
      key,
      bytes,
      others,
      came: own,
      ...(begins > own ? { last: lastOf(new Map([...came].filter(([role]) => role !== index))) } : {}),
    },
  }));
  state.seconds[waiting] += begins - own;
  state.compute = ends;
  return true;
}

/** When all have come, and not before `own`; undefined as long as one has not, which the role then awaits. */
function lastArrival(state: State, { others }: Meeting, came: Arrivals, own: number): number | undefined {
  let last = own;
  for (const other of others) {
    const time = came.get(other);
    if (time === undefined) {
      state.awaits = { came, other };
      return undefined;
    }
    if (time > last) last = time;
  }
  return last;
}

/** Of those who came to a meeting. */
const lastOf = (came: ReadonlyMap<number, number>): number =>
  [...came].reduce((latest, one) => (one[1] > latest[1] ? one : latest))[0];

/** What a message takes longer because gradients are being summed meanwhile, or the other way round; both do. */
function sharedSeconds(state: State, lane: 'messages' | 'sums', begins: number, seconds: number): number {
  const other = lane === 'sums' ? 'messages' : 'sums';
  const shared = Math.min(seconds, Math.max(0, state[other] - begins));
  if (shared === 0) return 0;
  state[other] += shared;
  for (const ready of state.ready.values())
    if (ready.time > begins && (ready.activity === 'all_reduce') === (other === 'sums')) ready.time += shared;
  return shared;
}

function summaryOf(plan: Plan, world: World, states: readonly State[]): Simulation {
  const ends = states.map(({ compute, messages, sums, loading }) =>
    Math.max(compute, messages, sums, world.overlaps ? loading : 0),
  );
  const stepSeconds = Math.max(...ends);
  const busy = states.map(({ seconds }) => workedSeconds(seconds));
  const critical = at(states, busy.indexOf(Math.max(...busy)));
  const roles = states.map((state) => roleOf(plan, state, stepSeconds, world.overlaps));
  const devices = roles.reduce((sum, role) => sum + role.devices, 0);
  const total = (of: (role: SimulatedRole) => number) =>
    roles.reduce((sum, role) => sum + role.devices * of(role), 0);
  const { exchange, gather, all_reduce, send } = critical.seconds;
  const flops = roleFlops(plan);
  return {
    stepSeconds,
    roles,
    utilisation: total(({ seconds }) => workedSeconds(seconds)) / (devices * stepSeconds),
    bubble: total(({ seconds }) => seconds.idle) / (devices * stepSeconds),
    exposedCommunication: exchange + gather + all_reduce + send,
    exposedAllReduce: all_reduce,
    communication: busiest(world),
    flops: plan.roles.reduce((sum, role, index) => sum + flops(role) * at(roles, index).devices, 0),
  };
}

function roleOf(
  plan: Plan,
  { role, events, last, seconds, compute, messages, sums, loading }: State,
  step: number,
  overlaps: boolean,
): SimulatedRole {
  const memory = memoryOf(plan, role);
  const peakBytes = Math.max(0, ...memory);
  // A last message that nothing waits for still ends the step.
  const tail = Math.max(0, messages - compute, sums - compute);
  const all = { ...seconds, [last]: seconds[last] + tail };
  const known = Object.values(all).reduce((sum, one) => sum + one, 0);
  const rest = Math.max(0, step - known);
  const reading = overlaps ? Math.min(rest, Math.max(0, loading - Math.max(compute, messages, sums))) : 0;
  return {
    role: role.name,
    devices: product(placesOfRole(plan, role).map(({ length }) => length)) * plan.schedule.replicas,
    events,
    memory,
    peakBytes,
    peakAt: memory.indexOf(peakBytes),
    seconds: { ...all, load: all.load + reading, idle: all.idle + rest - reading },
  };
}

function busiest(world: World): Simulation['communication'] {
  const of = (kind: 'exchange' | 'send' | 'gather' | 'all_reduce'): Traffic => {
    const each = world.meetings.map((meetings) => {
      const sum = { messages: 0, bytes: 0 };
      for (const meeting of meetings) {
        if (meeting?.activity !== kind) continue;
        sum.messages += meeting.messages;
        sum.bytes += meeting.bytes;
      }
      return sum;
    });
    return each.reduce((most, one) => (one.bytes > most.bytes ? one : most), { messages: 0, bytes: 0 });
  };
  return { exchange: of('exchange'), send: of('send'), gather: of('gather'), all_reduce: of('all_reduce') };
}
