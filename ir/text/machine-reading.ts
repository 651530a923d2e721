/** How `.machine` texts are read: statement by statement, and past each fault to the next one. */
import { type Diagnostic, type Fault, fault } from '../diagnostics/diagnostic.ts';
import { type Curve, type Provenance, provenances } from '../machine.ts';
import { nearestWord } from '../suggest.ts';
import { Cursor, placed, TextFault, type Token } from './cursor.ts';
import { amountOf, type Dimension, dimensionWords, hasUnit, isUnit, unitsOf } from './quantity.ts';

/** What was read so far. A place is a word, or words with points between them: `device.memory`. */
export type Reading = {
  readonly cursor: Cursor;
  readonly file: string;
  readonly diagnostics: Diagnostic[];
  readonly figures: Map<string, number>;
  readonly curves: Map<string, Curve>;
  readonly names: Map<string, string>;
  readonly groups: Map<string, readonly (readonly number[])[]>;
  readonly provenance: Map<string, Provenance>;
  /** Where each place was first given. */
  readonly tokens: Map<string, Token>;
  /** Statements that could not be read to their end, and words that others were probably meant to be. */
  readonly broken: Set<string>;
};

export type Figure = {
  readonly dimension: Dimension;
  readonly mayBeZero?: true;
  readonly most?: number;
  /** Printed with `per node`, which may be left out. */
  readonly perNode?: true;
};

export const beginReading = (text: string, file: string): Reading => ({
  cursor: new Cursor(text),
  file,
  diagnostics: [],
  figures: new Map(),
  curves: new Map(),
  names: new Map(),
  groups: new Map(),
  provenance: new Map(),
  tokens: new Map(),
  broken: new Set(),
});

/** Faults that are found, not only the first; a text with more is something else. */
const mostFaults = 50;

export function note({ diagnostics, file }: Reading, found: Fault, token: Token): void {
  const diagnostic = placed(new TextFault(found, token), file);
  const known = diagnostics.some(
    ({ message, span }) => message === diagnostic.message && span?.line === token.line,
  );
  if (!known && diagnostics.length < mostFaults) diagnostics.push(diagnostic);
}

/** Runs a reader of one statement; a fault is noted, and reading goes on behind the statement. */
function attempt(reading: Reading, depth: number, read: () => void): void {
  const word = reading.cursor.peek().text;
  try {
    read();
    endOfStatement(reading.cursor);
  } catch (error) {
    if (!(error instanceof TextFault)) throw error;
    reading.broken.add(word);
    note(reading, error.fault, error.token);
    reading.cursor.recover(depth);
  }
}

function endOfStatement(cursor: Cursor): void {
  const token = cursor.peek();
  const { kind, text, line } = token;
  if (kind === 'end' || text === ';' || text === '}' || line !== cursor.previous().line) return;
  const near = nearestWord(text, provenances);
  throw new TextFault(
    {
      ...fault('text-unexpected', { found: text, expected: 'the end of the line' }),
      hint: near && `did you mean \`${near}\`?`,
    },
    token,
  );
}

/** What may stand in a block, by its first word. The reader is given the token of that word. */
export type Words = { readonly [word: string]: (reading: Reading, token: Token) => void };

/** Statements up to the closing brace of a block, or to the end of the text. `place` is for people. */
export function readStatements(reading: Reading, place: string, words: Words, closed: boolean): void {
  const { cursor } = reading;
  const depth = cursor.depth();
  for (;;) {
    if (cursor.take(';')) continue;
    if (closed && cursor.take('}')) return;
    if (cursor.peek().kind === 'end') {
      if (closed) cursor.fail('`}`');
      return;
    }
    attempt(reading, depth, () => readStatement(reading, place, words));
  }
}

