/** How built-in functions are declared: the kind of each argument, and what the call makes of them. */
import { fault } from '../../ir/diagnostics/diagnostic.ts';
import { refuse, type Site } from './context.ts';
import type { Signature } from './signature.ts';
import { describeValue, unknown, type Value } from './value.ts';

/** Takes an argument's value if it is of the expected kind. `shown`: the default, as in the signature. */
export type Reader<T> = {
  readonly expected: string;
  read(value: Value, rank: number): T | undefined;
  readonly shown?: string;
  readonly fallback?: T;
};

/** `missing`: a parameter of the signature that was not given and has no default worth a value. */
type Taken<S> = { readonly [K in keyof S]: S[K] extends Reader<infer T> ? T : never };

export type Builtin = {
  readonly doc: string;
  readonly signature: Signature;
  /** The functions that its curly brackets must or may hold. */
  readonly arms?: ArmForms;
  run(site: Site, values: ReadonlyMap<string, readonly Value[]>): Value;
};

/** A combinator's functions: the parameters of each, and whether it may be left out. */
export type ArmForms = Readonly<
  Record<string, { readonly parameters: readonly string[]; readonly optional?: true }>
>;

type Details<S> = {
  readonly doc: string;
  readonly parameters: S;
  readonly variadic?: true;
  readonly arms?: ArmForms;
  readonly run: (args: Taken<S>, site: Site) => Value;
};

/** A built-in function. Its arguments are read before it runs; one of the wrong kind is reported here. */
export function builtin<S extends Readonly<Record<string, Reader<unknown>>>>(
  name: string,
  { doc, parameters, variadic, arms, run }: Details<S>,
): [string, Builtin] {
  const entries = Object.entries(parameters);
  const signature: Signature = {
    name,
    parameters: entries.map(([key, { shown }]) =>
      shown === undefined ? { name: key } : { name: key, shown },
    ),
    ...(variadic === undefined ? {} : { variadic }),
  };
  return [
    name,
    {
      doc,
      signature,
      ...(arms === undefined ? {} : { arms }),
      run(site, values) {
        const args: Record<string, unknown> = {};
        let complete = true;
        for (const [key, reader] of entries) {
          const given = values.get(key);
          const value = variadic === true && given !== undefined ? listOf(given) : given?.[0];
          const taken = take(site, key, reader, value);
          complete &&= taken !== undefined;
          args[key] = taken?.value;
        }
        if (!complete) return unknown;
        // each key was read by the reader of that key, which is what the mapped type says
        return run(args as Taken<S>, site);
      },
    },
  ];
}

const listOf = (items: readonly Value[]): Value =>
  items.some(({ kind }) => kind === 'unknown') ? unknown : { kind: 'list', items };

/** Of a list that is wrong the element that is wrong on its own too, else the list. */
function culprit({ context }: Site, reader: Reader<unknown>, value: Value): Value {
  if (value.kind !== 'list' || value.items.length > 100) return value;
  const ofAnyLength = reader.read({ kind: 'list', items: [] }, context.rank) !== undefined;
  if (!ofAnyLength) return value;
  const wrong = value.items.find(
    (item) => reader.read({ kind: 'list', items: [item] }, context.rank) === undefined,
  );
  return wrong ?? value;
}

/** Elements to look at: reading long lists again and again is work too. */
function lengthOf(value: Value): number {
  if (value.kind !== 'list') return 0;
  return value.items.reduce((sum, item) => sum + (item.kind === 'list' ? item.items.length : 1), 0);
}

function take(
  site: Site,
  key: string,
  reader: Reader<unknown>,
  value: Value | undefined,
): { value: unknown } | undefined {
  if (value === undefined) return { value: reader.fallback };
  if (value.kind === 'unknown' || !site.context.spend(lengthOf(value), site.at)) return undefined;
  const read = reader.read(value, site.context.rank);
  if (read !== undefined) return { value: read };
  const what = `\`${key}\` of \`${site.callee}\``;
  const words = { what, expected: reader.expected, found: describeValue(culprit(site, reader, value)) };
  refuse(site, fault('wrong-kind', words), { span: site.expressions.get(key)?.[0]?.at ?? site.at });
  return undefined;
}

/** The same kind of argument, but it may be left out. */
export const withDefault = <T>(reader: Reader<T>, fallback: T, shown = String(fallback)): Reader<T> => ({
  ...reader,
  fallback,
  shown,
});

/** May be left out; what that means is said by `shown` and up to the function. */
export const optional = <T>(reader: Reader<T>, shown: string): Reader<T | undefined> => ({
  ...reader,
  shown,
});
