/**
 * What we use of chevrotain, out of the one file in which the package has all of it. Its usual entry imports lodash as
 * 600 modules, which takes several times as long as all that is done with a text.
 */
type Chevrotain = typeof import('chevrotain');

const whole = new URL('../chevrotain.mjs', import.meta.resolve('chevrotain'));

export const { createToken, EmbeddedActionsParser, EOF, Lexer, tokenLabel, tokenMatcher }: Chevrotain =
  await import(whole.href);
