/** What each instruction reads, writes and frees, of buffers of its device. */
import type { Instruction, NamedInstruction } from './plan.ts';

export type Uses = {
  readonly reads: readonly string[];
  readonly writes: readonly string[];
  readonly frees: readonly string[];
};

type InstructionOf<D extends Instruction['do']> = Extract<NamedInstruction, { do: D }>;

const uses = (reads: readonly string[], writes: readonly string[], frees: readonly string[] = []): Uses => ({
  reads,
  writes,
  frees,
});

const table: { readonly [D in Instruction['do']]: (instruction: InstructionOf<D>) => Uses } = {
  load: ({ into }) => uses([], [into]),
  draw: ({ into }) => uses([], [into]),
  count: ({ from, into, first }) => uses(first ? [from] : [from, into], [into]),
  run: ({ reads, writes }) => uses(reads, writes),
  accumulate: ({ from, into, first }) => uses(first ? [from] : [from, into], [into]),
  all_reduce: ({ buffers }) => uses(buffers, buffers),
  all_gather: ({ from, into }) => uses([from], [into]),
  reduce_scatter: ({ from, into }) => uses([from], [into]),
  exchange: ({ from, into }) => uses(from === undefined ? [] : [from], into === undefined ? [] : [into]),
  send: ({ from }) => uses([from], []),
  receive: ({ into }) => uses([], [into]),
  paste: ({ from, into, first }) => uses(first ? [from] : [from, into], [into]),
  clip: ({ buffers }) => uses(buffers, buffers),
  rate: ({ into }) => uses([], [into]),
  metric: ({ predicted, labels }) => uses([predicted, labels], []),
  store: ({ from }) => uses([from], []),
  report: ({ from }) => uses([from], []),
  free: ({ buffers }) => uses([], [], buffers),
};

export function usesOf<D extends Instruction['do']>(instruction: InstructionOf<D>): Uses {
  const read = table[instruction.do as D] as (instruction: InstructionOf<D>) => Uses;
  return read(instruction);
}
