/** Operators on numbers, lists, tensors and losses. */
import { diagnose, fault, type Span } from '../../ir/diagnostics/diagnostic.ts';
import type { BinaryOperator, Expression } from './ast.ts';
import type { Context, Env, Site } from './context.ts';
import { addTensors, multiplyTensors } from './layers/join.ts';
import { limits } from './limits.ts';
import { boolean, describeValue, number, unknown, type Value } from './value.ts';

type Binary = Extract<Expression, { kind: 'binary' }>;
type Unary = Extract<Expression, { kind: 'unary' }>;

const arithmetic: Partial<Record<BinaryOperator, (a: number, b: number) => number>> = {
  '+': (a, b) => a + b,
  '-': (a, b) => a - b,
  '*': (a, b) => a * b,
  '/': (a, b) => a / b,
  // the sign of the divisor, so that `i % n` is an index for every i
  '%': (a, b) => a - b * Math.floor(a / b),
  '^': (a, b) => a ** b,
};

const comparison: Partial<Record<BinaryOperator, (a: number, b: number) => boolean>> = {
  '<': (a, b) => a < b,
  '<=': (a, b) => a <= b,
  '>': (a, b) => a > b,
  '>=': (a, b) => a >= b,
};

/** The value of `left operator right`, both evaluated. */
export function binary(expression: Binary, left: Value, right: Value, env: Env, context: Context): Value {
  if (left.kind === 'unknown' || right.kind === 'unknown') return unknown;
  const { operator, at } = expression;
  if (left.kind === 'number' && right.kind === 'number')
    return onNumbers(operator, left.value, right.value, at, context);
  if (operator === '==' || operator === '!=') {
    const same = isSame(left, right);
    if (same !== undefined) return boolean(same === (operator === '=='));
  }
  if (left.kind === 'boolean' && right.kind === 'boolean' && (operator === 'and' || operator === 'or'))
    return right;
  const joined = onTensors(expression, left, right, env, context) ?? plus(expression, left, right, context);
  if (joined !== undefined) return joined;
  return scaledLoss(operator, left, right) ?? refuseOperands(expression, left, right, context);
}

function refuseOperands({ operator, at }: Binary, left: Value, right: Value, context: Context): Value {
  const words = { operator, left: describeValue(left), right: describeValue(right) };
  context.report(diagnose(fault('wrong-operands', words), { span: at }));
  return unknown;
}

function onNumbers(operator: BinaryOperator, a: number, b: number, at: Span, context: Context): Value {
  if (operator === '..') return rangeList(a, b, at, context);
  if (operator === '==' || operator === '!=') return boolean((a === b) === (operator === '=='));
  const compare = comparison[operator];
  if (compare !== undefined) return boolean(compare(a, b));
  const compute = arithmetic[operator];
  if (compute !== undefined) return checked(compute(a, b), `\`${a} ${operator} ${b}\``, at, context);
  context.report(diagnose(fault('wrong-operands', { operator, left: a, right: b }), { span: at }));
  return unknown;
}

