/**
 * What can be said about a text before anything is evaluated: names that nobody defined, functions called
 * in a way they cannot be, recursion. Each once, whether or not the place is ever reached.
 */
import { type Diagnostic, diagnose, fault, type Span } from '../../ir/diagnostics/diagnostic.ts';
import type {
  Argument,
  Arm,
  Ast,
  Call,
  Expression,
  FunctionStatement,
  Identifier,
  ParameterName,
  Statement,
} from './ast.ts';
import type { ArmForms } from './builtin.ts';
import { builtins } from './builtins.ts';
import type { Reporter, UserFunction } from './context.ts';
import { bindArguments, type Signature } from './signature.ts';
import { suggestion } from './suggest.ts';
import { trainStatement } from './training.ts';
import { reservedWords, valueWords } from './value.ts';

type Definition = { readonly line: number; readonly function?: UserFunction };

type Scope = { readonly names: ReadonlySet<string>; readonly outer: Scope | undefined };

type Resolver = {
  readonly defined: Map<string, Definition>;
  /** All definitions of the text, for words about those further down. */
  readonly all: ReadonlyMap<string, Statement>;
  /** Names that a statement which could not be read may define. */
  readonly broken: ReadonlySet<string>;
  readonly report: (diagnostic: Diagnostic) => void;
  /** Enough has been reported: further words are not worth their work. */
  readonly isFull: () => boolean;
};

export const normalizedSignature: Signature = {
  name: 'normalized',
  parameters: [{ name: 'mean' }, { name: 'std' }],
};

/** The signature of a function of the text. */
export const signatureOf = ({ name, parameters }: FunctionStatement): Signature => ({
  name: name.name,
  parameters: parameters.map((p) =>
    p.default === undefined ? { name: p.name } : { name: p.name, shown: '...' },
  ),
});

/** Everything that is wrong with the names of a text. */
export function resolve({ statements }: Ast, { report, isFull }: Reporter): void {
  const broken = new Set(statements.flatMap((s) => (s.kind === 'broken' ? s.names : [])));
  const all = new Map<string, Statement>();
  for (const statement of statements) {
    const name = definedName(statement)?.name;
    if (name !== undefined && !all.has(name)) all.set(name, statement);
  }
  const resolver: Resolver = { defined: new Map(), all, broken, report, isFull };
  for (const statement of statements) {
    resolveStatement(statement, resolver);
    define(statement, resolver);
  }
}

function definedName(statement: Statement): Identifier | undefined {
  const { kind } = statement;
  return kind === 'let' || kind === 'function' || kind === 'input' || kind === 'target'
    ? statement.name
    : undefined;
}

function define(statement: Statement, { defined, report }: Resolver): void {
  const name = definedName(statement);
  if (name === undefined) return;
  const earlier = defined.get(name.name);
  const taken = (what: string): void =>
    report(diagnose(fault('name-taken', { name: name.name, what }), { span: name.at }));
  if (builtins.has(name.name)) taken('a built-in function');
  else if (earlier !== undefined) taken(`defined in line ${earlier.line}`);
  else if (statement.kind !== 'function' && reservedWords.some((word) => word === name.name))
    taken('a word of the language');
  const own = statement.kind === 'function' ? { statement, signature: signatureOf(statement) } : undefined;
  if (earlier === undefined)
    defined.set(name.name, { line: name.at.line, ...(own === undefined ? {} : { function: own }) });
}

function resolveStatement(statement: Statement, resolver: Resolver): void {
  switch (statement.kind) {
    case 'let':
    case 'output':
    case 'loss':
      walk(statement.value, undefined, resolver);
      break;
    case 'function':
      walkFunction(statement.parameters, statement.body, undefined, resolver);
      break;
    case 'input':
    case 'target': {
      const { sizes, classes } = statement.type;
      for (const size of [...sizes, ...(classes === undefined ? [] : [classes])])
        walk(size, undefined, resolver);
      if (statement.kind === 'input') walkScaling(statement, resolver);
      break;
    }
    case 'train':
      walkArguments(trainStatement.signature, statement.arguments, statement.at, undefined, resolver);
      break;
  }
}

function walkScaling({ scaling }: Extract<Statement, { kind: 'input' }>, resolver: Resolver): void {
  if (scaling?.kind === 'scaled') walk(scaling.factor, undefined, resolver);
  if (scaling?.kind === 'normalized')
    walkArguments(normalizedSignature, scaling.arguments, scaling.at, undefined, resolver);
}

