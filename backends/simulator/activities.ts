/** What the time of an instruction counts as, simulated or measured. */
import type { Instruction } from '../../ir/plan.ts';
import type { Activity, Lane } from './simulation.ts';

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

const meetings: { readonly [A in Activity]?: Lane } = {
  exchange: 'messages',
  gather: 'messages',
  send: 'messages',
  all_reduce: 'sums',
};

/** The lane that an instruction has where a device does several things at a time. */
export const laneOf = (instruction: Instruction): Lane => meetings[activityOf(instruction)] ?? 'compute';
