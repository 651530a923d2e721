import type { Tape } from './tape.ts';

/** Values that are dropped together, or bytes that are noted together. */
export type Unit = {
  readonly values: readonly number[];
  /** Kept values that nobody keeps then: the dropped ones, or the one that bytes stand for. */
  readonly frees: readonly number[];
  /** Seconds of making all of them again, or of noting the bytes. */
  readonly price: number;
};

/** Beyond so many values alike ones share a unit, and there are about `fewer` of them. */
const most = 320;
const fewer = 100;

/** All that may be chosen. */
export const unitsOf = (tape: Tape): Unit[] => [...droppedUnits(tape), ...notedUnits(tape)];

/**
 * Bytes that are noted together: each value that the backward pass reads only where bytes would do is freed by noting
 * all of these. Where a weight gradient reads it, it is kept whatever is noted; bytes alone then let it go a step earlier.
 */
export function notedUnits({ values, steps, forward }: Tape): Unit[] {
  const readers = new Map<number, (number | undefined)[]>();
  for (const { reads, lean } of steps.slice(forward))
    for (const value of reads)
      readers.set(value, [
        ...(readers.get(value) ?? []),
        lean === undefined || lean.reads.includes(value) ? undefined : lean.bytes,
      ]);
  const units = new Map<string, Unit>();
  values.forEach(({ noting }, value) => {
    if (noting !== undefined) units.set(`${value}`, { values: [value], frees: [], price: noting });
  });
  for (const [freed, all] of readers) {
    const bytes = [...new Set(all.filter((one) => one !== undefined))];
    const { bytes: size = 0, early, late } = values[freed] ?? {};
    if (all.includes(undefined) || size === 0 || early === true || late === true) continue;
    const key = bytes.sort((a, b) => a - b).join();
    const price = bytes.reduce((sum, value) => sum + (values[value]?.noting ?? 0), 0);
    const frees = [...(units.get(key)?.frees ?? []), freed];
    units.set(key, { values: bytes, frees, price });
  }
  return [...units.values()];
}

/**
 * The values that may be dropped: each on its own, or, where they are too many, those of one size and price in turns:
 * of a block's cells each second, third, ... one goes together, so that what is made again at once stays short.
 */
export function droppedUnits({ values }: Tape): Unit[] {
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
      return { values: members, frees: members, price };
    });
  });
}
