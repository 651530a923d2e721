/**
 * The canonical look of a text. Line breaks and comments are the author's; spaces, indentation and the
 * alignment of `=`, `:` and comments are ours. It works on tokens, not on the Ast, so nothing is ever lost.
 */
import type { IToken, TokenType } from 'chevrotain';
import { failure, type Result, success } from '../../ir/diagnostics/diagnostic.ts';
import { tokenMatcher } from './chevrotain.ts';
import { readModel } from './parse-model.ts';
import { splitStatements } from './statements.ts';
import { by, lexer, Name, Numeral, Operator, of, signs, words } from './tokens.ts';

/** One line of the result: tokens with the number of spaces before each. */
type Line = {
  readonly tokens: readonly IToken[];
  readonly gaps: number[];
  readonly comment: IToken | undefined;
  indent: number;
  /** An empty line stands before this one. */
  readonly blankBefore: boolean;
};

/** Formats a text that can be read; otherwise everything that is wrong with its form. */
export function formatModel(text: string, file = 'model.unet'): Result<string> {
  const { diagnostics } = readModel(text, file);
  if (diagnostics.length > 0) return failure(...diagnostics);
  const { tokens, groups } = lexer.tokenize(text);
  const begins = new Set(splitStatements(tokens).map((part) => part.tokens[0]));
  const lines = linesOf(tokens, groups.comments ?? [], begins);
  indent(lines, begins);
  for (const paragraph of paragraphs(lines)) alignParagraph(paragraph);
  return success(lines.map(print).join(''));
}

const print = (line: Line): string => {
  const before = line.blankBefore ? '\n' : '';
  const code = codeOf(line);
  if (line.comment === undefined) return `${before}${code}\n`;
  return `${before}${code}${' '.repeat(commentGap(line))}${line.comment.image.trimEnd()}\n`;
};

const codeOf = ({ tokens, gaps, indent: margin }: Line): string =>
  ' '.repeat(margin) + tokens.map((token, i) => ' '.repeat(gaps[i] ?? 0) + token.image).join('');

/** The spaces before a comment are kept as one more gap, behind those of the tokens. */
const commentGap = ({ tokens, gaps }: Line): number => gaps[tokens.length] ?? 0;

function linesOf(
  tokens: readonly IToken[],
  comments: readonly IToken[],
  begins: ReadonlySet<IToken | undefined>,
): Line[] {
  const all = [...tokens, ...comments].sort((a, b) => a.startOffset - b.startOffset);
  const groups: IToken[][] = [];
  for (const token of all) {
    const last = groups.at(-1)?.at(-1);
    const isComment = token.tokenType.GROUP === 'comments';
    if (last === undefined || last.endLine !== token.startLine || (begins.has(token) && !isComment))
      groups.push([token]);
    else groups.at(-1)?.push(token);
  }
  let previous: IToken | undefined;
  return groups.map((group, i) => {
    const code = group.filter((token) => token.tokenType.GROUP !== 'comments');
    const gaps = code.map((token, j) => {
      const before = code[j - 1];
      return before !== undefined && isSpaced(before, token, j > 1 ? code[j - 2] : previous) ? 1 : 0;
    });
    tightenFractions(code, gaps);
    previous = code.at(-1) ?? previous;
    const lastBefore = groups[i - 1]?.at(-1)?.endLine ?? group[0]?.startLine ?? 0;
    return {
      tokens: code,
      gaps,
      comment: group.find((token) => token.tokenType.GROUP === 'comments'),
      indent: 0,
      blankBefore: (group[0]?.startLine ?? 0) > lastBefore + 1,
    };
  });
}

