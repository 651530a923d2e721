/** Expressions to values: everything in a text is evaluated while it is compiled. */
import { diagnose, type Extras, fault, type Span } from '../../ir/diagnostics/diagnostic.ts';
import type { Fault } from '../../ir/ops/definition.ts';
import { binary, unary } from './arithmetic.ts';
import type { Call, Expression } from './ast.ts';
import type { ArmForms } from './builtin.ts';
import { builtins } from './builtins.ts';
import { type ArmFunction, type Context, type Env, lookup, type Site, type UserFunction } from './context.ts';
import { limits } from './limits.ts';
import { bindArguments } from './signature.ts';
import { boolean, describeValue, number, unknown, type Value, valueWords } from './value.ts';

/** The value of an expression; `unknown`, reported, where it has none. */
export function evaluate(expression: Expression, env: Env, context: Context): Value {
  if (!context.spend(1, expression.at)) return unknown;
  if (env.depth > limits.depth)
    return say(context, expression.at, fault('called-too-deeply', { most: limits.depth }));
  const inner: Env = { ...env, depth: env.depth + 1 };
  switch (expression.kind) {
    case 'number':
      return literal(expression.value, expression.at, context);
    case 'boolean':
      return boolean(expression.value);
    case 'name':
      return nameValue(expression.name, env, context);
    case 'call':
      return call(expression, inner, context);
    case 'binary':
      return evaluateBinary(expression, inner, context);
    case 'unary':
      return unary(expression, evaluate(expression.operand, inner, context), context);
    case 'list':
      return { kind: 'list', items: expression.items.map((item) => evaluate(item, inner, context)) };
    case 'comprehension':
      return comprehension(expression, inner, context);
    case 'pair':
      return {
        kind: 'pair',
        low: evaluate(expression.low, inner, context),
        high: evaluate(expression.high, inner, context),
      };
    case 'index':
      return element(expression, inner, context);
    case 'if':
      return choice(expression, inner, context);
    case 'body':
      return body(expression, inner, context);
    case 'hole':
      return unknown;
  }
}

function say(context: Context, span: Span, problem: Fault, extras: Extras = {}): Value {
  context.report(diagnose(problem, { span, ...extras }));
  return unknown;
}

function literal(value: number, at: Span, context: Context): Value {
  if (!Number.isFinite(value) || (Number.isInteger(value) && value > limits.integer))
    return say(context, at, fault('number-too-large', { what: 'the number', most: limits.integer }));
  return number(value);
}

function nameValue(name: string, env: Env, context: Context): Value {
  const value = lookup(name, env, context);
  if (value !== undefined) return value;
  const word = valueWords.find((known) => known === name);
  return word === undefined ? unknown : { kind: 'word', word };
}

function evaluateBinary(
  expression: Extract<Expression, { kind: 'binary' }>,
  env: Env,
  context: Context,
): Value {
  const left = evaluate(expression.left, env, context);
  const decided = expression.operator === 'and' ? false : expression.operator === 'or' ? true : undefined;
  if (left.kind === 'boolean' && left.value === decided) return left;
  return binary(expression, left, evaluate(expression.right, env, context), env, context);
}

/** A value that must be a list: its items; a wrong kind is reported. */
function listItems(value: Value, at: Span, what: string, context: Context): readonly Value[] {
  if (value.kind === 'list') return value.items;
  if (value.kind !== 'unknown')
    say(context, at, fault('wrong-kind', { what, expected: 'a list', found: describeValue(value) }));
  return [];
}

function comprehension(
  { item, variable, list }: Extract<Expression, { kind: 'comprehension' }>,
  env: Env,
  context: Context,
): Value {
  const values = evaluate(list, env, context);
  if (values.kind === 'unknown') return unknown;
  const items: Value[] = [];
  for (const value of listItems(values, list.at, 'what `for` goes through', context)) {
    if (!context.spend(1, variable.at)) return unknown;
    const locals = { values: new Map([[variable.name, value]]), outer: env.locals };
    items.push(evaluate(item, { ...env, locals }, context));
  }
  return values.kind === 'list' ? { kind: 'list', items } : unknown;
}

