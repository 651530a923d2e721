/** A measured step as a trace like that of a simulated one: a process for each device, everything on one thread. */
import { at } from '../../ir/box.ts';
import { memoryOf } from '../../ir/contents.ts';
import type { Plan } from '../../ir/plan.ts';
import type { DeviceProfile, Profile } from '../../ir/profile.ts';
import { roleIndexAt, seatOf } from '../../ir/ranks.ts';
import { instructionInWords } from '../../ir/text/instruction-words.ts';
import { activityOf } from './activities.ts';
import { described, micros, type Trace, type TraceEvent } from './trace.ts';

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

function eventsOf(plan: Plan, { rank, from, to }: DeviceProfile): TraceEvent[] {
  const role = at(plan.roles, roleIndexAt(plan, seatOf(plan, rank)));
  const pid = rank + 1;
  const memory = memoryOf(plan, role);
  return [
    ...described('process', pid, 0, `device ${rank} (${role.name})`, rank),
    ...described('thread', pid, 1, 'measured', 1),
    ...role.instructions.flatMap((instruction, index): TraceEvent[] => {
      const ts = micros(at(from, index));
      return [
        {
          ph: 'X',
          name: instructionInWords(instruction),
          cat: activityOf(instruction),
          pid,
          tid: 1,
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
