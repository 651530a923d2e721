/** What differs between two that are nearly the same data, to be written in place of the second. */

/** `[x]`: x in its place. A record: the entries of a record, or of a list by index, that differ, and how. */
export type Difference = readonly [unknown] | { readonly [entry: string]: Difference };

type Branch = Readonly<Record<string, unknown>>;

/** Records and lists. */
const isBranch = (data: unknown): data is Branch => typeof data === 'object' && data !== null;

/** How `other` differs from `one`; undefined where it does not. */
export const differenceOf = (one: unknown, other: unknown): Difference | undefined =>
  differ(one, other, new Map());

/** By list another that it was held against, and how that differs: lists are shared by what is the same again and again. */
type Known = Map<object, { readonly other: object; readonly difference: Difference | undefined }>;

function differ(one: unknown, other: unknown, known: Known): Difference | undefined {
  if (one === other) return undefined;
  if (!isBranch(one) || !isBranch(other) || Array.isArray(one) !== Array.isArray(other)) return [other];
  if (!Array.isArray(one)) return ofRecords(one, other, known);
  const before = known.get(one);
  if (before?.other === other) return before.difference;
  const difference: Difference | undefined = Array.isArray(other) ? ofLists(one, other, known) : [other];
  known.set(one, { other, difference });
  return difference;
}

function ofRecords(one: Branch, other: Branch, known: Known): Difference | undefined {
  let entries: Record<string, Difference> | undefined;
  // Programs of large plans have millions of entries, so no lists of keys are made.
  let more = 0;
  for (const _ in other) more++;
  for (const key in one) {
    more--;
    const mine = one[key];
    const theirs = other[key];
    if (mine === theirs && mine !== undefined) continue;
    if (!Object.hasOwn(other, key)) return [other];
    const difference = differ(mine, theirs, known);
    if (difference === undefined) continue;
    entries ??= {};
    entries[key] = difference;
  }
  return more === 0 ? entries : [other];
}

function ofLists(one: readonly unknown[], other: readonly unknown[], known: Known): Difference | undefined {
  if (one.length !== other.length) return [other];
  let entries: Record<string, Difference> | undefined;
  for (let index = 0; index < one.length; index++) {
    const difference = differ(one[index], other[index], known);
    if (difference === undefined) continue;
    entries ??= {};
    entries[index] = difference;
  }
  return entries;
}

const hasEntry = (data: Branch, key: string): boolean =>
  Array.isArray(data)
    ? /^(0|[1-9]\d*)$/.test(key) && Number(key) < data.length
    : key !== '__proto__' && Object.hasOwn(data, key);

/** What differs from `one` like that; it shares the rest with it. `path`: where the difference was read. */
export function differing(
  one: unknown,
  difference: unknown,
  path: string,
): { value: unknown } | { problem: string } {
  if (Array.isArray(difference) && difference.length === 1) return { value: difference[0] };
  if (!isBranch(difference) || Array.isArray(difference)) return { problem: `${path} is not a difference` };
  if (!isBranch(one)) return { problem: `${path} is of what has no entries` };
  const made = (Array.isArray(one) ? [...one] : { ...one }) as Record<string, unknown>;
  for (const [key, entry] of Object.entries(difference)) {
    if (!hasEntry(one, key)) return { problem: `${path}.${key} is of what is not there` };
    const found = differing(one[key], entry, `${path}.${key}`);
    if ('problem' in found) return found;
    made[key] = found.value;
  }
  return { value: made };
}
