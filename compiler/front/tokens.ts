/** The words and signs of `.unet` texts. Keywords are reserved, so a statement needs no sign at its end. */
import type { TokenType } from 'chevrotain';
import { createToken, Lexer, tokenLabel } from './chevrotain.ts';

export const Comment = createToken({ name: 'Comment', pattern: /\/\/[^\n\r]*/, group: 'comments' });
const Space = createToken({
  name: 'Space',
  pattern: /[ \t\r\n\uFEFF]+/,
  group: Lexer.SKIPPED,
  line_breaks: true,
});

/** Not of the language, but expected by people who come from others: read as a whole to be reported once. */
export const Foreign = createToken({
  name: 'Foreign',
  pattern: /#[^\n\r]*|\/\*(?:[^*]|\*(?!\/))*(?:\*\/)?|"[^"\n\r]*"?|'[^'\n\r]*'?/,
  group: 'foreign',
  line_breaks: true,
});

export const Name = createToken({ name: 'Name', pattern: /[A-Za-z_]\w*/, label: 'a name' });

/** What a rule may ask for instead of one certain token. */
const category = (name: string, label: string): TokenType => createToken({ name, label, pattern: Lexer.NA });

export const Definition = category('Definition', '`let` or `block`');
export const Operator = category('Operator', 'an operator');
export const Prefix = category('Prefix', '`-` or `not`');
export const Numeral = category('Numeral', 'a number');

const keyword = (word: string, ...categories: TokenType[]): TokenType =>
  createToken({
    name: `word ${word}`,
    label: `\`${word}\``,
    pattern: new RegExp(word),
    longer_alt: Name,
    categories,
  });

const contextual = (word: string): TokenType =>
  createToken({
    name: `word ${word}`,
    label: `\`${word}\``,
    pattern: new RegExp(word),
    longer_alt: Name,
    categories: [Name],
  });

const sign = (image: string, ...categories: TokenType[]): TokenType =>
  createToken({ name: `sign ${image}`, label: `\`${image}\``, pattern: image, categories });

export const words = {
  model: keyword('model'),
  let: keyword('let', Definition),
  block: keyword('block', Definition),
  input: keyword('input'),
  target: keyword('target'),
  loss: keyword('loss'),
  train: keyword('train'),
  output: keyword('output'),
  if: keyword('if'),
  thenWord: keyword('then'),
  else: keyword('else'),
  for: keyword('for'),
  in: keyword('in'),
  and: keyword('and', Operator),
  or: keyword('or', Operator),
  not: keyword('not', Prefix),
  true: keyword('true'),
  false: keyword('false'),
} as const;

/** Words with a meaning in one place only; elsewhere they are names. */
export const scaled = contextual('scaled');
export const by = contextual('by');
export const normalized = contextual('normalized');
export const of = contextual('of');

/** A number with letters at its end, such as `256px`: reported, then read as the number. */
export const NumberWithUnit = createToken({
  name: 'NumberWithUnit',
  pattern: /\d+(\.\d+)?([eE][+-]?\d+)?[A-Za-z_]\w*/,
  categories: [Numeral],
});
const PlainNumber = createToken({
  name: 'PlainNumber',
  pattern: /\d+(\.\d+)?([eE][+-]?\d+)?/,
  longer_alt: NumberWithUnit,
  categories: [Numeral],
});

export const signs = {
  pipe: sign('|>'),
  lessEqual: sign('<=', Operator),
  greaterEqual: sign('>=', Operator),
  equal: sign('==', Operator),
  unequal: sign('!=', Operator),
  range: sign('..', Operator),
  assign: sign('='),
  less: sign('<', Operator),
  greater: sign('>', Operator),
  plus: sign('+', Operator),
  minus: sign('-', Operator, Prefix),
  times: sign('*', Operator),
  divide: sign('/', Operator),
  remainder: sign('%', Operator),
  power: sign('^', Operator),
  comma: sign(','),
  colon: sign(':'),
  semicolon: sign(';'),
  open: sign('('),
  close: sign(')'),
  openSquare: sign('['),
  closeSquare: sign(']'),
  openCurly: sign('{'),
  closeCurly: sign('}'),
} as const;

/** Longer signs stand before their beginnings; keywords before names. */
export const tokenTypes: TokenType[] = [
  Comment,
  Foreign,
  Space,
  ...Object.values(words),
  scaled,
  by,
  normalized,
  of,
  Name,
  PlainNumber,
  NumberWithUnit,
  Numeral,
  Definition,
  Operator,
  Prefix,
  ...Object.values(signs),
];

export const lexer = new Lexer(tokenTypes, { positionTracking: 'full' });

/** Keywords that begin a statement. */
export const statementWords: readonly TokenType[] = [
  words.model,
  words.let,
  words.block,
  words.input,
  words.target,
  words.loss,
  words.train,
  words.output,
];

const reserved = new Set(Object.values(words).map((type) => tokenLabel(type).replaceAll('`', '')));

export const isKeyword = (word: string): boolean => reserved.has(word);
