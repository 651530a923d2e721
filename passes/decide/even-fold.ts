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
  // What a part takes depends on where the state begins and where the part ends alone.
  const encoders = byEnd(states, (from, e) => costs.part(from.e, e));
  const decoders = byEnd(states, (from, d) => costs.part(d, from.d));
  return pairs.flatMap(({ e, d }): State[] => {
    const [encoder, decoder] = [encoders(e), decoders(d)];
    let best: State | undefined;
    for (let index = 0; index < states.length; index++) {
      const from = states[index] as State;
      if (from.e >= e || from.d <= d) continue;
      const lean = from.lean + Math.abs((encoder[index] as number) - (decoder[index] as number));
      if (best !== undefined && lean >= best.lean) continue;
      if (costs.seconds(q, from.e, e, d, from.d) > most || !costs.fits(q, from.e, e, d, from.d)) continue;
      best = { e, d, before: from, lean };
    }
    return best === undefined ? [] : [best];
  });
}

/** For each end of a part what it takes from each state. */
function byEnd(
  states: readonly State[],
  seconds: (from: State, end: number) => number,
): (end: number) => Float64Array {
  const known = new Map<number, Float64Array>();
  return (end) => {
    const all = known.get(end) ?? Float64Array.from(states, (from) => seconds(from, end));
    known.set(end, all);
    return all;
  };
}
