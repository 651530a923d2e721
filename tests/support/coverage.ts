/** How much of what can be decided, and of the ops, the drawn cases have met. */
import { at } from '../../ir/box.ts';
import type { Plan } from '../../ir/plan.ts';
import { product } from '../../ir/type.ts';

/** How often each value of each decision occurred. */
export type Coverage = Map<string, Map<string, number>>;

const isUneven = (cuts: readonly number[]): boolean =>
  new Set(cuts.slice(1).map((cut, i) => cut - at(cuts, i))).size > 1;

const decisions: { readonly [decision: string]: (plan: Plan) => Iterable<string> } = {
  axes: ({ model }) => [`${model.rank}`],
  devices: ({ schedule }) => [`${schedule.devices}`],
  'tiles of a replica': ({ schedule }) => [`${product(schedule.cuts.map((cuts) => cuts.length - 1))}`],
  'tiles along an axis': ({ schedule }) => schedule.cuts.map((cuts) => `${cuts.length - 1}`),
  'uneven axes': ({ schedule }) => [`${schedule.cuts.filter(isUneven).length}`],
  replicas: ({ schedule }) => [`${schedule.replicas}`],
  'micro-batches': ({ schedule }) => [`${schedule.microBatches}`],
  roles: ({ roles }) => [`${roles.length}`],
  ops: ({ segments }) => new Set(segments.flatMap(({ graph }) => graph.ops.map(({ kind }) => kind))),
};

export function cover(coverage: Coverage, plan: Plan): void {
  for (const [decision, valuesOf] of Object.entries(decisions)) {
    const counts = coverage.get(decision) ?? new Map<string, number>();
    coverage.set(decision, counts);
    for (const value of valuesOf(plan)) counts.set(value, (counts.get(value) ?? 0) + 1);
  }
}

/** A line for each decision: its values, and how often each occurred. */
export const coverageLines = (coverage: Coverage): string[] =>
  [...coverage].map(([decision, counts]) => {
    const values = [...counts].sort(([a], [b]) => a.localeCompare(b, 'en', { numeric: true }));
    return `${decision.padEnd(20)} ${values.map(([value, count]) => `${value}: ${count}`).join('   ')}`;
  });