function element(expression: Extract<Expression, { kind: 'index' }>, env: Env, context: Context): Value {
  const list = evaluate(expression.list, env, context);
  const index = evaluate(expression.index, env, context);
  if (list.kind === 'unknown' || index.kind === 'unknown') return unknown;
  const items = listItems(list, expression.at, 'what stands before `[`', context);
  if (list.kind !== 'list') return unknown;
  if (index.kind !== 'number' || !Number.isInteger(index.value))
    return say(
      context,
      expression.index.at,
      fault('wrong-kind', { what: 'an index', expected: 'a whole number', found: describeValue(index) }),
    );
  return (
    items[index.value] ??
    say(context, expression.index.at, fault('index-outside', { length: items.length, index: index.value }))
  );
}

function choice(expression: Extract<Expression, { kind: 'if' }>, env: Env, context: Context): Value {
  const condition = evaluate(expression.condition, env, context);
  if (condition.kind === 'unknown') return unknown;
  if (condition.kind === 'boolean')
    return evaluate(condition.value ? expression.yes : expression.no, env, context);
  const found = describeValue(condition);
  return say(
    context,
    expression.condition.at,
    fault('wrong-kind', { what: 'a condition', expected: 'true or false', found }),
  );
}

function body(expression: Extract<Expression, { kind: 'body' }>, env: Env, context: Context): Value {
  const values = new Map<string, Value>();
  const inner: Env = { ...env, locals: { values, outer: env.locals } };
  for (const { name, value } of expression.lets) values.set(name.name, evaluate(value, inner, context));
  return evaluate(expression.result, inner, context);
}

function call(expression: Call, env: Env, context: Context): Value {
  const own = context.functions.get(expression.callee);
  const builtin = builtins.get(expression.callee);
  const signature = own?.signature ?? builtin?.signature;
  if (signature === undefined) return unknown;
  const { binding, problems } = bindArguments(signature, expression.arguments, expression.at);
  const values = new Map<string, readonly Value[]>();
  for (const [name, expressions] of binding)
    values.set(
      name,
      expressions.map((value) => evaluate(value, env, context)),
    );
  if (problems.length > 0) return unknown;
  if (own !== undefined) return callUser(own, values, env, context);
  if (builtin === undefined) return unknown;
  const site: Site = {
    callee: expression.callee,
    at: expression.at,
    env,
    context,
    expressions: binding,
    arms: armsOf(expression, builtin.arms, env, context),
  };
  return builtin.run(site, values);
}

function callUser(
  own: UserFunction,
  given: ReadonlyMap<string, readonly Value[]>,
  env: Env,
  context: Context,
): Value {
  const values = new Map<string, Value>();
  const inner: Env = { ...env, locals: { values, outer: undefined } };
  for (const parameter of own.statement.parameters) {
    const value = given.get(parameter.name)?.[0];
    const fallback = parameter.default;
    values.set(
      parameter.name,
      value ?? (fallback === undefined ? unknown : evaluate(fallback, inner, context)),
    );
  }
  return evaluate(own.statement.body, inner, context);
}

/** The functions in curly brackets. One with another number of parameters than it is called with is unknown. */
function armsOf(
  { arms = [] }: Call,
  forms: ArmForms | undefined,
  env: Env,
  context: Context,
): Map<string, ArmFunction> {
  const functions = arms.map(({ name, parameters, body: result }): [string, ArmFunction] => [
    name.name,
    (given, path) => {
      if (forms?.[name.name]?.parameters.length !== parameters.length) return unknown;
      const values = new Map(parameters.map((parameter, i) => [parameter.name, given[i] ?? unknown]));
      return evaluate(result, { ...env, path, locals: { values, outer: env.locals } }, context);
    },
  ]);
  return new Map(functions);
}
