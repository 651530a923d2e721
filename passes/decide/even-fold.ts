/**
 * A folded cut whose stages have parts of the encoder and of the decoder as alike as may be. Where they are, a
 * micro-batch finds a stage free more often, so that the order loses less than it does for the cut with the very
 * least bottleneck. A programme over (stages, e, d), on a selection of the places.
 */
import { cutOfInsides, type FoldCosts, type Inside } from './fold.ts';
import type { Cut, Space } from './stage-space.ts';

/** More places would take long; the cut is improved place by place in the end. */
const mostPlaces = 72;

/** Places with about as much work between them. */
function selection({ positions, forward, ops }: Space): number[] {
  if (positions.length <= mostPlaces) return [...positions];
  const share = (forward[ops] ?? 0) / mostPlaces;
  const chosen: number[] = [];
  for (const place of positions)
    if ((forward[place] ?? 0) >= share * (chosen.length + 1) || chosen.length === 0) chosen.push(place);
  return chosen;
}

type State = Inside & { readonly lean: number };

/** A cut in which no stage costs more than `most`, with the least sum of unlikeness; undefined if none fits. */
export function evenFold(space: Space, costs: FoldCosts, most: number): Cut | undefined {
  const { stages } = costs;
  const places = selection(space);
  const pairs = places.flatMap((e) =>
    places.filter((d) => d > e && space.isNested(e, d)).map((d) => ({ e, d })),
  );
  let states: State[] = [{ e: 0, d: space.ops, lean: 0 }];
  for (let q = 0; q < stages - 1; q++) states = nextStates(costs, most, q, states, pairs);
  const last = stages - 1;
  let best: State | undefined;
  for (const state of states) {
    const { e, d, lean } = state;
    if (best !== undefined && lean >= best.lean) continue;
    if (costs.seconds(last, e, e, e, d) <= most && costs.fits(last, e, e, e, d)) best = state;
  }
  return best && cutOfInsides(best);
}

function nextStates(
  costs: FoldCosts,
  most: number,
  q: number,
  states: readonly State[],
  pairs: readonly Omit<Inside, 'before'>[],
): State[] {
  return pairs.flatMap(({ e, d }): State[] => {
    let best: State | undefined;
    for (const from of states) {
      if (from.e >= e || from.d <= d) continue;
      const encoder = costs.seconds(q, from.e, e, from.d, from.d);
      const lean = from.lean + Math.abs(encoder - costs.seconds(q, from.e, from.e, d, from.d));
      if (best !== undefined && lean >= best.lean) continue;
      if (costs.seconds(q, from.e, e, d, from.d) > most || !costs.fits(q, from.e, e, d, from.d)) continue;
      best = { e, d, before: from, lean };
    }
    return best === undefined ? [] : [best];
  });
}
