/** Words for what the lexer and the parser stumble over. */
import type { ILexingError, IRecognitionException, IToken } from 'chevrotain';
import { type Diagnostic, diagnose, fault, type Span } from '../../ir/diagnostics/diagnostic.ts';
import { EOF, tokenMatcher } from './chevrotain.ts';
import { spanOf } from './expression-parser.ts';
import type { Part } from './statements.ts';
import { suggestion } from './suggest.ts';
import { isKeyword, Name, NumberWithUnit, Numeral, signs, statementWords } from './tokens.ts';

const signHints: Readonly<Record<string, string>> = {
  '&': 'both conditions: `a and b`',
  '|': 'a pipe is `|>`; one of two conditions is `a or b`',
  '!': 'the opposite of a condition is `not a`; different is `a != b`',
  '×': 'times is `*`',
  '·': 'times is `*`',
  '−': 'minus is `-`',
  '–': 'minus is `-`',
  '≤': 'write `<=`',
  '≥': 'write `>=`',
  '→': 'a function is `let f(x) = ...`',
  '.': 'a number begins with a digit: `0.5`; a range is `0..3`',
};

/** Signs that are not of the language, comments and texts of other languages, numbers with units. */
export function lexingDiagnostics(
  errors: readonly ILexingError[],
  foreign: readonly IToken[],
  tokens: readonly IToken[],
  text: string,
  file: string,
): Diagnostic[] {
  const signs = errors.map((error) => unknownSign(error, text, file));
  const units = tokens.filter(({ tokenType }) => tokenType === NumberWithUnit);
  return [
    ...signs,
    ...foreign.map((token) => foreignText(token, file)),
    ...units.map((t) => withUnit(t, file)),
  ];
}

function unknownSign(
  { offset, length, line = 1, column = 1 }: ILexingError,
  text: string,
  file: string,
): Diagnostic {
  const sign = text.slice(offset, offset + Math.min(length, 20));
  const first = String.fromCodePoint(text.codePointAt(offset) ?? 32);
  const span: Span = { file, line, column, length: Math.max(1, sign.split('\n', 1)[0]?.length ?? 1) };
  return diagnose(fault('unknown-sign', { sign: showSign(sign) }), { span, hint: signHints[first] });
}

/** Control characters would upset a terminal: they are shown by their number. */
const showSign = (sign: string): string =>
  [...sign]
    .map((c) =>
      /\p{C}/u.test(c) ? `U+${(c.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}` : c,
    )
    .join('');

function foreignText(token: IToken, file: string): Diagnostic {
  const span = spanOf(token, file);
  if (token.image.startsWith('#') || token.image.startsWith('/*'))
    return diagnose(fault('comment-sign'), { span });
  return diagnose(fault('text-in-quotes'), { span });
}

function withUnit(token: IToken, file: string): Diagnostic {
  const number = /^\d+(\.\d+)?([eE][+-]?\d+)?/.exec(token.image)?.[0] ?? '';
  const letters = token.image.slice(number.length);
  const hint = /^[xX]/.test(letters)
    ? 'sizes are separated by commas: `[3, 256, 256]`; a product is `2 * x`'
    : `write \`${number}\`: sizes count cells, and a product is written with \`*\``;
  return diagnose(fault('number-with-letters', { number, letters }), { span: spanOf(token, file), hint });
}

/** The parser's exception in our words. Its message is only what was expected: see `expression-parser.ts`. */
export function syntaxDiagnostic(error: IRecognitionException, part: Part, file: string): Diagnostic {
  const first = part.tokens[0];
  if (error.message === 'a statement' && first !== undefined && error.token === first)
    return noStatement(first, part, file);
  const atEnd = error.token.tokenType === EOF;
  const last = part.tokens.at(-1) ?? error.token;
  const token = atEnd ? part.following : error.token;
  const span = atEnd ? after(last, file) : spanOf(error.token, file);
  if (token !== undefined && isMisplacedWord(error, token, atEnd))
    return diagnose(fault('reserved-word', { word: token.image }), { span: spanOf(token, file) });
  const found = token === undefined ? 'the end of the text' : describe(token, atEnd);
  const previous = atEnd ? last : before(error.token, part);
  return diagnose(fault('unexpected', { expected: error.message, found }), {
    span,
    hint: syntaxHint(error.message, previous, atEnd ? undefined : error.token),
  });
}

const describe = (token: IToken, isNextStatement: boolean): string =>
  isNextStatement ? `the next statement (\`${token.image}\`)` : `\`${token.image}\``;

function noStatement(token: IToken, { tokens }: Part, file: string): Diagnostic {
  const known = statementWords.map(({ PATTERN }) => (PATTERN instanceof RegExp ? PATTERN.source : ''));
  const sign = tokens[1]?.image;
  const wordless: Record<string, string> = {
    '=': `write \`let ${token.image} = ...\``,
    ':': `write \`input ${token.image} : ...\` or \`target ${token.image} : ...\``,
  };
  const ofTrain = ['batch', 'steps', 'seed', 'clip'].includes(token.image)
    ? `it belongs to \`train\`: put a comma before \`${token.image}\``
    : undefined;
  const ofPipe =
    sign === undefined || sign === '(' || sign === '|>'
      ? `is a pipe missing? \`|> ${token.image}\``
      : undefined;
  const hint = ofTrain ?? wordless[sign ?? ''] ?? suggestion(token.image, known) ?? ofPipe;
  return diagnose(fault('no-statement', { found: token.image }), { span: spanOf(token, file), hint });
}

/** A keyword where a name should be, or one that begins statements in the middle of another. */
const isMisplacedWord = (error: IRecognitionException, token: IToken, atEnd: boolean): boolean =>
  (error.message === 'a name' && isKeyword(token.image)) ||
  (!atEnd && statementWords.includes(token.tokenType));

const before = (token: IToken, { tokens }: Part): IToken | undefined => tokens[tokens.indexOf(token) - 1];

/** The place just behind the last token of a statement that ends too early. */
const after = (token: IToken, file: string): Span => ({
  file,
  line: token.endLine ?? 1,
  column: (token.endColumn ?? 1) + 1,
  length: 1,
});

/** What somebody who wrote this probably meant. */
function syntaxHint(
  expected: string,
  previous: IToken | undefined,
  found: IToken | undefined,
): string | undefined {
  if (expected === '`else`') return '`if` gives a value, so it needs both: `if c then a else b`';
  if (found === undefined) return undefined;
  const two = `${previous?.image ?? ''}${found.image}`;
  if (two === '**') return 'a power is written `2 ^ l`';
  if (two === '=>' || two === '->') return 'a function is `let f(x) = ...`, an arm `encode(l, x) = ...`';
  if (found.image === '=') return 'a value is named by `let name = ...`; equality is tested with `==`';
  if (tokenMatcher(found, Numeral) && previous !== undefined && previous.tokenType !== signs.comma)
    return `is a comma or an operator missing before \`${found.image}\`?`;
  if (found.tokenType !== Name) return undefined;
  if (expected === 'the end of the statement')
    return (
      suggestion(found.image, ['of', 'scaled', 'normalized']) ?? `is a pipe missing? \`|> ${found.image}\``
    );
  if (expected.includes('`)`') || expected.includes('`}`'))
    return `is a comma missing before \`${found.image}\`, or a pipe: \`|> ${found.image}\`?`;
  return undefined;
}
