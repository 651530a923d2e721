/** User errors are values. One is a code of the table in `table.ts`, its arguments, and a place. */
import { type Code, table } from './table.ts';

export type Arguments = Readonly<Record<string, string | number>>;

/** A place in a text: lines and columns count from 1, `length` in characters of that line. */
export type Span = {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly length: number;
};

/** What is wrong, before anybody knows where: what ops and passes return. */
export type Fault = {
  readonly code: Code;
  readonly args: Arguments;
  /** In place of the table's. */
  readonly hint?: string | undefined;
};

export type Diagnostic = {
  readonly code: Code;
  readonly severity: 'error' | 'warning';
  readonly message: string;
  readonly hint?: string;
  readonly span?: Span;
  /** Words beside the underlined source, where the message alone does not say what the place is. */
  readonly label?: string;
};

export type Result<T> =
  | { readonly ok: true; readonly value: T; readonly warnings: readonly Diagnostic[] }
  | { readonly ok: false; readonly diagnostics: readonly Diagnostic[] };

export const success = <T>(value: T, warnings: readonly Diagnostic[] = []): Result<T> => ({
  ok: true,
  value,
  warnings,
});

export const failure = (...diagnostics: readonly Diagnostic[]): Result<never> => ({ ok: false, diagnostics });

export const fault = (code: Code, args: Arguments = {}): Fault => ({ code, args });

export const isFault = (value: object): value is Fault => 'code' in value && 'args' in value;

/** Puts the arguments into a template: `{name}` becomes `args.name`. A missing argument is our own bug. */
function fill(template: string, args: Arguments): string {
  return template.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = args[name];
    if (value === undefined) throw new Error(`diagnostic template "${template}" lacks {${name}}`);
    return String(value);
  });
}

export type Extras = { span?: Span | undefined; hint?: string | undefined; label?: string | undefined };

/** The table's words for a fault, at a place. A hint given here replaces the table's. */
export function diagnose(
  { code, args, hint: own }: Fault,
  { span, hint = own, label }: Extras = {},
): Diagnostic {
  const entry = table[code];
  const words = hint ?? (entry.hint === undefined ? undefined : fill(entry.hint, args));
  return {
    code,
    severity: entry.severity ?? 'error',
    message: fill(entry.message, args),
    ...(words === undefined ? {} : { hint: words }),
    ...(span === undefined ? {} : { span }),
    ...(label === undefined ? {} : { label }),
  };
}
