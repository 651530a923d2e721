/** Who reads each value of a tape, as far as that depends on what is chosen. For the search, which looks at thousands of choices. */
import { type Arrays, type Lists, listsOf } from './arrays.ts';
import type { Drops, Tape } from './tape.ts';

/** Who reads each value, as far as it depends on what is chosen. */
export type Reading = {
  /** Steps of the forward pass. */
  readonly forward: number;
  /** 1 for what the forward pass makes, and for all that the backward pass makes. */
  readonly isMade: Uint8Array;
  /** 1 for bytes that are noted. */
  readonly isNoted: Uint8Array;
  /** The steps that read a value last in the forward pass, and first and last in the backward pass; -1: none. */
  readonly aheadStep: Int32Array;
  readonly firstStep: Int32Array;
  readonly lastStep: Int32Array;
  /** Of each of the tape's bytes: themselves, and the values of which it depends on them who reads them. */
  readonly depending: Lists;
  /** Takes up the bytes that are noted; all values are made. */
  begin(drops: Drops): void;
  /**
   * Whether the forward pass makes a value that is dropped: what is kept or a result is made of it. Asked for from the
   * last that is made to the first.
   */
  want(value: number): boolean;
};

export function readingOf(tape: Tape, arrays: Arrays): Reading {
  const { reads, readers, backReaders, makes, maker, late, lean, leanBy, bytes } = arrays;
  const size = tape.values.length;
  const isNoted = new Uint8Array(size);
  const isMade = new Uint8Array(size).fill(1);
  for (const value of bytes) isMade[value] = 0;
  const aheadStep = new Int32Array(size);
  const firstStep = new Int32Array(size);
  const lastStep = new Int32Array(size);
  const isRead = (step: number, value: number): boolean => {
    const by = leanBy[step] as number;
    if (by < 0) return true;
    const { starts, items } = isNoted[by] === 1 ? lean : reads;
    const end = starts[step + 1] as number;
    for (let i = starts[step] as number; i < end; i++) if (items[i] === value) return true;
    return false;
  };
  const findBack = (value: number): void => {
    const { starts, items } = backReaders;
    const end = starts[value + 1] as number;
    firstStep[value] = lastStep[value] = -1;
    for (let i = starts[value] as number; i < end; i++) {
      const step = items[i] as number;
      if (!isRead(step, value)) continue;
      if (firstStep[value] === -1) firstStep[value] = step;
      lastStep[value] = step;
    }
  };
  const findAhead = (value: number): void => {
    const { starts, items } = readers;
    const begin = starts[value] as number;
    let i = (starts[value + 1] as number) - 1;
    while (i >= begin && isMade[makes[items[i] as number] as number] === 0) i--;
    aheadStep[value] = i < begin ? -1 : (items[i] as number);
  };
  const findAheadOfInputs = (value: number): void => {
    const step = maker[value] as number;
    const end = reads.starts[step + 1] as number;
    for (let i = reads.starts[step] as number; i < end; i++) findAhead(reads.items[i] as number);
  };
  for (let value = 0; value < size; value++) {
    findAhead(value);
    findBack(value);
  }
  // By bytes: of what it depends on them who reads it.
  const depending = new Map([...bytes].map((value) => [value, new Set<number>()]));
  for (const [step, by] of leanBy.entries())
    for (const { starts, items } of [reads, lean])
      for (const value of items.subarray(starts[step], starts[step + 1])) depending.get(by)?.add(value);
  const lists = listsOf([...bytes].map((value) => [...(depending.get(value) ?? [])]));
  const unmade: number[] = [];
  return {
    forward: tape.forward,
    isMade,
    isNoted,
    aheadStep,
    firstStep,
    lastStep,
    depending: listsOf(
      [...bytes].map((value, i) => [
        ...new Set([value, ...itemsOf(lists, i), ...itemsOf(reads, maker[value] as number)]),
      ]),
    ),
    begin(drops) {
      while (unmade.length > 0) {
        const value = unmade.pop() as number;
        isMade[value] = 1;
        findAheadOfInputs(value);
      }
      for (let i = 0; i < bytes.length; i++) {
        const value = bytes[i] as number;
        if (isNoted[value] === drops[value]) continue;
        isMade[value] = isNoted[value] = drops[value] as number;
        findAheadOfInputs(value);
        const end = lists.starts[i + 1] as number;
        for (let j = lists.starts[i] as number; j < end; j++) findBack(lists.items[j] as number);
      }
    },
    want(value) {
      if (late[value] === 1 || (aheadStep[value] as number) >= 0) return true;
      isMade[value] = 0;
      unmade.push(value);
      findAheadOfInputs(value);
      return false;
    },
  };
}

const itemsOf = ({ starts, items }: Lists, list: number): Int32Array =>
  items.subarray(starts[list], starts[list + 1]);
