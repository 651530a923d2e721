/** Halo decisions of any graph: from several plain strategies, change one operand at a time while that helps. */
import { at } from '../../ir/box.ts';
import { type Choice, type Edge, type HaloAnswer, type Pricing, walk } from './halo.ts';
import type { Margin } from './margins.ts';

/** Whether an operand's margin is exchanged. */
type Decisions = ReadonlySet<string>;

const keyOf = ({ op, operand }: Edge): string => `${op} ${operand}`;

const choiceOf =
  ({ reach }: Pricing, decisions: Decisions): Choice =>
  (edge: Edge, need: Margin) =>
    decisions.has(keyOf(edge)) ? reach(edge.value, need) : 0;

/** Passes over all operands; a graph of some hundred ops settles in two or three. */
const mostPasses = 6;

export function descend(pricing: Pricing, may: (edge: Edge) => boolean): HaloAnswer {
  const edges = pricing.edges.flat().filter(may);
  const found = startsOf(pricing, edges).map((start) => improved(pricing, edges, start));
  return found.reduce((a, b) => (b.seconds < a.seconds ? b : a));
}

/** Nothing; everything; everything on a level and all coarser ones, or on it and all finer ones. */
function startsOf({ question }: Pricing, edges: readonly Edge[]): Decisions[] {
  const strideOf = ({ value }: Edge): number => question.profile.values.get(value)?.stride[0] ?? 1;
  const strides = [...new Set(edges.map(strideOf))].sort((a, b) => a - b);
  const those = (keep: (stride: number) => boolean): Decisions =>
    new Set(edges.filter((edge) => keep(strideOf(edge))).map(keyOf));
  return [
    new Set(),
    ...strides.map((least) => those((stride) => stride >= least)),
    ...strides.slice(0, -1).map((most) => those((stride) => stride <= most)),
  ];
}

function improved(pricing: Pricing, edges: readonly Edge[], start: Decisions): HaloAnswer {
  let decisions = start;
  let best = walk(pricing, choiceOf(pricing, decisions));
  for (let pass = 0; pass < mostPasses; pass++) {
    const before = best.seconds;
    for (let index = edges.length - 1; index >= 0; index--) {
      const changed = toggled(decisions, keyOf(at(edges, index)));
      const answer = walk(pricing, choiceOf(pricing, changed));
      if (answer.seconds >= best.seconds) continue;
      best = answer;
      decisions = changed;
    }
    if (best.seconds === before) break;
  }
  return best;
}

const toggled = (decisions: Decisions, key: string): Decisions => {
  const changed = new Set(decisions);
  if (!changed.delete(key)) changed.add(key);
  return changed;
};
