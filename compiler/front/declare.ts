/** Inputs and targets: their types, and how pixels are brought to the range a network wants. */

import { wholeBox } from '../../ir/box.ts';
import { diagnose, type Extras, fault, type Span } from '../../ir/diagnostics/diagnostic.ts';
import type { Fault } from '../../ir/ops/definition.ts';
import { map } from '../../ir/type.ts';
import { checked } from './arithmetic.ts';
import type { Scaling, Statement, TypeExpression } from './ast.ts';
import { type Context, topLevel } from './context.ts';
import { evaluate } from './evaluate.ts';
import { reals } from './readers.ts';
import { normalizedSignature } from './resolve.ts';
import { bindArguments } from './signature.ts';
import { suggestion } from './suggest.ts';
import { describeValue, type Tensor, unknown, type Value } from './value.ts';

type InputStatement = Extract<Statement, { kind: 'input' }>;
type TargetStatement = Extract<Statement, { kind: 'target' }>;

/** A type as the text says it: numbers before the first spatial size are channels, if the kind has them. */
type Declared = { readonly channels: number; readonly sizes: readonly number[]; readonly classes?: number };

function complain(context: Context, span: Span, problem: Fault, extras: Extras = {}): undefined {
  context.report(diagnose(problem, { span, ...extras }));
}

/** Sizes and channels of a declaration, or nothing where one of them is wrong or unknown. Inputs may be vectors. */
function readType(
  name: string,
  type: TypeExpression,
  context: Context,
  leastRank: 0 | 1,
): Declared | undefined {
  for (const size of type.sizes) if (size.kind === 'name') context.sizeNames.add(size.name);
  const numbers = type.sizes.map((size) => {
    const value = evaluate(size, topLevel, context);
    if (value.kind === 'number' && Number.isInteger(value.value) && value.value > 0) return value.value;
    return wrongNumber(context, size.at, `a size of \`${name}\``, 'a whole number above 0', value);
  });
  const classes = type.classes === undefined ? undefined : classesOf(name, type.classes, context);
  const known = numbers.filter((size) => size !== undefined);
  const isClass = type.element.name === 'class';
  if (!isClass && type.element.name !== 'f32') {
    const hint = suggestion(type.element.name, ['f32', 'class']);
    return complain(context, type.element.at, fault('unknown-type', { name: type.element.name }), { hint });
  }
  const sizes = isClass ? known : known.slice(1);
  if (known.length < numbers.length || (isClass && type.classes !== undefined && classes === undefined))
    return undefined;
  const isVector = !isClass && leastRank === 0 && known.length === 1 && type.classes === undefined;
  const expected = isVector
    ? undefined
    : shapeFault(isClass, sizes.length, classes, type.classes !== undefined);
  if (expected !== undefined)
    return complain(context, type.element.at, fault('type-sizes', { name, expected }));
  return { channels: isClass ? 1 : (known[0] ?? 1), sizes, ...(classes === undefined ? {} : { classes }) };
}

function shapeFault(
  isClass: boolean,
  rank: number,
  classes: number | undefined,
  says: boolean,
): string | undefined {
  if (isClass && classes === undefined) return 'the number of classes: `class[height, width] of 2`';
  if (!isClass && says) return 'no `of`: that belongs to `class`';
  if (rank >= 1 && rank <= 3) return undefined;
  return isClass
    ? 'one to three sizes: `class[height, width] of 2`'
    : 'channels, then one to three sizes: `f32[channels, height, width]`';
}

function classesOf(
  name: string,
  expression: NonNullable<TypeExpression['classes']>,
  context: Context,
): number | undefined {
  const value = evaluate(expression, topLevel, context);
  const isCount =
    value.kind === 'number' && Number.isInteger(value.value) && value.value >= 2 && value.value <= 255;
  if (isCount) return value.value;
  return wrongNumber(
    context,
    expression.at,
    `the number of classes of \`${name}\``,
    'a whole number from 2 to 255',
    value,
  );
}

function wrongNumber(context: Context, at: Span, what: string, expected: string, value: Value): undefined {
  if (value.kind !== 'unknown')
    complain(context, at, fault('wrong-kind', { what, expected, found: describeValue(value) }));
}

/** All inputs and targets have the same number of spatial axes as the first of them. */
function sameRank(name: string, rank: number, at: Span, context: Context): boolean {
  if (context.rank === 0) [context.rank, context.rankOf] = [rank, name];
  if (context.rank === rank) return true;
  complain(context, at, fault('rank-differs', { name, rank, first: context.rankOf, expected: context.rank }));
  return false;
}

