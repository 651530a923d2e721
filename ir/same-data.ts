/** Whether lists are as long, and what stands in the same place is alike. */
export function pairwise<T>(
  some: readonly T[],
  others: readonly T[],
  alike: (one: T, other: T) => boolean,
): boolean {
  if (some.length !== others.length) return false;
  for (let i = 0; i < some.length; i++) if (!alike(some[i] as T, others[i] as T)) return false;
  return true;
}

/** The same strings or numbers, in the same order. */
export const sameItems = <T extends string | number>(some: readonly T[], others: readonly T[]): boolean =>
  some === others || pairwise(some, others, (mine, theirs) => mine === theirs);

/** Whether two are the same data, whatever objects they are. */
export function isSameData(one: unknown, other: unknown): boolean {
  if (one === other) return true;
  if (typeof one !== 'object' || typeof other !== 'object' || one === null || other === null) return false;
  if (Array.isArray(one)) return Array.isArray(other) && pairwise<unknown>(one, other, isSameData);
  const [mine, theirs] = [one, other] as readonly Readonly<Record<string, unknown>>[];
  if (mine === undefined || theirs === undefined || Array.isArray(other)) return false;
  return sameRecords(mine, theirs);
}

/** Without lists of keys: large plans ask it of many small records. */
function sameRecords(mine: Readonly<Record<string, unknown>>, theirs: typeof mine): boolean {
  let more = 0;
  for (const _ in theirs) more++;
  for (const key in mine) {
    more--;
    if (!isSameData(mine[key], theirs[key])) return false;
  }
  return more === 0;
}
