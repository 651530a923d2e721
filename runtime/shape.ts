/**
 * Type guards for data from outside (JSON), made of small ones. A guard for a record must list exactly the
 * fields of its type, so a field that is added to the type is missed by the type checker, not at run time.
 */

/** Takes the first problem; `path` is where it is, like `roles[2].buffers`. */
export type Complain = (path: string, problem: string) => void;

export type Guard<T> = (value: unknown, path: string, complain: Complain) => value is T;

const refuse = (path: string, complain: Complain, expected: string): false => {
  complain(path, `is not ${expected}`);
  return false;
};

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export const text: Guard<string> = (value, path, complain): value is string =>
  typeof value === 'string' || refuse(path, complain, 'a text');

export const flag: Guard<boolean> = (value, path, complain): value is boolean =>
  typeof value === 'boolean' || refuse(path, complain, 'true or false');

export const number: Guard<number> = (value, path, complain): value is number =>
  (typeof value === 'number' && Number.isFinite(value)) || refuse(path, complain, 'a number');

export const integer: Guard<number> = (value, path, complain): value is number =>
  Number.isSafeInteger(value) || refuse(path, complain, 'an integer');

/** An integer from 0 on. */
export const count: Guard<number> = (value, path, complain): value is number =>
  (Number.isSafeInteger(value) && Number(value) >= 0) || refuse(path, complain, 'a count');

export const oneOf =
  <T extends string>(...words: readonly T[]): Guard<T> =>
  (value, path, complain): value is T =>
    words.some((word) => word === value) || refuse(path, complain, words.join(' or '));

export const list =
  <T>(item: Guard<T>): Guard<readonly T[]> =>
  (value, path, complain): value is readonly T[] =>
    Array.isArray(value)
      ? value.every((one: unknown, index) => item(one, `${path}[${index}]`, complain))
      : refuse(path, complain, 'a list');

/** Any keys, all values alike. */
export const table =
  <T>(item: Guard<T>): Guard<Readonly<Record<string, T>>> =>
  (value, path, complain): value is Readonly<Record<string, T>> =>
    isRecord(value)
      ? Object.entries(value).every(([key, one]) => item(one, `${path}.${key}`, complain))
      : refuse(path, complain, 'a record');

/** A field that may be absent. */
export const optional =
  <T>(item: Guard<T>): Guard<T | undefined> =>
  (value, path, complain): value is T | undefined =>
    value === undefined || item(value, path, complain);

export type Fields<T> = { readonly [K in keyof T]-?: Guard<T[K]> };

export const record =
  <T>(fields: Fields<T>): Guard<T> =>
  (value, path, complain): value is T => {
    if (!isRecord(value)) return refuse(path, complain, 'a record');
    for (const key in fields) if (!fields[key](value[key], `${path}.${key}`, complain)) return false;
    return true;
  };

/** A union whose members differ in the field `tag`. */
export const tagged =
  <Tag extends string, T extends { readonly [K in Tag]: string }>(
    tag: Tag,
    members: { readonly [K in T[Tag]]: Guard<Extract<T, { readonly [P in Tag]: K }>> },
  ): Guard<T> =>
  (value, path, complain): value is T => {
    if (!isRecord(value)) return refuse(path, complain, 'a record');
    const guards: Readonly<Record<string, Guard<T>>> = members;
    const word = value[tag];
    const guard = typeof word === 'string' && Object.hasOwn(guards, word) ? guards[word] : undefined;
    if (guard !== undefined) return guard(value, path, complain);
    return refuse(`${path}.${tag}`, complain, Object.keys(members).join(' or '));
  };

/** The first problem of a value that ought to be a `T`, or the value. */
export function check<T>(value: unknown, guard: Guard<T>, name: string): { value: T } | { problem: string } {
  let problem = `${name} is malformed`;
  const complain: Complain = (path, words) => {
    problem = `${path} ${words}`;
  };
  return guard(value, name, complain) ? { value } : { problem };
}
