/** What a device holds over the seconds of a step. */
import { at } from '../../ir/box.ts';
import type { SimulatedRole } from './simulation.ts';

export type Held = {
  readonly seconds: number;
  /** From this moment to the next. */
  readonly bytes: number;
  /** Index of the instruction from which it is so. */
  readonly instruction: number;
};

/**
 * Where the curve steps. An instruction that takes no time of the computing lane stands where the lane is when it
 * comes to it, so several points may share a moment; the largest of all is the peak.
 */
export function memoryCurve({ events, memory }: SimulatedRole): Held[] {
  const computing = new Map(
    events.flatMap((event) => (event.lane === 'compute' ? [[event.instruction, event]] : [])),
  );
  let seconds = 0;
  const held = memory.map((bytes, instruction) => {
    const event = computing.get(instruction);
    const point = { seconds: event?.from ?? seconds, bytes, instruction };
    seconds = event?.to ?? seconds;
    return point;
  });
  return held.filter(({ bytes }, i) => i === 0 || bytes !== at(held, i - 1).bytes);
}