function walkFunction(
  parameters: readonly ParameterName[],
  body: Expression,
  outer: Scope | undefined,
  resolver: Resolver,
): void {
  const names = new Set<string>();
  for (const parameter of parameters) {
    if (parameter.default !== undefined) walk(parameter.default, { names, outer }, resolver);
    if (names.has(parameter.name))
      resolver.report(
        diagnose(fault('name-taken', { name: parameter.name, what: 'a parameter here' }), {
          span: parameter.at,
        }),
      );
    names.add(parameter.name);
  }
  walk(body, { names, outer }, resolver);
}

function walk(expression: Expression, scope: Scope | undefined, resolver: Resolver): void {
  switch (expression.kind) {
    case 'name':
      checkName(expression, scope, resolver);
      break;
    case 'call':
      walkCall(expression, scope, resolver);
      break;
    case 'comprehension':
      walk(expression.list, scope, resolver);
      walk(expression.item, { names: new Set([expression.variable.name]), outer: scope }, resolver);
      break;
    case 'body': {
      const names = new Set<string>();
      const inner = { names, outer: scope };
      for (const { name, value } of expression.lets) {
        walk(value, inner, resolver);
        if (names.has(name.name))
          resolver.report(
            diagnose(fault('name-taken', { name: name.name, what: 'defined in these brackets' }), {
              span: name.at,
            }),
          );
        names.add(name.name);
      }
      walk(expression.result, inner, resolver);
      break;
    }
    default:
      for (const part of partsOf(expression)) walk(part, scope, resolver);
  }
}

/** The expressions an expression without names of its own is made of. */
function partsOf(expression: Expression): readonly Expression[] {
  switch (expression.kind) {
    case 'binary':
      return [expression.left, expression.right];
    case 'unary':
      return [expression.operand];
    case 'list':
      return expression.items;
    case 'pair':
      return [expression.low, expression.high];
    case 'index':
      return [expression.list, expression.index];
    case 'if':
      return [expression.condition, expression.yes, expression.no];
    default:
      return [];
  }
}

function localNames(scope: Scope | undefined): string[] {
  const names: string[] = [];
  for (let s = scope; s !== undefined; s = s.outer) names.push(...s.names);
  return names;
}

const isLocal = (name: string, scope: Scope | undefined): boolean => {
  for (let s = scope; s !== undefined; s = s.outer) if (s.names.has(name)) return true;
  return false;
};

function checkName(
  { name, at }: { name: string; at: Span },
  scope: Scope | undefined,
  resolver: Resolver,
): void {
  const { defined, broken, report } = resolver;
  const definition = defined.get(name);
  const isValue = definition !== undefined && definition.function === undefined;
  if (
    name === '' ||
    isLocal(name, scope) ||
    isValue ||
    broken.has(name) ||
    valueWords.some((w) => w === name) ||
    resolver.isFull()
  )
    return;
  if (definition !== undefined || builtins.has(name)) {
    report(diagnose(fault('function-as-value', { name }), { span: at }));
    return;
  }
  const values = [...defined].filter(([, d]) => d.function === undefined).map(([known]) => known);
  const hint = definedBelow(name, resolver) ?? suggestion(name, [...localNames(scope), ...values, ...broken]);
  report(diagnose(fault('unknown-name', { name }), { span: at, hint }));
}

function definedBelow(name: string, { all, defined }: Resolver): string | undefined {
  const below = all.get(name);
  if (below === undefined || defined.has(name)) return undefined;
  return `it is defined in line ${below.at.line}: names are defined before they are used, so move that up`;
}

function walkCall(expression: Call, scope: Scope | undefined, resolver: Resolver): void {
  const { callee, at, arms } = expression;
  const own = resolver.defined.get(callee)?.function;
  const builtin = own === undefined ? builtins.get(callee) : undefined;
  const signature = own?.signature ?? builtin?.signature;
  if (signature === undefined) {
    reportUnknown(expression, scope, resolver);
    for (const { value } of expression.arguments) walk(value, scope, resolver);
  } else walkArguments(signature, expression.arguments, at, scope, resolver);
  for (const { parameters, body } of arms ?? []) walkFunction(parameters, body, scope, resolver);
  if (signature !== undefined) checkArms(callee, at, builtin?.arms, arms, resolver);
}

function walkArguments(
  signature: Signature,
  list: readonly Argument[],
  at: Span,
  scope: Scope | undefined,
  resolver: Resolver,
): void {
  for (const { value } of list) walk(value, scope, resolver);
  const lost = signature.parameters.some(({ name }) => resolver.broken.has(name));
  for (const problem of bindArguments(signature, list, at).problems)
    if (!(lost && problem.code === 'missing-argument')) resolver.report(problem);
}