function readStatement(reading: Reading, place: string, words: Words): void {
  const token = reading.cursor.next();
  const read = Object.hasOwn(words, token.text) ? words[token.text] : undefined;
  if (read === undefined) {
    const meant = nearestWord(token.text, Object.keys(words));
    if (meant !== undefined) reading.broken.add(meant);
    throw new TextFault(unknownWord(token.text, place, Object.keys(words)), token);
  }
  read(reading, token);
}

function unknownWord(word: string, place: string, known: readonly string[]): Fault {
  const near = nearestWord(word, known);
  return {
    ...fault('machine-word', { word, place, known: known.join(', ') }),
    hint: near && `did you mean \`${near}\`?`,
  };
}

export function readBlock(reading: Reading, place: string, words: Words): void {
  reading.cursor.expect('{');
  readStatements(reading, place, words, true);
}

/** One of some words, with a suggestion for another; of many, `shown` are those that a fault lists. */
export function readWord<T extends string>(
  cursor: Cursor,
  place: string,
  words: readonly T[],
  shown: readonly T[] = words,
): T {
  const token = cursor.next();
  const word = words.find((candidate) => candidate === token.text);
  if (word === undefined) throw new TextFault(unknownWord(token.text, place, shown), token);
  return word;
}

/** Notes that a place was given; a second time is a fault. */
export function once({ tokens }: Reading, place: string, token: Token): void {
  if (tokens.has(place))
    throw new TextFault(fault('figure-twice', { word: token.text, place: ownerOf(place) }), token);
  tokens.set(place, token);
}

const ownerOf = (place: string): string => {
  const owner = place.split('.').slice(0, -1).join('.');
  return owner === '' ? 'the machine' : `the ${owner}`;
};

/** `16 GiB published` behind its word. */
export function readFigure(reading: Reading, place: string, figure: Figure, token: Token): void {
  once(reading, place, token);
  reading.figures.set(place, readQuantity(reading.cursor, token.text, figure));
  if (figure.perNode && reading.cursor.take('per')) reading.cursor.expect('node');
  readProvenance(reading, place);
}

function readProvenance({ cursor, provenance }: Reading, place: string): void {
  const word = provenances.find((candidate) => candidate === cursor.peek().text);
  if (word === undefined) return;
  cursor.next();
  provenance.set(place, word);
}

export function readQuantity(cursor: Cursor, word: string, figure: Figure): number {
  const { dimension } = figure;
  const token = cursor.peek();
  if (token.kind !== 'number') cursor.fail(dimensionWords[dimension]);
  const number = cursor.next().text;
  const amount = hasUnit(dimension)
    ? readWithUnit(cursor, word, number, dimension)
    : readPlain(cursor, word, number, dimension);
  const why = impossible(amount, figure);
  if (why !== undefined)
    throw new TextFault(
      { ...fault('figure-impossible', { word, why }), hint: percentHint(amount, figure) },
      token,
    );
  return amount;
}

const percentHint = (amount: number, { dimension }: Figure): string | undefined =>
  dimension === 'share' && amount >= 10 && amount <= 100
    ? `did you mean ${amount / 100}? Shares are no percentages`
    : undefined;

function impossible(
  amount: number,
  { dimension, mayBeZero, most = Number.POSITIVE_INFINITY }: Figure,
): string | undefined {
  if (!Number.isFinite(amount)) return 'must be finite';
  if (mayBeZero ? amount < 0 : amount <= 0) return `cannot be ${amount === 0 ? 'zero' : 'negative'}`;
  if (dimension === 'share' && amount > 1) return 'is a share of a peak, and cannot exceed 1';
  if (dimension === 'count' && !Number.isSafeInteger(amount)) return 'counts, and must be a whole number';
  return amount > most ? `is more than ${most}` : undefined;
}

function readWithUnit(cursor: Cursor, word: string, number: string, dimension: Dimension): number {
  const unit = readUnit(cursor);
  if (unit === undefined)
    throw new TextFault(
      fault('number-without-unit', {
        word,
        number,
        dimension: dimensionWords[dimension],
        units: unitsOf(dimension).join(', '),
      }),
      cursor.previous(),
    );
  const amount = amountOf(number, unit.text, dimension);
  if (amount === undefined) throw wrongUnit(word, unit, dimension);
  return amount;
}

