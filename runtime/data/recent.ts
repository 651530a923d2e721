/** Keeps what was used last, as long as all of it together is no larger than `most`. */
export type Recent<T> = {
  readonly get: (key: string) => T | undefined;
  readonly set: (key: string, value: T) => void;
};

export function createRecent<T>(most: number, sizeOf: (value: T) => number): Recent<T> {
  // A Map keeps the order in which keys were set: the one that was used last is at the end.
  const kept = new Map<string, T>();
  let total = 0;
  return {
    get(key) {
      const found = kept.get(key);
      if (found === undefined) return undefined;
      kept.delete(key);
      kept.set(key, found);
      return found;
    },
    set(key, value) {
      const before = kept.get(key);
      if (before !== undefined) total -= sizeOf(before);
      kept.delete(key);
      kept.set(key, value);
      total += sizeOf(value);
      for (const [oldest, one] of kept) {
        if (total <= most) break;
        kept.delete(oldest);
        total -= sizeOf(one);
      }
    },
  };
}
