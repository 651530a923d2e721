/** Predictions of all tiles put together. */
import { at, volume } from '../../ir/box.ts';
import { modelTypes } from '../../ir/intervals.ts';
import type { Plan } from '../../ir/plan.ts';
import type { Stored } from './instructions.ts';
import { element, mapType } from './kernels/kernel.ts';

/** Whole outputs, `[channels, ...extents]`, of the owned cells of all tiles; a cell that is missing or twice there throws. */
export function assemble(plan: Plan, stored: readonly Stored[]): Map<string, Float64Array> {
  const types = modelTypes(plan.model);
  const whole = new Map<string, Float64Array>();
  const filled = new Map<string, number>();
  for (const { output, value, box, values } of stored) {
    const { channels, box: all } = mapType(types.get(value));
    const target = whole.get(output) ?? new Float64Array(channels * volume(all)).fill(Number.NaN);
    whole.set(output, target);
    filled.set(output, (filled.get(output) ?? 0) + values.length);
    placesOf(box, all, channels).forEach((place, i) => {
      if (!Number.isNaN(element(target, place))) throw new Error(`a cell of ${output} is stored twice`);
      target[place] = element(values, i);
    });
  }
  for (const [output, values] of whole)
    if (filled.get(output) !== values.length) throw new Error(`cells of ${output} are missing`);
  return whole;
}

/** Index in maps of the cells `all` of each cell of `box`, channel by channel, row-major. */
function placesOf(box: Stored['box'], all: Stored['box'], channels: number): number[] {
  const axes = [
    { from: 0, to: channels, size: channels },
    ...box.map((r, axis) => ({ ...r, size: at(all, axis).to })),
  ];
  return axes.reduce<number[]>(
    (places, { from, to, size }) =>
      places.flatMap((place) => Array.from({ length: to - from }, (_, i) => place * size + from + i)),
    [0],
  );
}
