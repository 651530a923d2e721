/** Which kinds of devices a table shows: a grid has up to 3 to the power of its axes, and most are alike. */
import { at } from '../ir/box.ts';
import type { RoleSummary } from './summary.ts';

/** Rows that are shown whatever they say. */
const most = 8;

type Measure = (role: RoleSummary) => number;

const largest = <R extends RoleSummary>(roles: readonly R[], measure: Measure): R | undefined =>
  roles.toSorted((a, b) => measure(b) - measure(a))[0];

const work: Measure = ({ flops }) => flops;
const leastWork: Measure = ({ flops }) => -flops;
const devices: Measure = (role) => role.devices;
const memory: Measure = ({ peakBytes }) => peakBytes;

/** All of a few; of many those that work most and least, need the most memory, and are most frequent. */
export function shownRoles<R extends RoleSummary>(roles: readonly R[]): readonly R[] {
  if (roles.length <= most) return roles;
  const stages = [...new Set(roles.map(({ stage }) => stage))];
  const each = (measure: Measure) =>
    stages.map((stage) =>
      largest(
        roles.filter((role) => role.stage === stage),
        measure,
      ),
    );
  const chosen = new Set([
    ...(stages.length > most ? [] : each(work)),
    ...[work, leastWork, memory, devices].map((measure) => largest(roles, measure)),
  ]);
  return roles.filter((role) => chosen.has(role));
}

/** What is said below rows that were left out; empty where there are none. */
export function leftOut(roles: readonly RoleSummary[], shown: readonly RoleSummary[]): string {
  const hidden = roles.filter((role) => !shown.includes(role));
  if (hidden.length === 0) return '';
  const count = hidden.reduce((sum, role) => sum + role.devices, 0);
  const between = hidden.length === 1 ? at(hidden, 0).name : `${hidden.length} more kinds`;
  return `(${between}, ${count} ${count === 1 ? 'device' : 'devices'}, not shown: they lie between these; \`inspect --roles\` shows all.)`;
}
