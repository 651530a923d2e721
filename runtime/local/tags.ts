/** The number under which a message travels: both ends find it in the plan, so none is sent along. */
import type { Instruction, Plan } from '../../ir/plan.ts';
import { partsOfSum } from './all-reduce.ts';

/** What a meeting is called, whatever side of it an instruction is; undefined for work that a device does alone. */
export function meetingOf(instruction: Instruction): string | undefined {
  switch (instruction.do) {
    case 'send':
    case 'receive':
      return `value ${instruction.name} #${instruction.micro}`;
    case 'exchange':
      return `exchange ${instruction.name} #${instruction.micro}`;
    case 'all_gather':
    case 'reduce_scatter':
      return `${instruction.do} ${instruction.into}`;
    case 'all_reduce':
      return `all_reduce ${instruction.buffers.join(' ')} #${instruction.micro}`;
    case 'clip':
      return 'clip';
    default:
      return undefined;
  }
}

/** Tags by step, meeting and part; sums have the most. No two messages so far apart that their tags are equal are ever in flight. */
export function tagsOf({ roles }: Plan): (step: number, meeting: string, part: number) => number {
  const names = roles.flatMap(({ instructions }) => instructions.flatMap((one) => meetingOf(one) ?? []));
  const numbers = new Map([...new Set(names)].sort().map((name, index) => [name, index]));
  return (step, meeting, part) => {
    const number = numbers.get(meeting);
    if (number === undefined) throw new RangeError(`no device of the plan knows of ${meeting}`);
    return ((step * numbers.size + number) * partsOfSum + part) % 2 ** 32;
  };
}
