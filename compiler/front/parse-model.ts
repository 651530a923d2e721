/**
 * Text to Ast. Statements are cut apart first (a keyword begins each), then parsed on their own: a fault in
 * one says nothing about the others, and all of them are reported at once.
 */
import type { IRecognitionException, IToken } from 'chevrotain';
import {
  type Diagnostic,
  diagnose,
  failure,
  fault,
  type Result,
  type Span,
  success,
} from '../../ir/diagnostics/diagnostic.ts';
import type { Ast, Expression, Statement } from './ast.ts';
import { tokenMatcher } from './chevrotain.ts';
import { spanOf } from './expression-parser.ts';
import { limits } from './limits.ts';
import { ModelParser } from './parser.ts';
import { nestingFault, type Part, splitStatements, unclosedBracket } from './statements.ts';
import { lexingDiagnostics, syntaxDiagnostic } from './syntax-diagnostics.ts';
import { lexer, Name } from './tokens.ts';

/** What could be read of a text, and everything that is wrong with its form. */
export type Reading = { readonly ast: Ast; readonly diagnostics: readonly Diagnostic[] };

let shared: ModelParser | undefined;

/** The grammar is analysed once; a parser keeps nothing between texts. */
function parserFor(file: string, tokens: readonly IToken[]): ModelParser {
  shared ??= new ModelParser();
  shared.file = file;
  shared.mixedPipes = [];
  shared.input = [...tokens];
  return shared;
}

/** Reads as much as can be read: the Ast has holes where diagnostics are. */
export function readModel(text: string, file: string): Reading {
  if (text.length > limits.textLength) return unread(file, text.length);
  const { tokens, errors, groups } = lexer.tokenize(text);
  const lexing = lexingDiagnostics(errors, groups.foreign ?? [], tokens, text, file);
  const parts = splitStatements(tokens).map((part) => readPart(part, file));
  const syntax = parts.flatMap(({ diagnostics }) => diagnostics);
  return {
    ast: { file, statements: parts.map(({ statement }) => statement) },
    diagnostics: [...lexing, ...onePerLine(syntax, lexing)].slice(0, limits.diagnostics),
  };
}

/** The Ast of a text, or everything that is wrong with its form. */
export function parseModel(text: string, file: string): Result<Ast> {
  const { ast, diagnostics } = readModel(text, file);
  return diagnostics.length === 0 ? success(ast) : failure(...diagnostics);
}

/** An expression on its own, such as the text after `--set side=`. */
export function parseExpression(text: string, file: string): Result<Expression> {
  if (text.length > limits.textLength) return failure(...unread(file, text.length).diagnostics);
  const { tokens, errors, groups } = lexer.tokenize(text);
  const lexing = lexingDiagnostics(errors, groups.foreign ?? [], tokens, text, file);
  const part: Part = { tokens, following: undefined };
  const early = nestingFault(part, file) ?? unclosedBracket(part, file);
  if (lexing.length > 0 || early !== undefined) return failure(...lexing, ...(early ? [early] : []));
  const parser = parserFor(file, tokens);
  const value = parser.value();
  const problems = problemsOf(parser, part, file);
  return value === undefined || problems.length > 0 ? failure(...problems) : success(value);
}

const unread = (file: string, length: number): Reading => ({
  ast: { file, statements: [] },
  diagnostics: [
    diagnose(fault('text-too-long', { length, most: limits.textLength }), {
      span: { file, line: 1, column: 1, length: 1 },
    }),
  ],
});

type ReadPart = { readonly statement: Statement; readonly diagnostics: readonly Diagnostic[] };

function readPart(part: Part, file: string): ReadPart {
  const early = nestingFault(part, file) ?? unclosedBracket(part, file);
  if (early !== undefined) return { statement: broken(part, file), diagnostics: [early] };
  const parser = parserFor(file, part.tokens);
  const statement = parser.statement();
  const diagnostics = problemsOf(parser, part, file);
  const whole = statement !== undefined && diagnostics.length === 0;
  return { statement: whole ? statement : broken(part, file), diagnostics };
}

function problemsOf(parser: ModelParser, part: Part, file: string): Diagnostic[] {
  const syntax = parser.errors.map((error: IRecognitionException) => syntaxDiagnostic(error, part, file));
  const mixed = parser.mixedPipes.map(({ operator, at }) =>
    diagnose(fault('operator-after-pipe', { operator }), { span: at }),
  );
  return [...syntax, ...mixed];
}

/** What a statement that cannot be read would have defined, so that its users are not blamed. */
function broken({ tokens }: Part, file: string): Statement {
  const [first, second] = tokens;
  const at: Span = first === undefined ? { file, line: 1, column: 1, length: 1 } : spanOf(first, file);
  const named = [first, second].filter((token) => token !== undefined && tokenMatcher(token, Name));
  return { kind: 'broken', at, word: first?.image ?? '', names: named.map((token) => token?.image ?? '') };
}

/** After a first fault on a line the others there are mostly its echo. */
function onePerLine(diagnostics: readonly Diagnostic[], earlier: readonly Diagnostic[]): Diagnostic[] {
  const seen = new Set(earlier.map(({ span }) => span?.line));
  return diagnostics.filter(({ span }) => {
    if (seen.has(span?.line)) return false;
    seen.add(span?.line);
    return true;
  });
}
