/**
 * Ops that speak of the whole batch. Their layers stand in the text before `train`, which says how many samples
 * that are: until the end of the text their attributes hold `wholeBatch` in its place.
 */
import { type Fault, fault } from '../../ir/diagnostics/diagnostic.ts';
import type { Op } from '../../ir/graph.ts';

export const wholeBatch = 0;

const settled = (samples: number, batch: number): number => (samples === wholeBatch ? batch : samples);

/** The op with the numbers of samples that it has in a batch. */
export function withBatch(op: Op, batch: number): Op {
  switch (op.kind) {
    case 'moments':
      return { ...op, attrs: { ...op.attrs, over: settled(op.attrs.over, batch) } };
    case 'running_share':
      return { ...op, attrs: { ...op.attrs, over: settled(op.attrs.over, batch), samples: batch } };
    case 'dice':
      return { ...op, attrs: { ...op.attrs, over: settled(op.attrs.over, batch), samples: batch } };
    default:
      return op;
  }
}

/** Why an op, with the numbers of a batch, cannot be computed in any schedule. */
export function batchFault(op: Op, batch: number): Fault | undefined {
  if (op.kind === 'moments' && batch % op.attrs.over !== 0)
    return fault('group-and-batch', { group: op.attrs.over, batch });
  if (op.kind === 'running_share' && op.attrs.over * op.attrs.cells === 1) return fault('norm-of-one', {});
  return undefined;
}
