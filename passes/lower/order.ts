/**
 * In which order the devices of each stage work on the micro-batches: pure functions of a few integers. A chunk
 * is a part of the network; a stage has one of them, or, folded, one of the encoder and one of the decoder.
 */
import { at } from '../../ir/box.ts';
import type { Order } from '../../ir/schedule.ts';

export type Item = { readonly chunk: number; readonly phase: 'forward' | 'backward'; readonly micro: number };

const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

/** For each stage its items, one after another. `stages[chunk]` is the stage of a chunk. */
export const ordered = (order: Order, stages: readonly number[], microBatches: number): Item[][] =>
  orders[order](stages, microBatches);

const chunksOf = (stages: readonly number[], stage: number): number[] =>
  upTo(stages.length).filter((chunk) => stages[chunk] === stage);

const stageCount = (stages: readonly number[]): number => Math.max(...stages) + 1;

type Rule = (stages: readonly number[], microBatches: number) => Item[][];

/** All forward, then all backward, chunk after chunk (Huang et al. 2019). */
const gpipe: Rule = (stages, microBatches) =>
  upTo(stageCount(stages)).map((stage) => {
    const chunks = chunksOf(stages, stage);
    const pass = (phase: Item['phase'], order: readonly number[]) =>
      order.flatMap((chunk) => upTo(microBatches).map((micro): Item => ({ chunk, phase, micro })));
    return [...pass('forward', chunks), ...pass('backward', chunks.toReversed())];
  });

/** Each micro-batch forward and backward before the next begins. */
const oneAfterAnother: Rule = (stages, microBatches) =>
  upTo(stageCount(stages)).map((stage) => {
    const chunks = chunksOf(stages, stage);
    return upTo(microBatches).flatMap((micro) => [
      ...chunks.map((chunk): Item => ({ chunk, phase: 'forward', micro })),
      ...chunks.toReversed().map((chunk): Item => ({ chunk, phase: 'backward', micro })),
    ]);
  });

/**
 * One forward, one backward (Narayanan et al. 2019), as a list schedule in unit times: whoever is free goes
 * backward if it can, else forward, the deepest chunk and the oldest micro-batch first. No more micro-batches are
 * between the forward and the backward pass of a chunk than are needed to keep the chunks after it busy.
 */
const oneForwardOneBackward: Rule = (stages, microBatches) => {
  const chunks = stages.length;
  const each = Math.ceil(chunks / stageCount(stages));
  const most = upTo(chunks).map((chunk) => Math.ceil((chunks - chunk) / each));
  const done = { forward: upTo(chunks).map(() => 0), backward: upTo(chunks).map(() => 0) };
  const result: Item[][] = upTo(stageCount(stages)).map(() => []);
  const isReady = (phase: Item['phase'], chunk: number): boolean => {
    const micro = at(done[phase], chunk);
    if (micro === microBatches) return false;
    if (phase === 'backward')
      return micro < (chunk === chunks - 1 ? at(done.forward, chunk) : at(done.backward, chunk + 1));
    const before = chunk === 0 ? microBatches : at(done.forward, chunk - 1);
    return micro < before && micro - at(done.backward, chunk) < at(most, chunk);
  };
  while (done.backward.some((micro) => micro < microBatches)) {
    // All stages choose at the same moment: what one finishes now the others see in the next.
    const chosen = result.map((_, stage): Item | undefined => {
      const own = chunksOf(stages, stage);
      const found = (phase: Item['phase'], order: readonly number[]) => {
        const chunk = order.find((one) => isReady(phase, one));
        return chunk === undefined ? undefined : { chunk, phase, micro: at(done[phase], chunk) };
      };
      return found('backward', own) ?? found('forward', own.toReversed());
    });
    if (chosen.every((item) => item === undefined))
      throw new Error('an order of micro-batches that stands still');
    chosen.forEach((item, stage) => {
      if (item === undefined) return;
      at(result, stage).push(item);
      done[item.phase][item.chunk] = item.micro + 1;
    });
  }
  return result;
};

const orders: { readonly [O in Order]: Rule } = {
  one_after_another: oneAfterAnother,
  gpipe,
  '1f1b': oneForwardOneBackward,
};
