/** Why nothing keeps to what is pinned, as far as it can be said without a search. */
import { at } from '../../ir/box.ts';
import { type Fault, fault } from '../../ir/diagnostics/diagnostic.ts';
import type { Model } from '../../ir/model.ts';
import type { Pins } from '../../ir/schedule.ts';
import { tiledExtents } from '../../ir/tiling.ts';
import { product } from '../../ir/type.ts';

const wrong = (why: string): Fault => fault('wrong-schedule', { why });

/** A grid of another number of axes than the model has; nothing else could be made of it. */
export function gridFault({ rank }: Model, { tiles, cuts }: Pins): Fault | undefined {
  if (cuts !== undefined && cuts.length !== rank)
    return wrong(
      `cuts are given for ${cuts.length} of ${rank} axes: give those of every axis, such as \`rows\` and \`columns\``,
    );
  if (tiles === undefined || tiles.length === rank) return undefined;
  const grid = Array.from({ length: rank }, (_, axis) => tiles[axis] ?? 1).join('x');
  return wrong(
    `\`tiles ${tiles.join('x')}\` is a grid of rank ${tiles.length}, and the model has rank ${rank}: write one count for each axis, such as \`${grid}\``,
  );
}

/** Every pinned count that contradicts the model or another one; the rules where each for itself would do. */
export function noSchedule(model: Model, pins: Pins): Fault {
  const reasons = [samplesReason(model, pins), cellsReason(model, pins), devicesReason(pins)].filter(
    (reason) => reason !== undefined,
  );
  return wrong(reasons.length > 0 ? reasons.join('; ') : rules(model, pins));
}

function rules(model: Model, { memory: _, ...pins }: Pins): string {
  const { batch = 1 } = model.training ?? {};
  const names = Object.keys(pins).map((word) =>
    word.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
  );
  const pinned = names.length === 0 ? '' : ` (${names.join(', ')})`;
  return `no schedule keeps to what is pinned${pinned}: replicas x stages x tiles must be the devices, replicas must divide the batch of ${batch}, micro-batches what a replica gets of it, and a tile needs a cell on each axis`;
}

/** The first divisors of a count, for people. */
function divisors(count: number): string {
  const found = Array.from({ length: Math.min(count, 4096) }, (_, index) => index + 1).filter(
    (one) => count % one === 0,
  );
  return found.length > 8 ? `${found.slice(0, 8).join(', ')}, ...` : found.join(', ');
}

function samplesReason({ training }: Model, { replicas, microBatches }: Pins): string | undefined {
  const { batch = 1 } = training ?? {};
  if (replicas !== undefined && batch % replicas !== 0)
    return `replicas ${replicas} do not divide the batch of ${batch}; these do: ${divisors(batch)}`;
  const each = batch / (replicas ?? 1);
  return microBatches === undefined || each % microBatches === 0
    ? undefined
    : `micro_batches ${microBatches} do not divide the ${each} samples of a replica; these do: ${divisors(each)}`;
}

const gridOf = ({ tiles, cuts }: Pins): readonly number[] | undefined =>
  cuts?.map((marks) => marks.length - 1) ?? tiles;

function cellsReason(model: Model, pins: Pins): string | undefined {
  const grid = gridOf(pins);
  const extents = tiledExtents(model);
  return grid?.some((count, axis) => count > at(extents, axis))
    ? `tiles ${grid.join('x')} are more than the ${extents.join(' x ')} cells of the result`
    : undefined;
}

function devicesReason(pins: Pins): string | undefined {
  const { devices, replicas = 1, stages, chunks = [], stream = [] } = pins;
  const grid = gridOf(pins);
  const depth = stages ?? chunks.reduce((most, { stage }) => Math.max(most, stage + 1), 1);
  const needed = (replicas * depth * product(grid ?? [])) / product(stream);
  if (devices === undefined || needed <= devices) return undefined;
  const factors = [
    ...(replicas === 1 ? [] : [`replicas ${replicas}`]),
    ...(depth === 1 ? [] : [`stages ${depth}`]),
    ...(grid === undefined ? [] : [`tiles ${grid.join('x')}`]),
  ];
  return `${factors.join(' x ')} are ${needed.toLocaleString('en-US')} devices, and there are ${devices.toLocaleString('en-US')}: pin fewer, or give \`--devices ${needed}\``;
}
