/** Where a device was when it died or stood still. */
import type { Plan } from '../../ir/plan.ts';
import { instructionInWords } from '../../ir/text/instruction-words.ts';
import type { Mark } from './board.ts';

/** Where a mark on the board stands in the plan. */
export function placeText(plan: Plan, { count, step, tile, role, instruction }: Mark): string {
  const found = plan.roles[role]?.instructions[instruction];
  const train = plan.purpose === 'train';
  if (count === 0) return 'its start';
  if (found === undefined) return train ? `the beginning of step ${step}` : 'no tile yet';
  const where = train ? `step ${step}` : `tile ${tile}`;
  return `${where}, instruction ${instruction}: ${instructionInWords(found)}`;
}
