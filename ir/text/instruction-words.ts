/** Instructions in one short line, for people; `printInstruction` gives the whole. */
import type { Instruction, NamedInstruction } from '../plan.ts';

type InstructionOf<K extends Instruction['do']> = Extract<NamedInstruction, { do: K }>;

const list = (names: readonly string[]): string =>
  names.length > 2 ? `${names[0]} and ${names.length - 1} more` : names.join(', ');

const words: { readonly [K in Instruction['do']]: (instruction: InstructionOf<K>) => string } = {
  load: ({ source, micro }) => `load ${source} of micro-batch ${micro}`,
  draw: ({ source, micro }) => `draw ${source} of micro-batch ${micro}`,
  count: ({ source, from }) => `count ${source} from ${from}`,
  run: ({ segment, why, micro }) => `run ${segment} (${why}, micro-batch ${micro})`,
  accumulate: ({ from, into }) => `accumulate ${from} into ${into}`,
  all_gather: ({ into }) => `all_gather ${into}`,
  reduce_scatter: ({ into }) => `reduce_scatter ${into}`,
  exchange: ({ name, micro }) => `exchange ${name} of micro-batch ${micro}`,
  send: ({ name, stage }) => `send ${name} to stage ${stage}`,
  receive: ({ name, stage }) => `receive ${name} from stage ${stage}`,
  paste: ({ from, into }) => `paste ${from} into ${into}`,
  all_reduce: ({ buffers }) => `all_reduce ${list(buffers)}`,
  clip: ({ buffers }) => `clip ${list(buffers)}`,
  rate: ({ into }) => `rate into ${into}`,
  metric: ({ target, predicted }) => `metric ${target} of ${predicted}`,
  store: ({ output }) => `store ${output}`,
  report: ({ from }) => `report ${from}`,
  free: ({ buffers }) => `free ${list(buffers)}`,
};

export const instructionInWords = <K extends Instruction['do']>(
  instruction: InstructionOf<K> & { do: K },
): string => words[instruction.do](instruction);
