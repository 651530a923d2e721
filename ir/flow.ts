import type { Model } from './model.ts';
import { remembered } from './remembered.ts';

/**
 * The values of a model through which a cotangent flows: made from a parameter, and the loss is made from
 * them. It does not depend on the tile, so all tiles agree on what they give back to each other.
 */
export const flowingValues = remembered((model: Model): ReadonlySet<string> => {
  const made = new Set(model.parameters.map(({ name }) => name));
  for (const op of model.ops) if (op.inputs.some((name) => made.has(name))) made.add(op.output);
  const wanted = new Set(model.loss === undefined ? [] : [model.loss]);
  for (const op of model.ops.toReversed())
    if (wanted.has(op.output)) for (const name of op.inputs) wanted.add(name);
  return new Set([...made].filter((name) => wanted.has(name)));
});
