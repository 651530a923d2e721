/** Why a lane stood still before an event, for people. */
import { at } from '../../ir/box.ts';
import type { Instruction } from '../../ir/plan.ts';
import { instructionInWords } from '../../ir/text/instruction-words.ts';
import type { SimulatedEvent, SimulatedRole } from './simulation.ts';

/** Undefined where it did not wait, or had nothing to do but what was still to be computed. */
export function waitingInWords(
  instructions: readonly Instruction[],
  roles: readonly SimulatedRole[],
  { waited, after, meeting }: SimulatedEvent,
): string | undefined {
  if (waited === 0) return undefined;
  if (meeting?.last !== undefined) return `waits for ${at(roles, meeting.last).role}`;
  return after === undefined || after < 0
    ? undefined
    : `waits for ${instructionInWords(at(instructions, after))}`;
}
