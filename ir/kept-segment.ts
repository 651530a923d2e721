import type { Role, Segment } from './plan.ts';

/** The segment of a role beside which all others take little: a device may keep its memory from run to run. */
export function keptSegment(segments: readonly Segment[], { instructions }: Role): string | undefined {
  const run = new Set(instructions.flatMap((one) => (one.do === 'run' ? [one.segment] : [])));
  const own = segments.filter(({ name }) => run.has(name)).sort((a, b) => b.workspace - a.workspace);
  const [largest, ...others] = own;
  const rest = others.reduce((sum, { workspace }) => sum + workspace, 0);
  return largest !== undefined && rest <= largest.workspace / 20 ? largest.name : undefined;
}