/** Puts an input into the network and under its name, scaled. */
export function declareInput(
  statement: InputStatement,
  context: Context,
  given: Readonly<Record<string, readonly number[]>> = {},
): void {
  const { name, at } = statement.name;
  if (context.globals.has(name)) return;
  context.globals.set(name, unknown);
  const declared = readType(name, statement.type, context, 0);
  if (declared === undefined) return;
  if (statement.type.element.name === 'class') {
    complain(context, statement.type.element.at, fault('class-input'));
    return;
  }
  const isVector = declared.sizes.length === 0;
  const sizes = (Object.hasOwn(given, name) && !isVector ? given[name] : undefined) ?? declared.sizes;
  if (!isVector && !sameRank(name, sizes.length, at, context)) return;
  const type = map(declared.channels, wholeBox(sizes));
  const problem = context.network.input(name, type, { from: 'image' });
  if (problem !== undefined) {
    complain(context, at, problem);
    return;
  }
  const image: Tensor = { kind: 'tensor', name, type, trace: { stride: 1, cut: false } };
  context.globals.set(
    name,
    statement.scaling === undefined ? image : scale(image, statement.scaling, context),
  );
}

function scale(image: Tensor, scaling: Scaling, context: Context): Value {
  if (!context.spend(image.type.channels, scaling.at)) return unknown;
  const affine =
    scaling.kind === 'scaled' ? scaledBy(image, scaling, context) : normalized(image, scaling, context);
  if (affine === undefined) return unknown;
  const name = `${image.name}~scaled`;
  const type = context.network.emit('affine', name, [image.name], affine);
  if ('code' in type || type.kind !== 'map') return unknown;
  return { ...image, name, type };
}

type Affine = { readonly scale: readonly number[]; readonly shift: readonly number[] };

function scaledBy(
  image: Tensor,
  scaling: Extract<Scaling, { kind: 'scaled' }>,
  context: Context,
): Affine | undefined {
  const value = evaluate(scaling.factor, topLevel, context);
  const factors = perChannel(image, value, 'the scale', scaling.factor.at, context);
  return factors && { scale: factors, shift: factors.map(() => 0) };
}

/** (x - mean) / std, in the units of the pixels as they are stored. */
function normalized(
  image: Tensor,
  scaling: Extract<Scaling, { kind: 'normalized' }>,
  context: Context,
): Affine | undefined {
  const { binding, problems } = bindArguments(normalizedSignature, scaling.arguments, scaling.at);
  if (problems.length > 0) return undefined;
  const read = (name: string): readonly number[] | undefined => {
    const expression = binding.get(name)?.[0];
    if (expression === undefined) return undefined;
    return perChannel(image, evaluate(expression, topLevel, context), `\`${name}\``, expression.at, context);
  };
  const [mean, std] = [read('mean'), read('std')];
  if (mean === undefined || std === undefined) return undefined;
  const factors = std.map((s) => checked(1 / s, `\`1 / ${s}\` (std)`, scaling.at, context));
  const scales = factors.map((factor) => (factor.kind === 'number' ? factor.value : 0));
  return { scale: scales, shift: scales.map((s, i) => 0 - s * (mean[i] ?? 0)) };
}

/** One number for each channel; a single number stands for all. */
function perChannel(
  { type }: Tensor,
  value: Value,
  what: string,
  at: Span,
  context: Context,
): readonly number[] | undefined {
  const numbers = value.kind === 'unknown' ? undefined : reals.read(value, context.rank);
  if (numbers !== undefined && (value.kind === 'number' || numbers.length === type.channels))
    return Array.from({ length: type.channels }, (_, i) => numbers[value.kind === 'number' ? 0 : i] ?? 0);
  return wrongNumber(
    context,
    at,
    what,
    `a number, or a list of ${type.channels}, one for each channel`,
    value,
  );
}

/** Puts a target under its name; it becomes an input of the network with the first loss that uses it. */
export function declareTarget(statement: TargetStatement, context: Context): void {
  const { name, at } = statement.name;
  if (context.globals.has(name)) return;
  context.globals.set(name, unknown);
  const declared = readType(name, statement.type, context, 1);
  if (declared === undefined || !sameRank(name, declared.sizes.length, at, context)) return;
  context.globals.set(name, { kind: 'target', name, ...declared });
}
