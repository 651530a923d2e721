/** Inputs that no file holds: drawn for each sample, or computed from the position. */
import { type Box, extents } from '../../ir/box.ts';
import { cornerShares } from '../../ir/corners.ts';
import { dropoutMask } from '../../ir/draw.ts';
import type { Input, Model } from '../../ir/model.ts';

export type Place = {
  readonly step: number;
  /** The cells that are wanted, in the coordinates of the whole value. */
  readonly box: Box;
};

/** For each sample, by its index in the batch, the numbers `[channels, ...extents(box)]` of the input. */
export function drawnInput(
  { name, training }: Model,
  { name: input, type, source }: Input,
  { step, box }: Place,
): (sample: number) => ArrayLike<number> {
  if (type.kind !== 'map') throw new TypeError(`input ${input} is no map`);
  if (source.from === 'corners') {
    const shares = cornerShares(source, type.box, box);
    return () => shares;
  }
  if (source.from !== 'mask') throw new TypeError(`input ${input} of model ${name} is not drawn`);
  if (training === undefined) throw new TypeError(`model ${name} has no training`);
  const { layer, p, by } = source;
  const { channels } = type;
  const draw = { seed: training.seed, layer, step, p, by, channels, box, extents: extents(type.box) };
  return (sample) => dropoutMask({ ...draw, sample });
}