function reportUnknown({ callee, at }: Call, scope: Scope | undefined, resolver: Resolver): void {
  const { defined, broken, all, report } = resolver;
  if (callee === '' || broken.has(callee) || resolver.isFull()) return;
  if (isLocal(callee, scope) || defined.has(callee)) {
    report(
      diagnose(fault('value-as-function', { name: callee }), {
        span: at,
        hint: 'a product is written with `*`: `a * (b + c)`',
      }),
    );
    return;
  }
  const cycle = cycleThrough(callee, all);
  if (cycle !== undefined) {
    const through =
      cycle.length === 1
        ? ''
        : `, through ${cycle
            .slice(1)
            .map((name) => `\`${name}\``)
            .join(' and ')}`;
    report(diagnose(fault('recursion', { name: callee, through }), { span: at }));
    return;
  }
  const functions = [
    ...builtins.keys(),
    ...[...defined].filter(([, d]) => d.function !== undefined).map(([name]) => name),
  ];
  const hint = definedBelow(callee, resolver) ?? suggestion(callee, functions);
  report(diagnose(fault('unknown-function', { name: callee }), { span: at, hint }));
}

/** The functions on a way from `name` back to itself. */
function cycleThrough(name: string, all: ReadonlyMap<string, Statement>): string[] | undefined {
  const visited = new Set<string>();
  function search(at: string, path: readonly string[]): string[] | undefined {
    const statement = all.get(at);
    if (visited.has(at) || statement?.kind !== 'function' || path.length > 200) return undefined;
    visited.add(at);
    const callees = calledBy(statement.body);
    if (callees.has(name)) return [...path, at];
    for (const callee of callees) {
      const found = search(callee, [...path, at]);
      if (found !== undefined) return found;
    }
    return undefined;
  }
  return search(name, []);
}

function calledBy(expression: Expression, found: Set<string> = new Set()): Set<string> {
  switch (expression.kind) {
    case 'call':
      found.add(expression.callee);
      for (const { value } of expression.arguments) calledBy(value, found);
      for (const { body } of expression.arms ?? []) calledBy(body, found);
      break;
    case 'comprehension':
      calledBy(expression.item, found);
      calledBy(expression.list, found);
      break;
    case 'body':
      for (const { value } of expression.lets) calledBy(value, found);
      calledBy(expression.result, found);
      break;
    default:
      for (const part of partsOf(expression)) calledBy(part, found);
  }
  return found;
}

const showForms = (callee: string, forms: ArmForms): string => {
  const needed = Object.entries(forms).filter(([, { optional }]) => optional !== true);
  const arms = needed.map(([name, { parameters }]) => `${name}(${parameters.join(', ')}) = ...`);
  return `\`${callee}(...) { ${arms.join('  ')} }\``;
};

/** The functions in the curly brackets of a combinator against those it calls. */
function checkArms(
  callee: string,
  at: Span,
  forms: ArmForms | undefined,
  arms: readonly Arm[] | undefined,
  { report }: Resolver,
): void {
  if (forms === undefined) {
    if (arms !== undefined) report(diagnose(fault('unexpected-arms', { callee }), { span: at }));
    return;
  }
  const form = showForms(callee, forms);
  const seen = new Set<string>();
  for (const { name, parameters } of arms ?? []) {
    const wanted = Object.hasOwn(forms, name.name) ? forms[name.name] : undefined;
    if (wanted === undefined) {
      const near = suggestion(name.name, Object.keys(forms));
      report(
        diagnose(fault('unknown-arm', { callee, name: name.name, form }), { span: name.at, hint: near }),
      );
    } else if (wanted.parameters.length !== parameters.length) {
      const words = { name: name.name, expected: wanted.parameters.length, given: parameters.length, form };
      report(diagnose(fault('arm-parameters', words), { span: name.at }));
    }
    if (seen.has(name.name))
      report(
        diagnose(fault('name-taken', { name: name.name, what: 'defined in these brackets' }), {
          span: name.at,
        }),
      );
    seen.add(name.name);
  }
  const unknownArm = (arms ?? []).some(({ name }) => !Object.hasOwn(forms, name.name));
  const missing = Object.entries(forms).find(([name, { optional }]) => optional !== true && !seen.has(name));
  if (missing !== undefined && !unknownArm)
    report(diagnose(fault('missing-arm', { callee, name: missing[0], form }), { span: at }));
}
