/** The time lines as the page draws them: whole nanoseconds, and every text once. */

import { activityOf, laneOf } from '../../backends/simulator/activities.ts';
import { memoryCurve } from '../../backends/simulator/memory-curve.ts';
import { lanes, type SimulatedRole, type Simulation } from '../../backends/simulator/simulation.ts';
import { waitingInWords } from '../../backends/simulator/waiting.ts';
import { at } from '../../ir/box.ts';
import type { Instruction, Plan, Role } from '../../ir/plan.ts';
import type { DeviceProfile, Profile } from '../../ir/profile.ts';
import { roleIndexAt, seatOf } from '../../ir/ranks.ts';
import { instructionInWords } from '../../ir/text/instruction-words.ts';
import { usesOf } from '../../ir/uses.ts';
import type { TimeData, TimedEvent, TimedRole } from './time-spec.ts';

/** Events that a page holds: what its size allows. */
const most = 12_000;

const nanoseconds = (seconds: number): number => Math.round(seconds * 1e9);

/**
 * Of the roles named in `chosen` as many as the page holds, at least one; behind each the first of its devices as it
 * was measured, where there is a profile.
 */
export function timeData(
  plan: Plan,
  simulation: Simulation | undefined,
  chosen: readonly string[],
  profile?: Profile,
): TimeData {
  const words = new Map<string, number>();
  const word = (text: string): number => {
    const known = words.get(text) ?? words.size;
    words.set(text, known);
    return known;
  };
  const roles: TimedRole[] = [];
  let events = 0;
  for (const [index, role] of plan.roles.entries()) {
    if (!chosen.includes(role.name)) continue;
    const simulated = simulation && at(simulation.roles, index);
    const device = profile?.devices.find(({ rank }) => roleIndexAt(plan, seatOf(plan, rank)) === index);
    const rows = [
      ...(simulated === undefined || simulation === undefined
        ? []
        : [{ ...timedRole(role, simulated, simulation.roles, word), kind: index }]),
      ...(device === undefined ? [] : [{ ...measuredRole(role, device, word), kind: index }]),
    ];
    events += rows.reduce((sum, row) => sum + row.events.length, 0);
    if (roles.length > 0 && events > most) break;
    roles.push(...rows);
  }
  const step = Math.max(simulation?.stepSeconds ?? 0, profile?.seconds ?? 0);
  return { step: nanoseconds(step), lanes, words: [...words.keys()], roles };
}

/** On one lane, unless instructions overlap; nobody measures why it waits, nor what is alive. */
function measuredRole(
  role: Role,
  { rank, from, to, own }: DeviceProfile,
  word: (text: string) => number,
): Omit<TimedRole, 'kind'> {
  const bytes = new Map(role.buffers.map((buffer) => [buffer.name, buffer.bytes]));
  return {
    name: `measured, rank ${rank}`,
    devices: 1,
    events: role.instructions.map((instruction, index): TimedEvent => {
      const [begin, end] = [nanoseconds(at(from, index)), nanoseconds(at(to, index))];
      const title = word(instructionInWords(instruction));
      const lane = own === undefined ? 0 : lanes.indexOf(laneOf(instruction));
      return [
        lane,
        begin,
        end,
        begin,
        activityOf(instruction),
        index,
        title,
        touched(instruction, bytes),
        -1,
      ];
    }),
    moments: [],
    held: [],
  };
}

function timedRole(
  role: Role,
  simulated: SimulatedRole,
  all: readonly SimulatedRole[],
  word: (text: string) => number,
): Omit<TimedRole, 'kind'> {
  const bytes = new Map(role.buffers.map((buffer) => [buffer.name, buffer.bytes]));
  const curve = memoryCurve(simulated);
  return {
    name: simulated.role,
    devices: simulated.devices,
    events: simulated.events.map((event): TimedEvent => {
      const instruction = at(role.instructions, event.instruction);
      const reason = waitingInWords(role.instructions, all, event);
      return [
        lanes.indexOf(event.lane),
        nanoseconds(event.from),
        nanoseconds(event.to),
        nanoseconds(event.meeting?.came ?? event.from),
        event.activity,
        event.instruction,
        word(instructionInWords(instruction)),
        event.meeting?.bytes ?? touched(instruction, bytes),
        reason === undefined ? -1 : word(reason),
      ];
    }),
    moments: curve.map(({ seconds }) => nanoseconds(seconds)),
    held: curve.map((held) => held.bytes),
  };
}

/** Bytes of the buffers that an instruction reads and writes. */
function touched(instruction: Instruction, bytes: ReadonlyMap<string, number>): number {
  const { reads, writes } = usesOf(instruction);
  return [...new Set([...reads, ...writes])].reduce((sum, name) => sum + (bytes.get(name) ?? 0), 0);
}
