/** Scales of a chart: where a value lies, and the round numbers that are written beside it. */

export type Scale = {
  readonly from: number;
  readonly to: number;
  readonly logarithmic: boolean;
  readonly ticks: readonly number[];
};

/** The smallest of 1, 2, 5 times a power of ten that is at least `step`. */
function roundStep(step: number): number {
  const power = 10 ** Math.floor(Math.log10(step));
  const factor = [1, 2, 5, 10].find((candidate) => candidate * power >= step * 0.999) ?? 10;
  return factor * power;
}

/** A scale from round number to round number around the values, with about `count` ticks. */
export function linearScale(low: number, high: number, count: number): Scale {
  const span = high > low ? high - low : Math.abs(high) || 1;
  const step = roundStep(span / count);
  const [first, last] = [Math.floor(low / step), Math.ceil((low + span) / step)];
  const ticks = Array.from({ length: last - first + 1 }, (_, i) => tidy((first + i) * step));
  return { from: tidy(first * step), to: tidy(last * step), logarithmic: false, ticks };
}

/** A scale over positive values on which equal ratios are equally long: 1, 2, 5, 10, 20, ... */
export function logarithmicScale(low: number, high: number): Scale {
  const [first, last] = [Math.floor(Math.log10(low)), Math.ceil(Math.log10(high))];
  const all = Array.from({ length: last - first + 1 }, (_, i) => first + i).flatMap((power) =>
    [1, 2, 5].map((factor) => tidy(factor * 10 ** power)),
  );
  // A margin instead of whole decades: most of the height belongs to the values.
  const [from, to] = [low / 1.15, high * 1.15];
  const ticks = all.filter((tick) => tick >= from && tick <= to);
  return { from, to, logarithmic: true, ticks };
}

/** Without the last bits of binary fractions: 0.30000000000000004 is 0.3. */
const tidy = (value: number): number => Number(value.toPrecision(12));

/** 0 at the beginning of the scale, 1 at its end. */
export function placeOn({ from, to, logarithmic }: Scale, value: number): number {
  if (!logarithmic) return (value - from) / (to - from);
  return Math.log(value / from) / Math.log(to / from);
}

/** A number as people write it: thousands apart, no exponent where it can be avoided. */
export function numberText(value: number): string {
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-4 || size >= 1e9)) return value.toExponential().replace('e+', 'e');
  const [whole = '', fraction] = String(value).split('.');
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, ' ');
  return fraction === undefined ? grouped : `${grouped}.${fraction}`;
}
