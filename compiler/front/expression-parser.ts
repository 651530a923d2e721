/**
 * The grammar of expressions. After a fault chevrotain goes on where it can, and what it could not read is a
 * hole in the Ast.
 *
 *   expression = "if" expression "then" expression "else" expression
 *              | operand { operator operand | "|>" stage }
 *   operand    = { "-" | "not" } primary { "[" expression "]" }
 *   primary    = number | "true" | "false" | name [call] | "(" expression ["," expression] ")"
 *              | "[" [ expression ( "for" name "in" expression | { "," expression } ) ] "]"
 *              | "{" { "let" name "=" expression [";"] } expression "}"
 *   call       = "(" [ argument { "," argument } ] ")" [ "{" { arm } "}" ]
 *   argument   = [ name "=" ] expression
 *   arm        = name "(" parameters ")" "=" expression [";"]
 */
import type { IParserErrorMessageProvider, IToken, ParserMethod } from 'chevrotain';
import type { Span } from '../../ir/diagnostics/diagnostic.ts';
import type {
  Argument,
  Arm,
  BinaryOperator,
  Call,
  Expression,
  Identifier,
  LocalLet,
  ParameterName,
} from './ast.ts';
import { EmbeddedActionsParser, tokenLabel, tokenMatcher } from './chevrotain.ts';
import { buildTree, type Item, operatorAfterPipe } from './precedence.ts';
import { Name, Numeral, Operator, Prefix, signs, tokenTypes, words } from './tokens.ts';

/** Our diagnostics are worded elsewhere: chevrotain's message is only what was expected. */
const expectations: IParserErrorMessageProvider = {
  buildMismatchTokenMessage: ({ expected }) => tokenLabel(expected),
  buildNotAllInputParsedMessage: () => 'the end of the statement',
  buildNoViableAltMessage: ({ ruleName }) => (ruleName === 'statement' ? 'a statement' : 'an expression'),
  buildEarlyExitMessage: () => 'an expression',
};

export const spanOf = (token: IToken, file: string): Span => ({
  file,
  line: token.startLine ?? 1,
  column: token.startColumn ?? 1,
  length: Math.max(1, token.image.split('\n', 1)[0]?.length ?? 1),
});

const nowhere: Span = { file: '', line: 1, column: 1, length: 1 };
const hole: Expression = { kind: 'hole', at: nowhere };
const unnamed: Identifier = { name: '', at: nowhere };

type Tail = { readonly arguments: readonly Argument[]; readonly arms?: readonly Arm[] };

export class ExpressionParser extends EmbeddedActionsParser {
  file = '';
  /** Operators after a pipe, found while trees were built. */
  mixedPipes: { operator: string; at: Span }[] = [];

  constructor() {
    super(tokenTypes, { recoveryEnabled: true, maxLookahead: 2, errorMessageProvider: expectations });
  }

  /** A rule that leaves recovery to the rule that called it. */
  protected strict<A extends unknown[], T>(name: string, rule: (...args: A) => T): ParserMethod<A, T> {
    return this.RULE(name, rule, { resyncEnabled: false });
  }

  /** A rule that after a fault skips to where its caller can go on, and gives a stand-in. */
  private lenient<T>(name: string, standIn: () => T, rule: () => T): ParserMethod<[], T> {
    return this.RULE(name, rule, { recoveryValueFunc: standIn });
  }

  protected identifier: ParserMethod<[], Identifier> = this.strict('identifier', () => {
    const token = this.CONSUME(Name);
    return { name: token.image, at: this.at(token) };
  });

  protected parameters: ParserMethod<[], readonly ParameterName[]> = this.strict('parameters', () => {
    const list: ParameterName[] = [];
    this.CONSUME(signs.open);
    this.MANY_SEP({
      SEP: signs.comma,
      DEF: () => {
        const name = this.SUBRULE(this.identifier);
        const value = this.OPTION(() => {
          this.CONSUME(signs.assign);
          return this.SUBRULE(this.expression);
        });
        list.push(value === undefined ? name : { ...name, default: value });
      },
    });
    this.CONSUME(signs.close);
    return list;
  });

  protected expression: ParserMethod<[], Expression> = this.strict('expression', () =>
    this.OR<Expression>([{ ALT: () => this.SUBRULE(this.choice) }, { ALT: () => this.SUBRULE(this.chain) }]),
  );

