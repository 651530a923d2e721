/**
 * A measured step as a trace like that of a simulated one: a process for each device, with one
 * thread, or where instructions overlap with those of its lanes.
 */
import { at } from '../../ir/box.ts';
import { memoryOf } from '../../ir/contents.ts';
import type { Plan } from '../../ir/plan.ts';
import type { DeviceProfile, Profile } from '../../ir/profile.ts';
import { roleIndexAt, seatOf } from '../../ir/ranks.ts';
import { instructionInWords } from '../../ir/text/instruction-words.ts';
import { activityOf, laneOf } from './activities.ts';
import { described, laneOfThread, micros, type Trace, type TraceEvent, threadsFor } from './trace.ts';

export const measuredTrace = (plan: Plan, { devices, seconds, step }: Profile): Trace => ({
  traceEvents: devices.flatMap((device) => eventsOf(plan, device)),
  displayTimeUnit: 'ms',
  otherData: {
    plan: plan.name,
    machine: 'measured',
    devices: plan.schedule.devices,
    step,
    stepSeconds: seconds,
    peakBytes: Math.max(...devices.map(({ peakBytes }) => peakBytes)),
  },
});

function eventsOf(plan: Plan, { rank, from, to, own }: DeviceProfile): TraceEvent[] {
  const role = at(plan.roles, roleIndexAt(plan, seatOf(plan, rank)));
  const pid = rank + 1;
  const memory = memoryOf(plan, role);
  const spans = role.instructions.map((instruction, event) => ({
    event,
    lane: own === undefined ? ('compute' as const) : laneOf(instruction),
    from: at(from, event),
    to: at(to, event),
  }));
  const placed = own === undefined ? spans.map(({ event }) => ({ event, tid: 1 })) : threadsFor(spans);
  const threads = [...new Set(placed.map(({ tid }) => tid))].sort((a, b) => a - b);
  const name = (tid: number) => (own === undefined ? 'measured' : `measured ${laneOfThread(tid)}`);
  return [
    ...described('process', pid, 0, `device ${rank} (${role.name})`, rank),
    ...threads.flatMap((tid) => described('thread', pid, tid, name(tid), tid)),
    ...placed.flatMap(({ event: index, tid }): TraceEvent[] => {
      const instruction = at(role.instructions, index);
      const ts = micros(at(from, index));
      return [
        {
          ph: 'X',
          name: instructionInWords(instruction),
          cat: activityOf(instruction),
          pid,
          tid,
          ts,
          dur: micros(at(to, index)) - ts,
          args: { instruction: index },
        },
        // What the plan says is alive: nobody measures memory at each instruction.
        { ph: 'C', name: 'memory', pid, tid: 0, ts, args: { bytes: at(memory, index) } },
      ];
    }),
  ];
}
