/**
 * Numbers with units, as `.machine` texts have them: `16 GiB`, `900 GB/s`, `15.7 TFLOP/s`, `8 us`. Printing and
 * reading lose nothing: decimal prefixes shift the digits of the number, binary ones scale by powers of two.
 */

/** What a figure measures. `share` and `count` are plain numbers. `intensity`: operations for each byte. */
export type Dimension = 'bytes' | 'bandwidth' | 'flops' | 'rate' | 'intensity' | 'time' | 'share' | 'count';

type Unit = {
  readonly text: string;
  /** The factor is 10 ** decimal * 2 ** binary. */
  readonly decimal: number;
  readonly binary: number;
};

const decimals = ['', 'k', 'M', 'G', 'T', 'P', 'E'];
const binaries = ['Ki', 'Mi', 'Gi', 'Ti', 'Pi'];

const withDecimals = (text: string): Unit[] =>
  decimals.map((prefix, i) => ({ text: prefix + text, decimal: 3 * i, binary: 0 }));
const withBinaries = (text: string): Unit[] =>
  binaries.map((prefix, i) => ({ text: prefix + text, decimal: 0, binary: 10 * (i + 1) }));

const seconds: readonly Unit[] = [
  { text: 's', decimal: 0, binary: 0 },
  { text: 'ms', decimal: -3, binary: 0 },
  { text: 'us', decimal: -6, binary: 0 },
  { text: 'ns', decimal: -9, binary: 0 },
];

/** The first unit of each dimension has the factor 1. */
const units: { readonly [D in Dimension]: readonly Unit[] } = {
  bytes: [...withDecimals('B'), ...withBinaries('B')],
  bandwidth: [...withDecimals('B/s'), ...withBinaries('B/s')],
  flops: withDecimals('FLOP'),
  rate: withDecimals('FLOP/s'),
  intensity: [{ text: 'FLOP/B', decimal: 0, binary: 0 }],
  time: seconds,
  share: [],
  count: [],
};

/** What each dimension is called, with examples of its units. */
export const dimensionWords: { readonly [D in Dimension]: string } = {
  bytes: 'bytes, such as `16 GiB`',
  bandwidth: 'bytes a second, such as `900 GB/s`',
  flops: 'floating-point operations, such as `1 GFLOP`',
  rate: 'floating-point operations a second, such as `15.7 TFLOP/s`',
  intensity: 'operations for each byte, such as `10 FLOP/B`',
  time: 'a time, such as `8 us`',
  share: 'a share, a plain number up to 1',
  count: 'a count, a plain number',
};

export const hasUnit = (dimension: Dimension): boolean => units[dimension].length > 0;

export const unitsOf = (dimension: Dimension): readonly string[] => units[dimension].map(({ text }) => text);

/** Whether any dimension has the unit. */
export const isUnit = (text: string): boolean =>
  Object.values(units).some((all) => all.some((unit) => unit.text === text));

/** The amount of `number` in `unit`; undefined where the dimension has no such unit. */
export function amountOf(number: string, unit: string, dimension: Dimension): number | undefined {
  const found = units[dimension].find(({ text }) => text === unit);
  return found && Number(shifted(number, found.decimal)) * 2 ** found.binary;
}

/** The digits of a number with its exponent moved: exact, as a product with a power of ten is not. */
function shifted(number: string, by: number): string {
  const [digits = '', exponent = '0'] = number.toLowerCase().split('e');
  return `${digits}e${Number(exponent) + by}`;
}

/** The amount in the unit that gives the shortest number from 1 on; of equally short ones the largest unit. */
export function printQuantity(amount: number, dimension: Dimension): string {
  if (amount === 0) return `0 ${unitsOf(dimension)[0] ?? ''}`.trimEnd();
  const forms = units[dimension].map((unit) => ({ unit, number: numberIn(amount, unit) }));
  const [best] = forms.sort(
    (a, b) =>
      Number(b.number >= '1') - Number(a.number >= '1') ||
      a.number.length - b.number.length ||
      factorOf(b.unit) - factorOf(a.unit),
  );
  return best === undefined ? String(amount) : `${best.number} ${best.unit.text}`;
}

/** The shortest digits that read back as the amount, their point moved. */
function numberIn(amount: number, { decimal, binary }: Unit): string {
  const [digits = '', exponent = '0'] = (amount / 2 ** binary).toExponential().split('e');
  return plainNumber(digits.replace('.', ''), Number(exponent) - decimal);
}

/** `digits` with the first of them worth 10 ** exponent. */
function plainNumber(digits: string, exponent: number): string {
  if (exponent < -4 || exponent > 15) return `${digits.slice(0, 1)}.${digits.slice(1) || '0'}e${exponent}`;
  if (exponent < 0) return `0.${'0'.repeat(-exponent - 1)}${digits}`;
  const whole = digits.padEnd(exponent + 1, '0');
  const rest = whole.slice(exponent + 1);
  return whole.slice(0, exponent + 1) + (rest === '' ? '' : `.${rest}`);
}

const factorOf = ({ decimal, binary }: Unit): number => 10 ** decimal * 2 ** binary;