  private choice: ParserMethod<[], Expression> = this.strict('choice', (): Expression => {
    const word = this.CONSUME(words.if);
    const condition = this.SUBRULE(this.expression);
    this.CONSUME(words.thenWord);
    const yes = this.SUBRULE2(this.expression);
    this.CONSUME(words.else);
    return { kind: 'if', at: this.at(word), condition, yes, no: this.SUBRULE3(this.expression) };
  });

  private chain: ParserMethod<[], Expression> = this.strict('chain', () => {
    const items: Item[] = [];
    this.SUBRULE(this.operand, { ARGS: [items] });
    this.MANY(() =>
      this.OR([
        { ALT: () => this.SUBRULE(this.operation, { ARGS: [items] }) },
        { ALT: () => this.SUBRULE(this.stage, { ARGS: [items] }) },
      ]),
    );
    return this.ACTION(() => {
      const mixed = operatorAfterPipe(items);
      if (mixed !== undefined) this.mixedPipes.push(mixed);
      return buildTree(items, nowhere);
    });
  });

  private operation: ParserMethod<[Item[]], void> = this.strict('operation', (items: Item[]) => {
    const token = this.CONSUME(Operator);
    this.ACTION(() =>
      items.push({ item: 'binary', operator: operatorNamed(token.image), at: this.at(token) }),
    );
    this.SUBRULE(this.operand, { ARGS: [items] });
  });

  private stage: ParserMethod<[Item[]], void> = this.strict('stage', (items: Item[]) => {
    this.CONSUME(signs.pipe);
    const name = this.SUBRULE(this.identifier);
    const tail = this.OPTION({ GATE: () => this.onSameLine(), DEF: () => this.SUBRULE(this.tail) });
    const call: Call = {
      kind: 'call',
      at: name.at,
      callee: name.name,
      arguments: [],
      ...tail,
      piped: true,
    };
    this.ACTION(() => items.push({ item: 'stage', call }));
  });

  private operand: ParserMethod<[Item[]], void> = this.strict('operand', (items: Item[]) => {
    this.MANY(() => {
      const token = this.CONSUME(Prefix);
      const operator = tokenMatcher(token, words.not) ? 'not' : '-';
      this.ACTION(() => items.push({ item: 'prefix', operator, at: this.at(token) }));
    });
    let expression = this.SUBRULE(this.primary);
    this.MANY2({
      GATE: () => this.onSameLine(),
      DEF: () => {
        const bracket = this.CONSUME(signs.openSquare);
        const index = this.SUBRULE(this.expression);
        this.CONSUME(signs.closeSquare);
        expression = { kind: 'index', at: this.at(bracket), list: expression, index };
      },
    });
    this.ACTION(() => items.push({ item: 'operand', expression }));
  });

  private primary: ParserMethod<[], Expression> = this.strict('primary', () =>
    this.OR<Expression>([
      { ALT: () => this.number(this.CONSUME(Numeral)) },
      { ALT: () => ({ kind: 'boolean', at: this.at(this.CONSUME(words.true)), value: true }) },
      { ALT: () => ({ kind: 'boolean', at: this.at(this.CONSUME(words.false)), value: false }) },
      { ALT: () => this.SUBRULE(this.nameOrCall) },
      { ALT: () => this.SUBRULE(this.brackets) },
      { ALT: () => this.SUBRULE(this.list) },
      { ALT: () => this.SUBRULE(this.body) },
    ]),
  );

  private nameOrCall: ParserMethod<[], Expression> = this.strict('nameOrCall', (): Expression => {
    const { name, at } = this.SUBRULE(this.identifier);
    const tail = this.OPTION({ GATE: () => this.onSameLine(), DEF: () => this.SUBRULE(this.tail) });
    if (tail === undefined) return { kind: 'name', at, name };
    return { kind: 'call', at, callee: name, ...tail, piped: false };
  });

  private tail: ParserMethod<[], Tail> = this.strict('tail', (): Tail => {
    const list = this.SUBRULE(this.arguments);
    const arms = this.OPTION({ GATE: () => this.beforeArms(), DEF: () => this.SUBRULE(this.arms) });
    return { arguments: list, ...(arms === undefined ? {} : { arms }) };
  });

  protected arguments: ParserMethod<[], readonly Argument[]> = this.lenient(
    'arguments',
    () => [],
    () => {
      const list: Argument[] = [];
      this.CONSUME(signs.open);
      this.MANY_SEP({ SEP: signs.comma, DEF: () => list.push(this.SUBRULE(this.argument)) });
      this.CONSUME(signs.close);
      return list;
    },
  );

