/**
 * The reader of our own texts (models, schedules and plans between passes). They are one grammar of words:
 * names, numbers, "quoted" words, punctuation. `//` begins a comment.
 */
import { at } from '../box.ts';
import {
  type Diagnostic,
  diagnose,
  type Fault,
  failure,
  fault,
  type Result,
  success,
} from '../diagnostics/diagnostic.ts';

export type Token = {
  readonly kind: 'name' | 'number' | 'string' | 'mark' | 'end';
  readonly text: string;
  readonly line: number;
  readonly column: number;
};

/** Names of values: `unet.encode[0].conv[1].weight`, `land~count`, `image#0`. */
const namePattern = /[A-Za-z_][\w]*(?:\[\d+\]|[.~#][A-Za-z_0-9]\w*)*/y;
const patterns: readonly [Token['kind'], RegExp][] = [
  ['name', namePattern],
  ['number', /-?(?:\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|Infinity|NaN)/y],
  ['string', /"(?:[^"\\\n]|\\.)*"/y],
  ['mark', /\.\.|[[\](){}=,:;]/y],
];
const blanks = /(?:[ \t\r\n]+|\/\/[^\n]*)+/y;

export const isBareName = (text: string): boolean => {
  namePattern.lastIndex = 0;
  return namePattern.test(text) && namePattern.lastIndex === text.length;
};

/** What stops the reading of one text; caught where the reading began. */
export class TextFault extends Error {
  readonly fault: Fault;
  readonly token: Token;

  constructor(found: Fault, token: Token) {
    super(found.code);
    this.fault = found;
    this.token = token;
  }
}

function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  let position = 0;
  let line = 1;
  let lineStart = 0;
  const skip = (matched: string) => {
    for (let i = 0; i < matched.length; i++)
      if (matched[i] === '\n') {
        line++;
        lineStart = position + i + 1;
      }
    position += matched.length;
  };
  const match = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = position;
    return pattern.exec(text)?.[0];
  };
  for (;;) {
    skip(match(blanks) ?? '');
    const place = { line, column: position - lineStart + 1 };
    if (position >= text.length) return [...tokens, { kind: 'end', text: 'the end of the text', ...place }];
    const found = patterns
      .map(([kind, pattern]) => ({ kind, matched: match(pattern) }))
      .find(({ matched }) => matched);
    // A sign that no text of ours has is a mark of its own, which no reader expects.
    const { kind, matched } = found ?? { kind: 'mark', matched: undefined };
    const word = matched ?? at([...text.slice(position, position + 2)], 0);
    tokens.push({ kind, text: word, ...place });
    skip(word);
  }
}

export class Cursor {
  private readonly tokens: readonly Token[];
  /** Braces that are open before each token. */
  private readonly depths: readonly number[];
  private index = 0;

  constructor(text: string) {
    this.tokens = tokenize(text);
    let depth = 0;
    this.depths = this.tokens.map(({ text: word }) => {
      if (word === '{') return depth++;
      return word === '}' ? depth-- : depth;
    });
  }

  /** The token that was read last. */
  previous(): Token {
    return at(this.tokens, Math.max(0, this.index - 1));
  }

  /** How many braces are open. */
  depth(): number {
    return at(this.depths, Math.min(this.index, this.tokens.length - 1));
  }

  /** After a fault: goes on to where a statement inside `depth` braces ends, at `;`, `}` or the line's end. */
  recover(depth: number): void {
    while (this.peek().kind !== 'end') {
      const ends = [';', '}'].includes(this.peek().text) || this.peek().line > this.previous().line;
      if (this.depth() <= depth && ends) return;
      this.index++;
    }
  }

  peek(ahead = 0): Token {
    return at(this.tokens, Math.min(this.index + ahead, this.tokens.length - 1));
  }

  next(): Token {
    const token = this.peek();
    this.index++;
    return token;
  }

  /** True where the next word is `text`; reads it then. */
  take(text: string): boolean {
    if (this.peek().text !== text || this.peek().kind === 'string') return false;
    this.index++;
    return true;
  }

  expect(text: string): void {
    if (!this.take(text)) this.fail(`\`${text}\``);
  }

  name(what = 'a name'): string {
    const token = this.peek();
    if (token.kind === 'string') return JSON.parse(this.next().text) as string;
    if (token.kind !== 'name') this.fail(what);
    return this.next().text;
  }

  oneOf<T extends string>(words: readonly T[]): T {
    const word = words.find((candidate) => candidate === this.peek().text);
    if (word === undefined) return this.fail(words.map((candidate) => `\`${candidate}\``).join(' or '));
    this.index++;
    return word;
  }

  number(): number {
    if (this.peek().kind !== 'number') this.fail('a number');
    return Number(this.next().text);
  }

  integer(): number {
    const token = this.peek();
    const value = this.number();
    if (!Number.isSafeInteger(value)) throw new TextFault(unexpected(token, 'a whole number'), token);
    return value;
  }

  /** Reads items up to the closing mark, commas between them. */
  list<T>(item: () => T, open = '[', close = ']'): T[] {
    this.expect(open);
    const items: T[] = [];
    while (!this.take(close)) {
      if (items.length > 0) this.expect(',');
      items.push(item());
    }
    return items;
  }

  /** Reads statements up to the closing brace. */
  block<T>(statement: () => T): T[] {
    this.expect('{');
    const statements: T[] = [];
    while (!this.take('}')) statements.push(statement());
    return statements;
  }

  fail(expected: string): never {
    throw new TextFault(unexpected(this.peek(), expected), this.peek());
  }
}

const unexpected = (token: Token, expected: string): Fault =>
  fault('text-unexpected', { found: token.text, expected });

/** Runs a reader over a whole text; what it cannot read becomes a diagnostic with its place. */
export function readText<T>(text: string, file: string, read: (cursor: Cursor) => T): Result<T> {
  try {
    const cursor = new Cursor(text);
    const value = read(cursor);
    if (cursor.peek().kind !== 'end') cursor.fail('the end of the text');
    return success(value);
  } catch (error) {
    if (error instanceof TextFault) return failure(placed(error, file));
    throw error;
  }
}

/** A fault of a text as a diagnostic with its place. */
export const placed = ({ fault: found, token }: TextFault, file: string): Diagnostic =>
  diagnose(found, {
    span: {
      file,
      line: token.line,
      column: token.column,
      length: token.kind === 'end' ? 1 : token.text.length,
    },
  });