const tight: ReadonlySet<TokenType> = new Set([signs.power, signs.range]);
const opening: ReadonlySet<TokenType> = new Set([signs.open, signs.openSquare]);
const closing: ReadonlySet<TokenType> = new Set([
  signs.close,
  signs.closeSquare,
  signs.comma,
  signs.semicolon,
]);
const brackets: ReadonlyMap<TokenType, TokenType> = new Map([
  [signs.open, signs.close],
  [signs.openSquare, signs.closeSquare],
  [signs.openCurly, signs.closeCurly],
]);
const closers: ReadonlySet<TokenType> = new Set(brackets.values());

const endsOperand = (token: IToken | undefined): boolean =>
  token !== undefined &&
  (closers.has(token.tokenType) ||
    [Name, Numeral, words.true, words.false].some((type) => tokenMatcher(token, type)));

/** Whether a space belongs between two tokens of a line; `earlier` stands before both. */
function isSpaced(left: IToken, right: IToken, earlier: IToken | undefined): boolean {
  const [a, b] = [left.tokenType, right.tokenType];
  if (opening.has(a) || closing.has(b) || tight.has(a) || tight.has(b)) return false;
  if (opening.has(b)) return !(tokenMatcher(left, Name) && a !== by && a !== of) && !closers.has(a);
  if (a === signs.minus && !endsOperand(earlier)) return false;
  return true;
}

/** `1/255` is written without spaces, as a number would be. */
function tightenFractions(tokens: readonly IToken[], gaps: number[]): void {
  tokens.forEach(({ tokenType }, i) => {
    const [left, right] = [tokens[i - 1], tokens[i + 1]];
    if (tokenType !== signs.divide || left === undefined || right === undefined) return;
    if (tokenMatcher(left, Numeral) && tokenMatcher(right, Numeral)) [gaps[i], gaps[i + 1]] = [0, 0];
  });
}

/** Gives each line its indentation: two columns for what goes on, and two inside brackets. */
function indent(lines: readonly Line[], begins: ReadonlySet<IToken | undefined>): void {
  const open: { readonly type: TokenType; readonly anchor: number }[] = [];
  let previous: IToken | undefined;
  for (const line of lines) {
    const first = line.tokens[0];
    if (first === undefined) continue;
    if (begins.has(first)) line.indent = 0;
    else if (closers.has(first.tokenType)) line.indent = open.at(-1)?.anchor ?? 0;
    else {
      const inner = open.at(-1);
      const margin = inner === undefined ? 0 : inner.anchor + 2;
      line.indent = margin + (inner !== undefined && isNewItem(inner.type, first, previous) ? 0 : 2);
    }
    const anchor = line.indent + (first.tokenType === signs.pipe ? 3 : 0);
    for (const token of line.tokens) {
      if (brackets.has(token.tokenType)) open.push({ type: token.tokenType, anchor });
      else if (closers.has(token.tokenType)) open.pop();
    }
    previous = line.tokens.at(-1);
  }
  indentComments(lines);
}

/** Whether a line inside a bracket begins something, and does not go on with what stands above it. */
function isNewItem(bracket: TokenType, first: IToken, previous: IToken | undefined): boolean {
  const before = previous?.tokenType;
  if (before === bracket || before === signs.comma || before === signs.semicolon) return true;
  if (bracket !== signs.openCurly || tokenMatcher(first, Operator)) return false;
  const goesOn = [signs.pipe, words.thenWord, words.else, words.for, words.in];
  return endsOperand(previous) && !goesOn.includes(first.tokenType);
}

/** A comment on a line of its own stands like the code below it. */
function indentComments(lines: readonly Line[]): void {
  let below: Line | undefined;
  for (const line of lines.toReversed()) {
    const first = below?.tokens[0];
    const deeper = first !== undefined && closers.has(first.tokenType) ? 2 : 0;
    if (line.tokens.length === 0) line.indent = (below?.indent ?? 0) + deeper;
    else below = line;
  }
}

/** Lines without an empty one between them. */
function paragraphs(lines: readonly Line[]): Line[][] {
  const all: Line[][] = [];
  for (const line of lines) {
    if (line.blankBefore || all.length === 0) all.push([line]);
    else all.at(-1)?.push(line);
  }
  return all;
}