  protected argument: ParserMethod<[], Argument> = this.strict('argument', (): Argument => {
    const name = this.OPTION(() => {
      const identifier = this.SUBRULE(this.identifier);
      this.CONSUME(signs.assign);
      return identifier;
    });
    const value = this.SUBRULE(this.expression);
    return name === undefined ? { value } : { name, value };
  });

  private arms: ParserMethod<[], readonly Arm[]> = this.lenient(
    'arms',
    () => [],
    () => {
      const list: Arm[] = [];
      this.CONSUME(signs.openCurly);
      this.MANY({
        GATE: () => this.LA(2).tokenType === signs.open,
        DEF: () => {
          list.push(this.SUBRULE(this.arm));
          this.OPTION(() => this.CONSUME(signs.semicolon));
        },
      });
      this.CONSUME(signs.closeCurly);
      return list;
    },
  );

  private arm: ParserMethod<[], Arm> = this.lenient(
    'arm',
    () => ({ name: unnamed, parameters: [], body: hole }),
    (): Arm => {
      const name = this.SUBRULE(this.identifier);
      const parameters = this.SUBRULE(this.parameters);
      this.CONSUME(signs.assign);
      return { name, parameters, body: this.SUBRULE(this.expression) };
    },
  );

  private brackets: ParserMethod<[], Expression> = this.lenient(
    'brackets',
    () => hole,
    (): Expression => {
      const open = this.CONSUME(signs.open);
      const low = this.SUBRULE(this.expression);
      const high = this.OPTION(() => {
        this.CONSUME(signs.comma);
        return this.SUBRULE2(this.expression);
      });
      this.CONSUME(signs.close);
      return high === undefined ? low : { kind: 'pair', at: this.at(open), low, high };
    },
  );

  private list: ParserMethod<[], Expression> = this.lenient(
    'list',
    () => hole,
    (): Expression => {
      const at = this.at(this.CONSUME(signs.openSquare));
      const list = this.OPTION((): Expression => {
        const first = this.SUBRULE(this.expression);
        return this.OR<Expression>([
          {
            ALT: () => {
              this.CONSUME(words.for);
              const variable = this.SUBRULE(this.identifier);
              this.CONSUME(words.in);
              return {
                kind: 'comprehension',
                at,
                item: first,
                variable,
                list: this.SUBRULE2(this.expression),
              };
            },
          },
          {
            ALT: () => {
              const items = [first];
              this.MANY(() => {
                this.CONSUME(signs.comma);
                items.push(this.SUBRULE3(this.expression));
              });
              return { kind: 'list', at, items };
            },
          },
        ]);
      });
      this.CONSUME(signs.closeSquare);
      return list ?? { kind: 'list', at, items: [] };
    },
  );

  private body: ParserMethod<[], Expression> = this.lenient(
    'body',
    () => hole,
    (): Expression => {
      const lets: LocalLet[] = [];
      const open = this.CONSUME(signs.openCurly);
      this.MANY(() => {
        this.CONSUME(words.let);
        const name = this.SUBRULE(this.identifier);
        this.CONSUME(signs.assign);
        lets.push({ name, value: this.SUBRULE(this.expression) });
        this.OPTION(() => this.CONSUME(signs.semicolon));
      });
      const result = this.SUBRULE2(this.expression);
      this.CONSUME(signs.closeCurly);
      return { kind: 'body', at: this.at(open), lets, result };
    },
  );

  private number(token: IToken): Expression {
    return { kind: 'number', at: this.at(token), value: Number.parseFloat(token.image) };
  }

  protected at(token: IToken): Span {
    return spanOf(token, this.file);
  }

  /** A bracket on the next line begins something new: it is no call and no index. */
  private onSameLine(): boolean {
    return this.LA(0).endLine === this.LA(1).startLine;
  }

  /** `{` after a call begins arms, unless it stands on the next line and holds no arm. */
  private beforeArms(): boolean {
    return this.onSameLine() || tokenMatcher(this.LA(2), Name);
  }
}

const operators: ReadonlySet<string> = new Set(
  tokenTypes
    .filter(({ CATEGORIES }) => CATEGORIES?.includes(Operator))
    .map((type) => tokenLabel(type).replaceAll('`', '')),
);

const isOperator = (image: string): image is BinaryOperator => operators.has(image);

/** The operator a token stands for. While chevrotain records the grammar its tokens stand for nothing. */
const operatorNamed = (image: string): BinaryOperator => (isOperator(image) ? image : '+');
