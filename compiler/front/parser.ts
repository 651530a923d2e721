/**
 * The grammar of statements; see `expression-parser.ts` for what stands inside them. Statements are read one
 * by one, so a fault in one leaves the others alone.
 *
 *   statement = "model" name
 *             | ( "let" | "block" ) name [ "(" parameters ")" ] "=" expression
 *             | "input" name ":" type [ "scaled" "by" expression | "normalized" arguments ]
 *             | "target" name ":" type
 *             | "output" name "=" expression
 *             | "loss" expression
 *             | "train" argument { "," argument }
 *   type      = name "[" expression { "," expression } "]" [ "of" expression ]
 */
import type { ParserMethod } from 'chevrotain';
import type { Argument, Expression, Scaling, Statement, TypeExpression } from './ast.ts';
import { tokenMatcher } from './chevrotain.ts';
import { ExpressionParser } from './expression-parser.ts';
import { by, Definition, normalized, of, scaled, signs, words } from './tokens.ts';

export class ModelParser extends ExpressionParser {
  constructor() {
    super();
    this.performSelfAnalysis();
  }

  statement: ParserMethod<[], Statement | undefined> = this.strict('statement', (): Statement | undefined =>
    this.OR<Statement>([
      { ALT: () => this.SUBRULE(this.modelName) },
      { ALT: () => this.SUBRULE(this.definition) },
      { ALT: () => this.SUBRULE(this.inputStatement) },
      { ALT: () => this.SUBRULE(this.target) },
      { ALT: () => this.SUBRULE(this.output) },
      { ALT: () => this.SUBRULE(this.loss) },
      { ALT: () => this.SUBRULE(this.train) },
    ]),
  );

  /** The text of one `--set name=...`. */
  value: ParserMethod<[], Expression | undefined> = this.strict('value', (): Expression | undefined =>
    this.SUBRULE(this.expression),
  );

  private modelName: ParserMethod<[], Statement> = this.strict('modelName', (): Statement => {
    const word = this.CONSUME(words.model);
    return { kind: 'model', at: this.at(word), name: this.SUBRULE(this.identifier) };
  });

  private definition: ParserMethod<[], Statement> = this.strict('definition', (): Statement => {
    const word = this.CONSUME(Definition);
    const name = this.SUBRULE(this.identifier);
    const parameters = this.OPTION(() => this.SUBRULE(this.parameters));
    this.CONSUME(signs.assign);
    const value = this.SUBRULE(this.expression);
    const at = this.at(word);
    const isBlock = tokenMatcher(word, words.block);
    if (parameters === undefined && !isBlock) return { kind: 'let', at, name, value };
    return {
      kind: 'function',
      word: isBlock ? 'block' : 'let',
      at,
      name,
      parameters: parameters ?? [],
      body: value,
    };
  });

  private inputStatement: ParserMethod<[], Statement> = this.strict('inputStatement', (): Statement => {
    const word = this.CONSUME(words.input);
    const name = this.SUBRULE(this.identifier);
    this.CONSUME(signs.colon);
    const type = this.SUBRULE(this.type);
    const scaling = this.OPTION(() => this.SUBRULE(this.scaling));
    return { kind: 'input', at: this.at(word), name, type, ...(scaling === undefined ? {} : { scaling }) };
  });

  private scaling: ParserMethod<[], Scaling> = this.strict('scaling', () =>
    this.OR<Scaling>([
      {
        ALT: () => {
          const word = this.CONSUME(scaled);
          this.CONSUME(by);
          return { kind: 'scaled', at: this.at(word), factor: this.SUBRULE(this.expression) };
        },
      },
      {
        ALT: () => {
          const word = this.CONSUME(normalized);
          return { kind: 'normalized', at: this.at(word), arguments: this.SUBRULE(this.arguments) };
        },
      },
    ]),
  );

  private target: ParserMethod<[], Statement> = this.strict('target', (): Statement => {
    const word = this.CONSUME(words.target);
    const name = this.SUBRULE(this.identifier);
    this.CONSUME(signs.colon);
    return { kind: 'target', at: this.at(word), name, type: this.SUBRULE(this.type) };
  });

  private type: ParserMethod<[], TypeExpression> = this.strict('type', (): TypeExpression => {
    const element = this.SUBRULE(this.identifier);
    const bracket = this.CONSUME(signs.openSquare);
    const sizes: Expression[] = [];
    this.AT_LEAST_ONE_SEP({ SEP: signs.comma, DEF: () => sizes.push(this.SUBRULE(this.expression)) });
    this.CONSUME(signs.closeSquare);
    const classes = this.OPTION(() => {
      this.CONSUME(of);
      return this.SUBRULE2(this.expression);
    });
    return { element, sizes, at: this.at(bracket), ...(classes === undefined ? {} : { classes }) };
  });

  private output: ParserMethod<[], Statement> = this.strict('output', (): Statement => {
    const word = this.CONSUME(words.output);
    const name = this.SUBRULE(this.identifier);
    this.CONSUME(signs.assign);
    return { kind: 'output', at: this.at(word), name, value: this.SUBRULE(this.expression) };
  });

  private loss: ParserMethod<[], Statement> = this.strict('loss', (): Statement => {
    const word = this.CONSUME(words.loss);
    return { kind: 'loss', at: this.at(word), value: this.SUBRULE(this.expression) };
  });

  private train: ParserMethod<[], Statement> = this.strict('train', (): Statement => {
    const word = this.CONSUME(words.train);
    const list: Argument[] = [];
    this.AT_LEAST_ONE_SEP({ SEP: signs.comma, DEF: () => list.push(this.SUBRULE(this.argument)) });
    return { kind: 'train', at: this.at(word), arguments: list };
  });
}
