/** What the time of an instruction counts as, simulated or measured. */
import type { Instruction } from '../../ir/plan.ts';
import type { Activity } from './simulation.ts';

type Rules = {
  readonly [K in Instruction['do']]: (instruction: Extract<Instruction, { do: K }>) => Activity;
};

const other = (): Activity => 'other';
const gather = (): Activity => 'gather';
const send = (): Activity => 'send';
const sum = (): Activity => 'all_reduce';

const rules: Rules = {
  load: () => 'load',
  run: ({ why }) => why,
  exchange: () => 'exchange',
  all_gather: gather,
  reduce_scatter: gather,
  send,
  receive: send,
  all_reduce: sum,
  clip: sum,
  draw: other,
  count: other,
  accumulate: other,
  paste: other,
  rate: other,
  metric: other,
  store: other,
  report: other,
  free: other,
};

export const activityOf = (instruction: Instruction): Activity =>
  (rules[instruction.do] as (one: Instruction) => Activity)(instruction);
