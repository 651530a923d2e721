/** Cuts the tokens of a text into statements, and finds what would upset a parser: brackets and nesting. */
import type { IToken, TokenType } from 'chevrotain';
import { type Diagnostic, diagnose, fault } from '../../ir/diagnostics/diagnostic.ts';
import { tokenLabel, tokenMatcher } from './chevrotain.ts';
import { spanOf } from './expression-parser.ts';
import { limits } from './limits.ts';
import { Name, Numeral, signs, statementWords, words } from './tokens.ts';

/** The tokens of one statement, and the one that follows it in the text. */
export type Part = { readonly tokens: readonly IToken[]; readonly following: IToken | undefined };

const closing = new Map<TokenType, TokenType>([
  [signs.open, signs.close],
  [signs.openSquare, signs.closeSquare],
  [signs.openCurly, signs.closeCurly],
]);
const closers = new Set(closing.values());

const labelOf = (type: TokenType | undefined): string => (type === undefined ? '' : tokenLabel(type));

const endsExpression = (token: IToken): boolean =>
  [Name, Numeral, words.true, words.false, ...closers].some((type) => tokenMatcher(token, type));

/** The brackets that are open after each token of a statement so far; a closer that fits nothing is ignored. */
function track(open: IToken[], token: IToken): void {
  if (closing.has(token.tokenType)) open.push(token);
  const last = open.at(-1);
  if (last !== undefined && closing.get(last.tokenType) === token.tokenType) open.pop();
}

/**
 * A statement begins with its keyword: as the first word of a line, or where no bracket is open and an
 * expression has ended. A `let` inside curly brackets is local to them, unless they are never closed.
 */
export function splitStatements(tokens: readonly IToken[]): Part[] {
  const begins = [...new Set([0, ...beginnings(tokens)])];
  if (tokens.length === 0) return [];
  return begins.map((begin, i) => {
    const end = begins[i + 1] ?? tokens.length;
    return { tokens: tokens.slice(begin, end), following: tokens[end] };
  });
}

function beginnings(tokens: readonly IToken[]): number[] {
  const closed = closedBrackets(tokens);
  const found: number[] = [];
  let open: IToken[] = [];
  let column = tokens[0]?.startColumn ?? 1;
  tokens.forEach((token, i) => {
    const previous = tokens[i - 1];
    if (previous !== undefined && open.length === 0 && isWordless(tokens, i)) found.push(i);
    if (previous !== undefined && statementWords.includes(token.tokenType)) {
      const curly = open.at(-1)?.tokenType === signs.openCurly ? open.at(-1) : undefined;
      const indented = (token.startColumn ?? 1) > column;
      const local = token.tokenType === words.let && curly !== undefined && (closed.has(curly) || indented);
      const free = isFirstOnLine(tokens, i) || (open.length === 0 && endsExpression(previous));
      if (free && !local) {
        found.push(i);
        open = [];
        column = token.startColumn ?? 1;
      }
    }
    track(open, token);
  });
  return found;
}

/** A name at the beginning of a line, where the statement before could end: one that lacks its word. */
const isWordless = (tokens: readonly IToken[], i: number): boolean =>
  tokens[i]?.tokenType === Name && isFirstOnLine(tokens, i) && tokens.slice(i - 1, i).every(endsExpression);

const isFirstOnLine = (tokens: readonly IToken[], i: number): boolean =>
  tokens[i - 1]?.endLine !== tokens[i]?.startLine;

/** The curly brackets that are closed before a statement other than `let` begins a line. */
function closedBrackets(tokens: readonly IToken[]): Set<IToken> {
  const closed = new Set<IToken>();
  let open: IToken[] = [];
  tokens.forEach((token, i) => {
    const isLet = token.tokenType === words.let;
    if (!isLet && statementWords.includes(token.tokenType) && isFirstOnLine(tokens, i)) open = [];
    const last = open.at(-1);
    if (token.tokenType === signs.openCurly) open.push(token);
    else if (token.tokenType === signs.closeCurly && last !== undefined) {
      closed.add(last);
      open.pop();
    }
  });
  return closed;
}

/** The bracket of a statement that is never closed. */
export function unclosedBracket({ tokens }: Part, file: string): Diagnostic | undefined {
  const open: IToken[] = [];
  for (const token of tokens) {
    const last = open.at(-1);
    if (
      closers.has(token.tokenType) &&
      (last === undefined || closing.get(last.tokenType) !== token.tokenType)
    )
      return last === undefined ? strayBracket(token, file) : unclosed(last, file, token);
    track(open, token);
  }
  const last = open.at(-1);
  return last === undefined ? undefined : unclosed(last, file);
}

function unclosed(bracket: IToken, file: string, found?: IToken): Diagnostic {
  const closer = labelOf(closing.get(bracket.tokenType));
  const hint =
    found === undefined
      ? `add the ${closer} that belongs to it`
      : `line ${found.startLine} closes it with \`${found.image}\` instead of ${closer}`;
  return diagnose(fault('bracket-not-closed', { bracket: bracket.image }), {
    span: spanOf(bracket, file),
    hint,
  });
}

const strayBracket = (token: IToken, file: string): Diagnostic =>
  diagnose(fault('bracket-not-opened', { bracket: token.image }), { span: spanOf(token, file) });

const chained = new Set<TokenType>([words.if, words.not, ...Object.values(signs)]);
const ends = new Set<TokenType>([signs.comma, signs.semicolon, signs.assign, words.let]);
/** Signs that nest to the right without a bracket: `if a then b else if ...`, `2 ^ 2 ^ ...`, `- - 1`. */
const recursive = new Set<TokenType>([words.if, words.not, signs.power, signs.minus]);

type Level = { chain: number; child: number; done: number; deep: number };

const level = (): Level => ({ chain: 0, child: 0, done: 0, deep: 0 });

/**
 * A statement nested or chained so deeply that no person wrote it: reading it would overflow the stack.
 * `chain + child` bounds the height of the tree of an expression, `depth` how deep its brackets nest.
 */
export function nestingFault({ tokens }: Part, file: string): Diagnostic | undefined {
  const levels = [level()];
  let depth = 0;
  for (const token of tokens) {
    const { tokenType } = token;
    let here = levels.at(-1) ?? level();
    if (closing.has(tokenType)) {
      here = level();
      levels.push(here);
      depth += 1;
    } else if (closers.has(tokenType) && levels.length > 1) {
      levels.pop();
      depth -= 1 + here.deep;
      const height = 1 + Math.max(here.done, here.child + here.chain);
      here = levels.at(-1) ?? level();
      here.child = Math.max(here.child, height);
    } else if (ends.has(tokenType)) {
      depth -= here.deep;
      Object.assign(here, { ...level(), done: Math.max(here.done, here.child + here.chain) });
    } else if (chained.has(tokenType)) here.chain += 1;
    if (recursive.has(tokenType)) {
      here.deep += 1;
      depth += 1;
    }
    if (depth > limits.nesting || here.child + here.chain > limits.chain)
      return diagnose(fault('nested-too-deeply', { most: limits.nesting, chain: limits.chain }), {
        span: spanOf(token, file),
      });
  }
  return undefined;
}
