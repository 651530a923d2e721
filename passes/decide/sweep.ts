/** What a sweep ahead of all else costs: the sums of samples that devices work through one after another. */
import { at } from '../../ir/box.ts';
import { allReduceSeconds } from '../../ir/collectives.ts';
import { opsOfSweep, sweptSums } from '../../ir/sweeps.ts';
import { bytesOf, product } from '../../ir/type.ts';
import type { HaloAnswer } from './halo.ts';
import { type Shape, samplesIn } from './shapes.ts';
import type { Situation } from './situation.ts';

const nothing: ReadonlySet<string> = new Set();

/** The sums that a shape makes in a sweep, by name. Stages have none. */
export function sumsInSweep(situation: Situation, shape: Shape): ReadonlySet<string> {
  const { profile, model } = situation;
  if (profile.sums.size === 0 || shape.stages > 1) return nothing;
  return new Set(sweptSums(model, shape, samplesIn(situation, shape)).keys());
}

/** Seconds of one micro-batch of one tile in the sweep, where its ops take so long forward. */
export function sweepOnce(
  { model }: Pick<Situation, 'model'>,
  sums: ReadonlySet<string>,
  forward: readonly number[],
): number {
  if (sums.size === 0) return 0;
  return [...opsOfSweep(model, [...sums])].reduce((seconds, op) => seconds + at(forward, op), 0);
}

/** Seconds of the whole sweep of a shape: all forward, messages of tiles included, and the sums over the devices. */
export function sweepSeconds(situation: Situation, shape: Shape, { forward, messages }: HaloAnswer): number {
  const { model, machine } = situation;
  const sums = sumsInSweep(situation, shape);
  if (sums.size === 0) return 0;
  const rounds = shape.microBatches * product(shape.stream);
  const types = model.ops.filter(({ output }) => sums.has(output)).map(({ type }) => type);
  const bytes = types.reduce((all, type) => all + bytesOf(type, situation.batch / shape.replicas), 0);
  const count = product(shape.grid) * shape.replicas;
  return (
    rounds * (sweepOnce(situation, sums, forward) + messages.forward) +
    allReduceSeconds(machine, { count, spacing: 1, first: 0 }, bytes)
  );
}