/** A result that is a number, and exact if it is whole. */
export function checked(value: number, what: string, at: Span, context: Context): Value {
  const report = (problem: Parameters<typeof diagnose>[0]): Value => {
    context.report(diagnose(problem, { span: at }));
    return unknown;
  };
  if (!Number.isFinite(value)) {
    const why = Number.isNaN(value) || /[/%] 0`$/.test(what) ? 'it has no value' : 'it is beyond all bounds';
    return report(fault('no-number', { what, why }));
  }
  if (Number.isInteger(value) && Math.abs(value) > limits.integer)
    return report(fault('number-too-large', { what, most: limits.integer }));
  return number(value);
}

/** `a..b`: the whole numbers from a to b, both included; none where b is below a. */
function rangeList(from: number, to: number, at: Span, context: Context): Value {
  const length = Math.max(0, to - from + 1);
  const whole = Number.isInteger(from) && Number.isInteger(to);
  const problem = whole
    ? length > limits.listLength && fault('list-too-long', { length, most: limits.listLength })
    : fault('wrong-kind', {
        what: 'both ends of a range',
        expected: 'whole numbers',
        found: `${from}..${to}`,
      });
  if (problem !== false) {
    context.report(diagnose(problem, { span: at }));
    return unknown;
  }
  if (!context.spend(length, at)) return unknown;
  return { kind: 'list', items: Array.from({ length }, (_, i) => number(from + i)) };
}

function isSame(left: Value, right: Value): boolean | undefined {
  if (left.kind === 'boolean' && right.kind === 'boolean') return left.value === right.value;
  if (left.kind === 'word' && right.kind === 'word') return left.word === right.word;
  return undefined;
}

/** `+` and `*` of tensors, cell by cell. */
function onTensors(
  { operator, at, left: a, right: b }: Binary,
  left: Value,
  right: Value,
  env: Env,
  context: Context,
): Value | undefined {
  if (left.kind !== 'tensor' || right.kind !== 'tensor') return undefined;
  const expressions = new Map([['tensors', [a, b]]]);
  const site: Site = { callee: operator, at, env, context, expressions, arms: new Map() };
  if (operator === '+') return addTensors(site, [left, right]);
  return operator === '*' ? multiplyTensors(site, left, right) : undefined;
}

/** `+` beyond numbers and tensors: lists one after the other, losses together. */
function plus(expression: Binary, left: Value, right: Value, context: Context): Value | undefined {
  if (expression.operator !== '+') return undefined;
  if (left.kind === 'list' && right.kind === 'list')
    return joinLists(left.items, right.items, expression.at, context);
  if (left.kind === 'loss' && right.kind === 'loss') return addLosses(left, right, expression.at, context);
  return undefined;
}

function joinLists(left: readonly Value[], right: readonly Value[], at: Span, context: Context): Value {
  const length = left.length + right.length;
  if (length > limits.listLength) {
    context.report(diagnose(fault('list-too-long', { length, most: limits.listLength }), { span: at }));
    return unknown;
  }
  return context.spend(length, at) ? { kind: 'list', items: [...left, ...right] } : unknown;
}

type Loss = Extract<Value, { kind: 'loss' }>;

/** Two losses as one; a term in both is one term with the sum of the weights. */
export function addLosses(a: Loss, b: Loss, at: Span, context: Context): Value {
  if (!context.spend(a.terms.length + b.terms.length, at)) return unknown;
  const weights = new Map(a.terms.map(({ value, weight }) => [value, weight]));
  for (const { value, weight } of b.terms) weights.set(value, (weights.get(value) ?? 0) + weight);
  return { kind: 'loss', terms: [...weights].map(([value, weight]) => ({ value, weight })) };
}

/** `0.5 * loss`, `loss * 0.5` and `loss / 2`. */
function scaledLoss(operator: BinaryOperator, left: Value, right: Value): Value | undefined {
  const [loss, factor] = left.kind === 'loss' ? [left, right] : [right, left];
  if (loss.kind !== 'loss' || factor.kind !== 'number') return undefined;
  const inverse = operator === '/' && left.kind === 'loss' && factor.value !== 0;
  if (operator !== '*' && !inverse) return undefined;
  const by = inverse ? 1 / factor.value : factor.value;
  return { kind: 'loss', terms: loss.terms.map((term) => ({ ...term, weight: term.weight * by })) };
}

/** The value of `-operand` or `not operand`. */
export function unary({ operator, at }: Unary, operand: Value, context: Context): Value {
  if (operand.kind === 'unknown') return unknown;
  if (operator === '-' && operand.kind === 'number') return number(0 - operand.value);
  if (operator === 'not' && operand.kind === 'boolean') return boolean(!operand.value);
  const expected = operator === '-' ? 'a number' : 'true or false';
  const what = `what \`${operator}\` works on`;
  context.report(
    diagnose(fault('wrong-kind', { what, expected, found: describeValue(operand) }), { span: at }),
  );
  return unknown;
}