function alignParagraph(lines: readonly Line[]): void {
  for (const run of runs(lines, isDefinition)) {
    alignKeywords(run);
    for (const near of runs(run, (line, before) => before === undefined || isNear(line, before)))
      alignSeparators(near);
  }
  for (const run of runs(lines, (line) =>
    [words.loss, words.train].some((type) => line.tokens[0]?.tokenType === type),
  ))
    alignKeywords(run);
  alignComments(lines);
}

/** Consecutive lines of which `belongs` holds; it is told the line before, of the same run. */
function runs(lines: readonly Line[], belongs: (line: Line, before: Line | undefined) => boolean): Line[][] {
  const all: Line[][] = [];
  let run: Line[] = [];
  for (const line of lines) {
    const before = run.at(-1);
    const fits = belongs(line, before) && (before === undefined || before.indent === line.indent);
    if (!fits && run.length > 0) {
      all.push(run);
      run = [];
    }
    if (fits || belongs(line, undefined)) run.push(line);
  }
  return run.length > 0 ? [...all, run] : all;
}

const defining: ReadonlySet<TokenType | undefined> = new Set([
  words.let,
  words.input,
  words.target,
  words.output,
]);

/** A line that defines something by `=` or `:`, at the top or in curly brackets. */
const isDefinition = (line: Line): boolean =>
  separatorOf(line) > 0 && (defining.has(line.tokens[0]?.tokenType) || isArm(line));

const isArm = ({ tokens }: Line): boolean =>
  tokens[0] !== undefined && tokenMatcher(tokens[0], Name) && tokens[1]?.tokenType === signs.open;

/** The place of the first `=` or `:` outside brackets, or -1. */
function separatorOf({ tokens }: Line): number {
  let depth = 0;
  return tokens.findIndex(({ tokenType }) => {
    if (brackets.has(tokenType)) depth += 1;
    if (closers.has(tokenType)) depth -= 1;
    return depth === 0 && (tokenType === signs.assign || tokenType === signs.colon);
  });
}

/** `input` and `target`, `loss` and `train` get equal widths where they stand together. */
function alignKeywords(run: readonly Line[]): void {
  const groups = [
    [words.input, words.target],
    [words.loss, words.train],
  ];
  for (const group of groups) {
    const members = run.filter(({ tokens }) => group.some((type) => type === tokens[0]?.tokenType));
    const width = Math.max(0, ...members.map(({ tokens }) => tokens[0]?.image.length ?? 0));
    for (const { tokens, gaps } of members) gaps[1] = 1 + width - (tokens[0]?.image.length ?? 0);
  }
}

const headWidth = (line: Line): number => {
  const { tokens, gaps } = line;
  return tokens
    .slice(0, separatorOf(line))
    .reduce((width, token, i) => width + token.image.length + (gaps[i] ?? 0), 0);
};

/** Heads of very different lengths are not aligned: the gaps would be wider than the words. */
const isNear = (line: Line, before: Line): boolean => Math.abs(headWidth(line) - headWidth(before)) <= 12;

function alignSeparators(run: readonly Line[]): void {
  const width = Math.max(...run.map(headWidth));
  for (const line of run) line.gaps[separatorOf(line)] = 1 + width - headWidth(line);
}

/** Comments behind code stand in one column: the author's, if it is one and wide enough. */
function alignComments(lines: readonly Line[]): void {
  const commented = lines.filter(({ tokens, comment }) => comment !== undefined && tokens.length > 0);
  if (commented.length === 0) return;
  const needed = 2 + Math.max(...commented.map((line) => codeOf(line).length));
  const columns = new Set(commented.map(({ comment }) => (comment?.startColumn ?? 1) - 1));
  const [own = 0] = columns;
  const column = columns.size === 1 && own >= needed ? own : needed;
  for (const line of commented) line.gaps[line.tokens.length] = column - codeOf(line).length;
}
