/** Plain data (attributes, sources, options) as text: names, numbers, lists `[a, b]`, records `{k=v}`. */
import { type Cursor, isBareName } from './cursor.ts';

export type Data = string | number | boolean | readonly Data[] | { readonly [key: string]: Data };

export const printName = (name: string): string => (isBareName(name) ? name : JSON.stringify(name));

/** Throws where a number is not finite: it could not be read back. */
export function printData(data: Data): string {
  if (typeof data === 'number' && !Number.isFinite(data)) throw new Error(`no text says the number ${data}`);
  if (typeof data === 'string') return data === 'true' || data === 'false' ? `"${data}"` : printName(data);
  if (typeof data !== 'object') return Object.is(data, -0) ? '-0' : String(data);
  if (isList(data)) return `[${data.map(printData).join(', ')}]`;
  return `{${Object.entries(data)
    .map(([key, value]) => `${printName(key)}=${printData(value)}`)
    .join(', ')}}`;
}

const isList = (data: readonly Data[] | { readonly [key: string]: Data }): data is readonly Data[] =>
  Array.isArray(data);

export function readData(cursor: Cursor): Data {
  const token = cursor.peek();
  if (token.text === '[') return cursor.list(() => readData(cursor));
  if (token.text === '{') return readRecord(cursor);
  if (token.kind === 'number') return cursor.number();
  if (token.kind === 'name' && cursor.take('true')) return true;
  if (token.kind === 'name' && cursor.take('false')) return false;
  return cursor.name('a value');
}

export function readRecord(cursor: Cursor): { [key: string]: Data } {
  const entries = cursor.list(
    (): [string, Data] => {
      const key = cursor.name('a key');
      cursor.expect('=');
      return [key, readData(cursor)];
    },
    '{',
    '}',
  );
  return Object.fromEntries(entries);
}
