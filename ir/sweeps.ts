/**
 * Sweeps: what a device works through one after another goes forward once ahead of all else, where sums over it must be
 * complete before any of it goes backward.
 */
import type { Model } from './model.ts';
import { type Sharers, type Sharing, sharersOf, sumsIn } from './sharers.ts';

const ending = '~sweep';

/** What a sweep computes of a value. */
export const inSweep = (value: string): string => `${value}${ending}`;

export const isInSweep = (name: string): boolean => name.endsWith(ending);

/** The value that a sweep computes; all other names as they are. */
export const outOfSweep = (name: string): string => (isInSweep(name) ? name.slice(0, -ending.length) : name);

/** What a tile of a micro-batch adds to a sum. */
export const partOfSum = (sum: string): string => `${sum}~part`;

/** The sums of a training that a sweep makes, by name. */
export const sweptSums = (model: Model, schedule: Sharing, samples: number): Map<string, Sharers> =>
  new Map(
    [...sumsIn(model)].flatMap(([name, reader]): [string, Sharers][] => {
      const sharers = sharersOf(reader, schedule, samples);
      return sharers.rounds > 1 ? [[name, sharers]] : [];
    }),
  );

/** The ops of the model, by their index, that go forward in a sweep for some sums. */
export function opsOfSweep({ ops }: Model, sums: readonly string[]): Set<number> {
  const wanted = new Set(sums);
  const found = new Set<number>();
  for (const [index, { output, inputs }] of [...ops.entries()].reverse()) {
    if (!wanted.has(output)) continue;
    found.add(index);
    for (const name of inputs) wanted.add(name);
  }
  return found;
}
