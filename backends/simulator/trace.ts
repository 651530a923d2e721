/**
 * A simulated step as a trace that Perfetto and chrome://tracing open: a process for each role, a thread for each of
 * its lanes, an arrow for each message, a counter of its memory.
 *
 * The format: "Trace Event Format", https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU.
 * Times are microseconds, as it asks for.
 */
import { at } from '../../ir/box.ts';
import type { Plan } from '../../ir/plan.ts';
import { instructionInWords } from '../../ir/text/instruction-words.ts';
import { memoryCurve } from './memory-curve.ts';
import { type Lane, lanes, type SimulatedEvent, type SimulatedRole, type Simulation } from './simulation.ts';
import { waitingInWords } from './waiting.ts';

type Place = { readonly name: string; readonly pid: number; readonly tid: number };

type Timed = Place & { readonly ts: number };

export type TraceEvent =
  | (Place & { readonly ph: 'M'; readonly args: { readonly name: string } | { readonly sort_index: number } })
  | (Timed & {
      readonly ph: 'X';
      readonly cat: string;
      readonly dur: number;
      readonly args: Readonly<Record<string, string | number>>;
    })
  | (Timed & { readonly ph: 's'; readonly cat: 'message'; readonly id: number })
  | (Timed & { readonly ph: 'f'; readonly cat: 'message'; readonly id: number; readonly bp: 'e' })
  | (Timed & { readonly ph: 'C'; readonly args: { readonly bytes: number } });

export type Trace = {
  readonly traceEvents: readonly TraceEvent[];
  readonly displayTimeUnit: 'ms';
  readonly otherData: Readonly<Record<string, string | number>>;
};

export const micros = (seconds: number): number => seconds * 1e6;

/** Who comes early to a meeting waits in it, as in MPI: what it gives is under way, and the arrow begins here. */
const beginOf = ({ from, meeting }: SimulatedEvent): number => meeting?.came ?? from;

/** An event and the thread that shows it. */
type Placed = { readonly event: SimulatedEvent; readonly tid: number };

export function traceOf(plan: Plan, machine: string, simulation: Simulation): Trace {
  const placed = simulation.roles.map(({ events }) => onThreads(events));
  const processes = simulation.roles.flatMap((role, index) => [
    ...names(role, index, at(placed, index)),
    ...slices(plan, simulation, index, at(placed, index)),
    ...counters(role, index),
  ]);
  return {
    traceEvents: [...processes, ...arrows(placed)],
    displayTimeUnit: 'ms',
    otherData: {
      plan: plan.name,
      machine,
      devices: plan.schedule.devices,
      stepSeconds: simulation.stepSeconds,
      peakBytes: Math.max(...simulation.roles.map(({ peakBytes }) => peakBytes)),
    },
  };
}

const pidOf = (role: number): number => role + 1;

/** Threads of a lane: slices of one thread may not overlap, and messages that are under way together do. */
const threadsOfLane = 100;

export const laneOfThread = (tid: number): Lane => at(lanes, Math.floor((tid - 1) / threadsOfLane));

const onThreads = (events: readonly SimulatedEvent[]): Placed[] =>
  threadsFor(events.map((event) => ({ event, lane: event.lane, from: beginOf(event), to: event.to })));

/** Each event on the first thread of its lane that is free when it begins; in that order. */
export function threadsFor<E>(
  events: readonly { readonly event: E; readonly lane: Lane; readonly from: number; readonly to: number }[],
): { readonly event: E; readonly tid: number }[] {
  const ends: { readonly [L in Lane]: number[] } = { compute: [], messages: [], sums: [] };
  return events
    .toSorted((a, b) => a.from - b.from)
    .map(({ event, lane, from, to }) => {
      const busy = ends[lane];
      const free = busy.findIndex((until) => until <= from);
      const thread = free < 0 ? busy.length : free;
      busy[thread] = to;
      return { event, tid: 1 + lanes.indexOf(lane) * threadsOfLane + thread };
    });
}

/** The name of a process or thread, and its place among others. */
export const described = (
  name: 'process' | 'thread',
  pid: number,
  tid: number,
  title: string,
  order: number,
) =>
  [
    { ph: 'M', name: `${name}_name`, pid, tid, args: { name: title } },
    { ph: 'M', name: `${name}_sort_index`, pid, tid, args: { sort_index: order } },
  ] as const;

function names({ role, devices }: SimulatedRole, index: number, placed: readonly Placed[]): TraceEvent[] {
  const pid = pidOf(index);
  const title = `${role} (${devices} ${devices === 1 ? 'device' : 'devices'})`;
  const threads = [...new Set(placed.map(({ tid }) => tid))].sort((a, b) => a - b);
  return [
    ...described('process', pid, 0, title, index),
    ...threads.flatMap((tid) => described('thread', pid, tid, laneOfThread(tid), tid)),
  ];
}

function slices(plan: Plan, { roles }: Simulation, index: number, placed: readonly Placed[]): TraceEvent[] {
  const { instructions } = at(plan.roles, index);
  return placed.map(({ event, tid }) => {
    const reason = waitingInWords(instructions, roles, event);
    return {
      ph: 'X',
      name: instructionInWords(at(instructions, event.instruction)),
      cat: event.activity,
      pid: pidOf(index),
      tid,
      ts: micros(beginOf(event)),
      dur: micros(event.to - beginOf(event)),
      args: {
        instruction: event.instruction,
        ...(event.meeting === undefined ? {} : { bytes: event.meeting.bytes }),
        ...(reason === undefined ? {} : { waited: micros(event.waited), reason }),
      },
    };
  });
}

const counters = (role: SimulatedRole, index: number): TraceEvent[] =>
  memoryCurve(role).map(({ seconds, bytes }) => ({
    ph: 'C',
    name: 'memory',
    pid: pidOf(index),
    tid: 0,
    ts: micros(seconds),
    args: { bytes },
  }));

type End = Placed & { readonly role: number };

/** Of each meeting: arrows from all neighbours; where a whole group meets, from the one who came last only. */
function arrows(placed: readonly (readonly Placed[])[]): TraceEvent[] {
  const meetings = new Map<string, End[]>();
  for (const [role, own] of placed.entries())
    for (const one of own) {
      const key = one.event.meeting?.key;
      if (key !== undefined) meetings.set(key, [...(meetings.get(key) ?? []), { ...one, role }]);
    }
  const ways = [...meetings.values()].flatMap((ends) =>
    ends.flatMap((to) => ends.filter((from) => brings(from, to)).map((from) => [from, to] as const)),
  );
  return ways.flatMap(([from, to], id) => arrow(from, to, id));
}

function brings(from: End, to: End): boolean {
  const { activity, meeting } = to.event;
  if (from === to || meeting === undefined) return false;
  if (activity === 'exchange' || activity === 'send') return meeting.others.includes(from.role);
  return meeting.last === from.role;
}

function arrow(from: End, to: End, id: number): TraceEvent[] {
  const left = beginOf(from.event);
  const end = ({ role, tid }: End, seconds: number) => ({ pid: pidOf(role), tid, ts: micros(seconds) });
  const common = { name: 'message', cat: 'message', id } as const;
  return [
    { ph: 's', ...common, ...end(from, left) },
    { ph: 'f', bp: 'e', ...common, ...end(to, Math.max(left, beginOf(to.event))) },
  ];
}
