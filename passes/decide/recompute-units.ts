import type { Tape } from './recompute-tape.ts';

/** Values that are dropped together. */
export type Unit = {
  readonly values: readonly number[];
  /** Seconds of making all of them again. */
  readonly price: number;
};

/** Beyond so many values alike ones share a unit, and there are about `fewer` of them. */
const most = 320;
const fewer = 100;

/**
 * The values that may be dropped: each on its own, or, where they are too many, those of one size and price in turns:
 * of a block's cells each second, third, ... one goes together, so that what is made again at once stays short.
 */
export function unitsOf({ values }: Tape): Unit[] {
  const alike = new Map<string, number[]>();
  let count = 0;
  values.forEach(({ bytes, price }, value) => {
    if (price === undefined || bytes === 0) return;
    const key = `${bytes} ${price}`;
    const known = alike.get(key);
    if (known === undefined) alike.set(key, [value]);
    else known.push(value);
    count++;
  });
  const turns = count > most ? count / fewer : 1;
  return [...alike.values()].flatMap((group) => {
    const parts = Math.ceil(group.length / turns);
    return Array.from({ length: parts }, (_, part): Unit => {
      const members = group.filter((_value, index) => index % parts === part);
      const price = members.reduce((sum, value) => sum + (values[value]?.price ?? 0), 0);
      return { values: members, price };
    });
  });
}
