/** What recompute is asked about networks that tests draw. */
import { typesOf } from '../../ir/graph.ts';
import type { Model } from '../../ir/model.ts';
import { bytesOf, elementsOf } from '../../ir/type.ts';
import { type Profile, profileOf } from '../../passes/decide/profile.ts';
import type { RecomputeQuestion } from '../../passes/decide/recompute.ts';

/** A micro-batch of the whole batch on one device; an op takes as long as it has cells to make. */
export function questionOf(model: Model, profile: Profile = profileOf(model)): RecomputeQuestion {
  const types = typesOf(profile.program.graph);
  const { batch = 1 } = model.training ?? {};
  const sizes = [...profile.values.keys()].flatMap((name): [string, number][] => {
    const type = types.get(name);
    return type === undefined ? [] : [[name, bytesOf(type, batch)]];
  });
  const forward = model.ops.map(({ type, kind }) => elementsOf(type) * (kind.endsWith('conv') ? 9 : 1) + 10);
  const backward = forward.map((seconds) => 2 * seconds);
  const noting = new Map(
    profile.ops.flatMap(({ op, lean }) => (lean === undefined ? [] : [[op.output, elementsOf(op.type) + 1]])),
  );
  return { profile, forward, backward, bytes: new Map(sizes), noting };
}
