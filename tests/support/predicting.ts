/** The part of a network that predicts: what the compiler leaves of a text when nothing is trained. */
import { at } from '../../ir/box.ts';
import type { Model } from '../../ir/model.ts';
import { ops as table } from '../../ir/ops/table.ts';

/**
 * Without losses, targets, counts and masks. Beside each map of classes its logits are an output, and of a
 * regression the regressed map.
 */
export function predicting({ loss: _loss, training: _training, ...model }: Model): Model {
  const losses = model.ops.filter(({ kind }) => table[kind].sumsOwnedCells === true);
  const ops = model.ops.filter((op) => !losses.includes(op) && op.kind !== 'weighted_sum');
  const maps = losses.map(({ inputs }) => at(inputs, 0));
  const logits = ops.filter(({ kind }) => kind === 'classify').map(({ inputs }) => at(inputs, 0));
  return {
    ...model,
    ops,
    inputs: model.inputs.filter(({ source }) => source.from === 'image'),
    outputs: [
      ...model.outputs,
      ...[...new Set([...maps, ...logits])].map((value) => ({ name: `raw ${value}`, value })),
    ],
  };
}
