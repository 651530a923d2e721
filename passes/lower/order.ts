/**
 * In which order the devices of each stage work on the micro-batches: pure functions of a few integers. A chunk
 * is a part of the network; a stage has one of them, or, folded, one of the encoder and one of the decoder.
 */
import { evenPace, type Order, type Pace } from '../../ir/schedule.ts';
import { foldedOrder } from './folded-order.ts';

export type Item = { readonly chunk: number; readonly phase: 'forward' | 'backward'; readonly micro: number };

const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

/** For each stage its items, one after another. `stages[chunk]` is the stage of a chunk. */
export const ordered = (
  order: Order,
  stages: readonly number[],
  microBatches: number,
  pace?: Pace,
): Item[][] => orders[order](stages, microBatches, pace);

const chunksOf = (stages: readonly number[], stage: number): number[] =>
  upTo(stages.length).filter((chunk) => stages[chunk] === stage);

const stageCount = (stages: readonly number[]): number => Math.max(...stages) + 1;

type Rule = (stages: readonly number[], microBatches: number, pace?: Pace) => Item[][];

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
 * One forward, one backward (Narayanan et al. 2019): a list schedule in unit times: whoever is free goes backward
 * if it can, else forward, the oldest micro-batch first. No more micro-batches are between the forward and the
 * backward pass of a stage than are needed to keep the stages after it busy. Folded stages have an order of
 * their own.
 */
const oneForwardOneBackward: Rule = (stages, microBatches, pace) =>
  new Set(stages).size < stages.length
    ? foldedOrder(stages, microBatches, pace ?? evenPace(stages))
    : upTo(stages.length).map((stage) => {
        const chunk = stages.indexOf(stage);
        const ahead = Math.min(microBatches, stages.length - chunk - 1);
        const item = (phase: Item['phase'], micro: number): Item => ({ chunk, phase, micro });
        return [
          ...upTo(ahead).map((micro) => item('forward', micro)),
          ...upTo(microBatches - ahead).flatMap((micro) => [
            item('forward', micro + ahead),
            item('backward', micro),
          ]),
          ...upTo(ahead).map((micro) => item('backward', microBatches - ahead + micro)),
        ];
      });

const orders: { readonly [O in Order]: Rule } = {
  one_after_another: oneAfterAnother,
  gpipe,
  '1f1b': oneForwardOneBackward,
};
