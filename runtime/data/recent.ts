/** Keeps what was used last. */
export type Recent<T> = {
  readonly get: (key: string) => T | undefined;
  /** Lets go of what was used longest ago until all of it together is no larger than `most`; gives it. */
  readonly set: (key: string, value: T, most: number) => T[];
};

export function createRecent<T>(sizeOf: (value: T) => number): Recent<T> {
  // A Map keeps the order in which keys were set: the one that was used last is at the end.
  const kept = new Map<string, T>();
  let total = 0;
  const take = (key: string): T | undefined => {
    const found = kept.get(key);
    if (found !== undefined && kept.delete(key)) total -= sizeOf(found);
    return found;
  };
  const put = (key: string, value: T): void => {
    kept.set(key, value);
    total += sizeOf(value);
  };
  return {
    get(key) {
      const found = take(key);
      if (found !== undefined) put(key, found);
      return found;
    },
    set(key, value, most) {
      take(key);
      put(key, value);
      const gone: T[] = [];
      for (const [oldest, one] of kept) {
        if (total <= most) break;
        take(oldest);
        gone.push(one);
      }
      return gone;
    },
  };
}
