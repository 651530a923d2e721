/** Functions of numbers and lists. */
import { fault } from '../../ir/diagnostics/diagnostic.ts';
import { checked } from './arithmetic.ts';
import { type Builtin, builtin } from './builtin.ts';
import { refuse, type Site } from './context.ts';
import { items, real, reals } from './readers.ts';
import { number, type Value } from './value.ts';

const ofOne = (name: string, doc: string, compute: (a: number) => number): [string, Builtin] =>
  builtin(name, {
    doc,
    parameters: { number: real() },
    run: ({ number: a }, site): Value => checked(compute(a), `\`${name}(${a})\``, site.at, site.context),
  });

const ofMany = (name: string, doc: string, better: (a: number, b: number) => number): [string, Builtin] =>
  builtin(name, {
    doc,
    variadic: true,
    parameters: { numbers: { ...reals, read: (value, rank) => reals.read(flat(value), rank) } },
    run: ({ numbers }, site): Value => best(site, numbers, better),
  });

/** `max([1, 2])` and `max(1, 2)` are the same. */
const flat = (value: Value): Value =>
  value.kind === 'list'
    ? { kind: 'list', items: value.items.flatMap((item) => (item.kind === 'list' ? item.items : [item])) }
    : value;

function best(site: Site, numbers: readonly number[], better: (a: number, b: number) => number): Value {
  const what = `what \`${site.callee}\` chooses from`;
  if (numbers.length > 0) return number(numbers.reduce(better));
  return refuse(site, fault('wrong-kind', { what, expected: 'one or more numbers', found: 'none' }));
}

export const functionBuiltins = [
  ofOne('floor', 'the whole number below or equal', Math.floor),
  ofOne('ceil', 'the whole number above or equal', Math.ceil),
  ofOne('round', 'the nearest whole number', Math.round),
  ofOne('abs', 'the number without its sign', Math.abs),
  ofOne('sqrt', 'square root', Math.sqrt),
  ofOne('log2', 'logarithm to the base 2', Math.log2),
  ofMany('min', 'the smallest of numbers or of a list', (a, b) => Math.min(a, b)),
  ofMany('max', 'the largest of numbers or of a list', (a, b) => Math.max(a, b)),
  builtin('len', {
    doc: 'number of elements of a list',
    parameters: { list: items },
    run: ({ list }): Value => number(list.length),
  }),
];
