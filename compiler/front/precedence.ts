/** Builds the tree of an expression from its operands and operators in the order of the text. */
import type { Span } from '../../ir/diagnostics/diagnostic.ts';
import type { BinaryOperator, Call, Expression } from './ast.ts';

export type Item =
  | { readonly item: 'operand'; readonly expression: Expression }
  | { readonly item: 'prefix'; readonly operator: '-' | 'not'; readonly at: Span }
  | { readonly item: 'binary'; readonly operator: BinaryOperator; readonly at: Span }
  | { readonly item: 'stage'; readonly call: Call };

/** How tightly an operator binds; a pipe binds loosest of all. */
const strength: Record<BinaryOperator, number> = {
  or: 1,
  and: 2,
  '<': 4,
  '<=': 4,
  '>': 4,
  '>=': 4,
  '==': 4,
  '!=': 4,
  '..': 5,
  '+': 6,
  '-': 6,
  '*': 7,
  '/': 7,
  '%': 7,
  '^': 9,
};
const prefixStrength = { not: 3, '-': 8 } as const;

/** The operator that follows a pipe without brackets around the pipe: its reading would be a guess. */
export function operatorAfterPipe(items: readonly Item[]): { operator: string; at: Span } | undefined {
  const firstStage = items.findIndex(({ item }) => item === 'stage');
  if (firstStage < 0) return undefined;
  return items.slice(firstStage).find((item) => item.item === 'binary');
}

/** Precedence climbing (Richards 1979). A missing operand is a hole: the parser has reported it. */
export function buildTree(items: readonly Item[], nowhere: Span): Expression {
  let next = 0;

  function operand(): Expression {
    const item = items[next];
    if (item === undefined) return { kind: 'hole', at: nowhere };
    next += 1;
    if (item.item === 'operand') return item.expression;
    if (item.item === 'prefix')
      return {
        kind: 'unary',
        at: item.at,
        operator: item.operator,
        operand: climb(prefixStrength[item.operator]),
      };
    return { kind: 'hole', at: nowhere };
  }

  function climb(weakest: number): Expression {
    let left = operand();
    for (let item = items[next]; item !== undefined; item = items[next]) {
      if (item.item === 'stage' && weakest === 0) {
        left = { ...item.call, arguments: [{ value: left }, ...item.call.arguments] };
        next += 1;
      } else if (item.item === 'binary' && strength[item.operator] >= weakest) {
        next += 1;
        const own = strength[item.operator];
        const right = climb(item.operator === '^' ? own : own + 1);
        left = { kind: 'binary', at: item.at, operator: item.operator, left, right };
      } else break;
    }
    return left;
  }

  return climb(0);
}
