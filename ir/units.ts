/** Quantities for people: bytes in binary units, counts with prefixes; and back. */
import { at } from './box.ts';

const binary = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'] as const;

/** `1.50 GiB`; three significant digits. */
export function showBytes(bytes: number): string {
  const step = bytes < 1 ? 0 : Math.min(binary.length - 1, Math.floor(Math.log2(bytes) / 10));
  const amount = bytes / 1024 ** step;
  return `${step === 0 ? Math.round(amount) : threeDigits(amount)} ${binary[step]}`;
}

const decimal = ['', 'k', 'M', 'G', 'T', 'P', 'E'] as const;

/** `1.36 G`, to be followed by a unit. */
export function showCount(count: number): string {
  const step = count < 1000 ? 0 : Math.min(decimal.length - 1, Math.floor(Math.log10(count) / 3));
  const amount = count / 1000 ** step;
  return `${step === 0 ? Math.round(amount) : threeDigits(amount)} ${decimal[step]}`.trimEnd();
}

const threeDigits = (amount: number): string => (amount >= 1000 ? amount.toFixed(0) : amount.toPrecision(3));

/** `35.2 ms`, `1.20 s`, `2.5 min`. */
export function showSeconds(seconds: number): string {
  if (seconds >= 120)
    return seconds >= 7200 ? `${(seconds / 3600).toPrecision(3)} h` : `${(seconds / 60).toPrecision(3)} min`;
  const step = seconds >= 1 || seconds === 0 ? 0 : Math.min(3, Math.ceil(-Math.log10(seconds) / 3));
  return `${threeDigits(seconds * 1000 ** step)} ${at(secondWords, step)}`;
}

const secondWords = ['s', 'ms', 'µs', 'ns'];

/** Bytes of `4GiB`, `768 MiB`, `1.5 GB`; undefined where that is no size. A number needs its unit. */
export function parseBytes(text: string): number | undefined {
  const found = /^\s*(\d+(?:\.\d+)?)\s*([KMGTP]?)(i?)B\s*$/.exec(text);
  if (found === null) return undefined;
  const [, amount = '', prefix = '', kind = ''] = found;
  const power = 'KMGTP'.indexOf(prefix) + 1;
  if (prefix === '') return Math.round(Number(amount));
  return Math.round(Number(amount) * (kind === 'i' ? 1024 : 1000) ** power);
}