function readPlain(cursor: Cursor, word: string, number: string, dimension: Dimension): number {
  if (isUnit(unitAhead(cursor))) throw wrongUnit(word, readUnit(cursor), dimension);
  return Number(number);
}

function wrongUnit(word: string, unit: Token | undefined, dimension: Dimension): TextFault {
  const token = unit ?? { kind: 'name', text: '', line: 1, column: 1 };
  const near = nearUnit(token.text, unitsOf(dimension));
  return new TextFault(
    {
      ...fault('wrong-unit', { word, unit: token.text, dimension: dimensionWords[dimension] }),
      hint: near && `did you mean \`${near}\`?`,
    },
    token,
  );
}

/** People forget the `/s`, write it where none belongs, or use other letters. */
const nearUnit = (text: string, units: readonly string[]): string | undefined =>
  units.find((unit) => unit === `${text}/s` || `${unit}/s` === text) ?? nearestWord(text, units);

/** `GB/s` reads as a name, a mark and a name. */
const unitAhead = (cursor: Cursor): string =>
  cursor.peek(1).text === '/' ? `${cursor.peek().text}/${cursor.peek(2).text}` : cursor.peek().text;

/** The word behind a number on its line, if it is not one that says how the figure is known. */
function readUnit(cursor: Cursor): Token | undefined {
  const token = cursor.peek();
  const other = [...provenances, 'per'].includes(token.text);
  if (token.kind !== 'name' || token.line > cursor.previous().line || other) return undefined;
  const text = unitAhead(cursor);
  cursor.next();
  if (cursor.take('/')) cursor.next();
  return { ...token, text };
}

/** `0.75`, or `{ 1 MFLOP 0.2; 1 GFLOP 0.75 }`, by sizes of a dimension. */
export function readCurve(reading: Reading, place: string, dimension: Dimension, token: Token): void {
  once(reading, place, token);
  const { cursor } = reading;
  const curve =
    cursor.peek().text === '{'
      ? readPoints(cursor, token.text, dimension)
      : [{ size: 1, share: readQuantity(cursor, token.text, { dimension: 'share' }) }];
  reading.curves.set(place, curve);
  readProvenance(reading, place);
}

function readPoints(cursor: Cursor, word: string, dimension: Dimension): Curve {
  const points: { size: number; share: number }[] = [];
  cursor.expect('{');
  while (!cursor.take('}')) {
    const token = cursor.peek();
    const size = readQuantity(cursor, word, { dimension });
    if (size <= (points.at(-1)?.size ?? 0))
      throw new TextFault(fault('figure-impossible', { word, why: 'needs sizes that grow' }), token);
    points.push({ size, share: readQuantity(cursor, word, { dimension: 'share' }) });
    cursor.take(';');
  }
  return points.length > 0 ? points : cursor.fail('a size and a share');
}

/** Groups of devices: `[0..2] [3, 5]`, joined by `-` where the link is the one between them. */
export function readGroups(cursor: Cursor): { groups: number[][]; between: boolean } {
  const groups: number[][] = [];
  let between = false;
  while (cursor.peek().text === '[') {
    groups.push(cursor.list(() => readRun(cursor)).flat());
    if (cursor.take('-')) between = true;
  }
  return { groups, between };
}

/** No node has more devices. */
export const mostDevices = 4096;

function readRun(cursor: Cursor): number[] {
  const token = cursor.peek();
  const from = cursor.integer();
  const to = cursor.take('..') ? cursor.integer() : from;
  if (from < 0 || to < from || to >= mostDevices)
    throw new TextFault(
      fault('text-unexpected', { found: token.text, expected: 'devices, such as `0..2`' }),
      token,
    );
  return Array.from({ length: to - from + 1 }, (_, i) => from + i);
}
