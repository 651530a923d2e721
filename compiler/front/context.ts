/** What an evaluation carries along: where it stands, what is defined, and where faults go. */
import { type Diagnostic, diagnose, type Extras, fault, type Span } from '../../ir/diagnostics/diagnostic.ts';
import type { Code } from '../../ir/diagnostics/table.ts';
import type { Fault } from '../../ir/ops/definition.ts';
import type { Expression, FunctionStatement } from './ast.ts';
import { limits } from './limits.ts';
import type { Network } from './network.ts';
import type { Signature } from './signature.ts';
import { unknown, type Value } from './value.ts';

export type UserFunction = { readonly statement: FunctionStatement; readonly signature: Signature };

export type Purpose = 'train' | 'predict';

export type Context = {
  readonly network: Network;
  readonly purpose: Purpose;
  /** Values and functions of the top of the text, as far as it has been evaluated. */
  readonly globals: Map<string, Value>;
  readonly functions: Map<string, UserFunction>;
  /** Spatial axes, known once the first input is; and that input's name. */
  rank: number;
  rankOf: string;
  /** The largest step, in cells of the input, between cells of any tensor so far. */
  coarsest: number;
  /** Targets take the size of what they are compared with: sizes were given from outside. */
  readonly targetsFollow: boolean;
  /** The result that is the prediction for each target: the first that a loss compares with it. */
  readonly predictions: Map<string, string>;
  /** Where in the text each op was asked for. */
  readonly places: Map<string, Span>;
  /** Inputs that hold denominators of losses, by what they count. */
  readonly counts: Map<string, string>;
  /** Top-level names that sizes of inputs depend on: worth showing beside a fault about sizes. */
  readonly sizeNames: Set<string>;
  readonly report: (diagnostic: Diagnostic) => void;
  /** True where the same has been said of the same place: its words need not be made again. */
  readonly isReported: (code: Code, span: Span) => boolean;
  /** Counts evaluations; false when the text has used up its allowance. */
  readonly spend: (steps: number, at: Span) => boolean;
};

/** Names of one function call or one pair of curly brackets, and those around it. */
export type Locals = { readonly values: Map<string, Value>; readonly outer: Locals | undefined };

export type Env = {
  readonly locals: Locals | undefined;
  /** Scope for names of ops: `unet.encode[0]`. */
  readonly path: string;
  readonly depth: number;
};

export const topLevel: Env = { locals: undefined, path: '', depth: 0 };

export function lookup(name: string, env: Env, context: Context): Value | undefined {
  for (let scope = env.locals; scope !== undefined; scope = scope.outer) {
    const value = scope.values.get(name);
    if (value !== undefined) return value;
  }
  return context.globals.get(name);
}

/** `   (l = 2, side = 500)`: the numbers that a shape at this place depends on. */
export function bindingsAt(env: Env, context: Context): string {
  const shown = new Map<string, number>();
  for (let scope = env.locals; scope !== undefined; scope = scope.outer)
    for (const [name, value] of scope.values)
      if (value.kind === 'number' && !shown.has(name)) shown.set(name, value.value);
  for (const name of context.sizeNames) {
    const value = context.globals.get(name);
    if (value?.kind === 'number' && !shown.has(name)) shown.set(name, value.value);
  }
  const words = [...shown].slice(0, 6).map(([name, value]) => `${name} = ${value}`);
  return words.length === 0 ? '' : `   (${words.join(', ')})`;
}

export type Reporter = {
  readonly report: (diagnostic: Diagnostic) => void;
  readonly isReported: (code: Code, span: Span) => boolean;
  readonly isFull: () => boolean;
  readonly all: () => readonly Diagnostic[];
};

/** Collects diagnostics: the same fault at the same place, met in many calls, once. */
export function createReporter(): Reporter {
  const seen = new Map<string, Diagnostic>();
  return {
    report(diagnostic) {
      const key = keyOf(diagnostic.code, diagnostic.span);
      if (!seen.has(key) && seen.size < limits.diagnostics) seen.set(key, diagnostic);
    },
    isReported: (code, span) => seen.has(keyOf(code, span)),
    isFull: () => seen.size >= limits.diagnostics,
    all: () => [...seen.values()],
  };
}

const keyOf = (code: Code, span: Span | undefined): string =>
  `${code} ${span?.file}:${span?.line}:${span?.column}`;

/** An allowance of evaluations; running out of it is reported once. */
export function createAllowance(steps: number, report: (diagnostic: Diagnostic) => void): Context['spend'] {
  let left = steps;
  return (used, at) => {
    const before = left;
    left -= used;
    if (left < 0 && before >= 0) report(diagnose(fault('too-much-work', { most: steps }), { span: at }));
    return left >= 0;
  };
}

/** One call of a built-in function: what it may ask and say. */
export type Site = {
  readonly callee: string;
  readonly at: Span;
  readonly env: Env;
  readonly context: Context;
  /** The expressions of each argument, for words about them. */
  readonly expressions: ReadonlyMap<string, readonly Expression[]>;
  readonly arms: ReadonlyMap<string, ArmFunction>;
};

/** A function of a combinator's curly brackets; `path` is the scope of the ops it makes. */
export type ArmFunction = (values: readonly Value[], path: string) => Value;

/** Reports a fault of a call at its place; the call's value is unknown. */
export function refuse(site: Site, problem: Fault, extras: Extras = {}): Value {
  site.context.report(diagnose(problem, { span: site.at, ...extras }));
  return unknown;
}
