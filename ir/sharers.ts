/** Who has shares in what an op needs of whole samples: statistics, and the sums that a loss divides. */
import type { Op } from './graph.ts';
import type { Model } from './model.ts';
import type { OpAttributes, OpKind } from './ops/attributes.ts';
import type { OpDefinition } from './ops/definition.ts';
import { ops } from './ops/table.ts';
import { remembered } from './remembered.ts';
import { gridOf, type Schedule } from './schedule.ts';
import { product } from './type.ts';

const definition = (op: Op): OpDefinition<OpKind> => ops[op.kind] as OpDefinition<OpKind>;

/**
 * `parts` devices of a group have cells of it at the same time; each works in `rounds` through tiles, and micro-batches,
 * of it, one after another. `samples` of a micro-batch share their numbers.
 */
export type Sharers = {
  readonly over: 'grid' | 'stage';
  readonly parts: number;
  readonly rounds: number;
  readonly samples: number;
};

/** How many consecutive samples an op must see at once. */
export const togetherIn = (op: Op): number =>
  definition(op).together?.(op.attrs as OpAttributes[OpKind]) ?? 1;

/** How the work on a batch is shared out; `grid`: devices along each axis, in one stage of one replica. */
export type Sharing = Pick<Schedule, 'replicas' | 'microBatches' | 'stream'> & {
  readonly grid: readonly number[];
};

export const sharingOf = (schedule: Schedule): Sharing => ({ ...schedule, grid: gridOf(schedule) });

/** Of the samples of a micro-batch, or, where an op joins more than these, of the whole batch. */
export function sharersOf(op: Op, sharing: Sharing, samples: number): Sharers {
  const { replicas, microBatches, stream, grid } = sharing;
  const together = togetherIn(op);
  const [places, tiles] = [product(grid), product(stream)];
  return together > samples
    ? { over: 'stage', parts: places * replicas, rounds: tiles * microBatches, samples }
    : { over: 'grid', parts: places, rounds: tiles, samples: together };
}

/** Sums over whole samples: by name the op that divides them. */
export const sumsIn = remembered(({ ops: all }: Pick<Model, 'ops'>): ReadonlyMap<string, Op> => {
  const readers = new Map<string, Op>();
  for (const op of all.filter((one) => definition(one).needsSums === true))
    for (const name of op.inputs) if (!readers.has(name)) readers.set(name, op);
  return readers;
});
