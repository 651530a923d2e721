/** The part of a network that predicts: what the compiler leaves of a text when nothing is trained. */
import { at } from '../../ir/box.ts';
import type { Op } from '../../ir/graph.ts';
import type { Model } from '../../ir/model.ts';
import { ops as table } from '../../ir/ops/table.ts';

/**
 * Without losses, targets, counts and masks. Beside each map of classes its logits are an output, and of a
 * regression the regressed map. Norms over a batch go by their running statistics.
 */
export function predicting({ loss: _loss, training: _training, statistics = [], ...model }: Model): Model {
  const losses = model.ops.filter(({ kind }) => table[kind].sumsOwnedCells === true);
  const running = new Map<string, string[]>();
  for (const { parameter, value } of statistics) {
    const moments = model.ops.find(({ output }) => output === value)?.inputs[0] ?? '';
    running.set(moments, [...(running.get(moments) ?? []), parameter]);
  }
  const ops = model.ops
    .filter((op) => !losses.includes(op) && op.type.kind === 'map' && !running.has(op.output))
    .map((op): Op => {
      const [x = '', moments = ''] = op.inputs;
      const followed = running.get(moments);
      if (op.kind !== 'normalize' || followed === undefined) return op;
      return { ...op, kind: 'normalize_by', inputs: [x, ...followed] };
    });
  const maps = losses.map(({ inputs }) => at(inputs, 0));
  const logits = ops.filter(({ kind }) => kind === 'classify').map(({ inputs }) => at(inputs, 0));
  return {
    ...model,
    ops,
    inputs: model.inputs.filter(({ source }) => source.from === 'image' || source.from === 'corners'),
    outputs: [
      ...model.outputs,
      ...[...new Set([...maps, ...logits])].map((value) => ({ name: `raw ${value}`, value })),
    ],
  };
}
