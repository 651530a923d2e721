/** A `.unet` text as plain data. `at` is the place a diagnostic about the node underlines. */
import type { Span } from '../../ir/diagnostics/diagnostic.ts';

export type BinaryOperator =
  | '+'
  | '-'
  | '*'
  | '/'
  | '%'
  | '^'
  | '<'
  | '<='
  | '>'
  | '>='
  | '=='
  | '!='
  | 'and'
  | 'or'
  | '..';

export type Identifier = { readonly name: string; readonly at: Span };

/** `expr` or `name = expr` between the brackets of a call. */
export type Argument = { readonly name?: Identifier; readonly value: Expression };

/** `name(parameters) = body` inside the curly brackets of a combinator. */
export type Arm = {
  readonly name: Identifier;
  readonly parameters: readonly ParameterName[];
  readonly body: Expression;
};

export type ParameterName = Identifier & { readonly default?: Expression };

export type Call = {
  readonly kind: 'call';
  readonly at: Span;
  readonly callee: string;
  readonly arguments: readonly Argument[];
  readonly arms?: readonly Arm[];
  /** Written as `first |> callee(...)`: the first argument stands before the pipe. */
  readonly piped: boolean;
};

export type Expression =
  | { readonly kind: 'number'; readonly at: Span; readonly value: number }
  | { readonly kind: 'boolean'; readonly at: Span; readonly value: boolean }
  | { readonly kind: 'name'; readonly at: Span; readonly name: string }
  | Call
  | {
      readonly kind: 'binary';
      readonly at: Span;
      readonly operator: BinaryOperator;
      readonly left: Expression;
      readonly right: Expression;
    }
  | {
      readonly kind: 'unary';
      readonly at: Span;
      readonly operator: '-' | 'not';
      readonly operand: Expression;
    }
  | { readonly kind: 'list'; readonly at: Span; readonly items: readonly Expression[] }
  | {
      readonly kind: 'comprehension';
      readonly at: Span;
      readonly item: Expression;
      readonly variable: Identifier;
      readonly list: Expression;
    }
  | { readonly kind: 'pair'; readonly at: Span; readonly low: Expression; readonly high: Expression }
  | { readonly kind: 'index'; readonly at: Span; readonly list: Expression; readonly index: Expression }
  | {
      readonly kind: 'if';
      readonly at: Span;
      readonly condition: Expression;
      readonly yes: Expression;
      readonly no: Expression;
    }
  | {
      readonly kind: 'body';
      readonly at: Span;
      readonly lets: readonly LocalLet[];
      readonly result: Expression;
    }
  /** What could not be read; already reported. */
  | { readonly kind: 'hole'; readonly at: Span };

export type LocalLet = { readonly name: Identifier; readonly value: Expression };

/** `f32[3, side, side]` or `class[side, side] of 2`. */
export type TypeExpression = {
  readonly element: Identifier;
  readonly sizes: readonly Expression[];
  readonly classes?: Expression;
  readonly at: Span;
};

export type Scaling =
  | { readonly kind: 'scaled'; readonly at: Span; readonly factor: Expression }
  | { readonly kind: 'normalized'; readonly at: Span; readonly arguments: readonly Argument[] };

export type Statement =
  | { readonly kind: 'model'; readonly at: Span; readonly name: Identifier }
  | { readonly kind: 'let'; readonly at: Span; readonly name: Identifier; readonly value: Expression }
  | FunctionStatement
  | {
      readonly kind: 'input';
      readonly at: Span;
      readonly name: Identifier;
      readonly type: TypeExpression;
      readonly scaling?: Scaling;
    }
  | {
      readonly kind: 'target';
      readonly at: Span;
      readonly name: Identifier;
      readonly type: TypeExpression;
    }
  | { readonly kind: 'output'; readonly at: Span; readonly name: Identifier; readonly value: Expression }
  | { readonly kind: 'loss'; readonly at: Span; readonly value: Expression }
  | { readonly kind: 'train'; readonly at: Span; readonly arguments: readonly Argument[] }
  /** A statement that could not be read; what it would have defined is known by name. */
  | { readonly kind: 'broken'; readonly at: Span; readonly word: string; readonly names: readonly string[] };

/** `let f(a, b) = ...` or `block f(a, b) = ...`: the same thing, `block` for what builds layers. */
export type FunctionStatement = {
  readonly kind: 'function';
  readonly word: 'let' | 'block';
  readonly at: Span;
  readonly name: Identifier;
  readonly parameters: readonly ParameterName[];
  readonly body: Expression;
};

export type Ast = { readonly file: string; readonly statements: readonly Statement[] };
