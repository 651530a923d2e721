/** HTML that cannot be broken by what is put into it, and figures that say which key of `--json` they are. */
import { showBytes, showCount, showSeconds } from '../../ir/units.ts';
import { showRate } from '../decision-words.ts';

/** Text that is HTML already. */
export type Markup = { readonly html: string };

type Insert = string | number | Markup | readonly Markup[] | undefined;

export const escaped = (text: string): string =>
  text.replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`);

const inserted = (value: Insert): string => {
  if (value === undefined) return '';
  if (typeof value === 'string') return escaped(value);
  if (typeof value === 'number') return String(value);
  return 'html' in value ? value.html : value.map(({ html: text }) => text).join('');
};

/** A template: everything that is inserted is escaped, but for markup. */
export const html = (texts: TemplateStringsArray, ...values: readonly Insert[]): Markup => ({
  html: texts.map((text, index) => `${text}${inserted(values[index])}`).join(''),
});

export const raw = (text: string): Markup => ({ html: text });

/** How a figure is written. */
export const shows = {
  // What rounding leaves of nothing is nothing.
  seconds: (value: unknown) => (Math.abs(Number(value)) < 5e-13 ? '0 s' : showSeconds(Number(value))),
  bytes: (value: unknown) => showBytes(Number(value)),
  rate: (value: unknown) => `${showBytes(Number(value))}/s`,
  flop: (value: unknown) => (Number(value) === 0 ? '0 FLOP' : `${showCount(Number(value))}FLOP`),
  count: (value: unknown) => showCount(Number(value)),
  whole: (value: unknown) => Number(value).toLocaleString('en-US'),
  loss: (value: unknown) => Number(value).toFixed(4),
  samples: (value: unknown) => showRate(Number(value)),
  percent: (value: unknown) => `${(100 * Number(value)).toFixed(Math.abs(Number(value)) < 0.1 ? 1 : 0)} %`,
  sizes: (value: unknown) => (value as readonly number[]).join(' × '),
  list: (value: unknown) => (value as readonly number[]).join(', '),
  margins: (value: unknown) =>
    (value as readonly (readonly number[])[]).map((sides) => sides.join('+')).join(', '),
} as const satisfies Record<string, (value: unknown) => string>;

export type Show = keyof typeof shows;

/** What a document says at `a.0.b`; undefined where it says nothing. */
export const lookUp = (document: unknown, key: string): unknown =>
  key
    .split('.')
    .reduce<unknown>(
      (value, part) =>
        typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[part] : undefined,
      document,
    );

export type Figure = (key: string, show: Show) => Markup;

/** Figures of a document, each with its key, for `tag`; a key that is not there is a bug. */
export const figuresIn =
  (document: unknown, tag: 'span' | 'tspan'): Figure =>
  (key, show) => {
    const value = lookUp(document, key);
    if (value === undefined) throw new Error(`there is no ${key}`);
    return html`<${raw(tag)} data-key="${key}" data-show="${show}" data-value="${JSON.stringify(value)}">${shows[show](value)}</${raw(tag)}>`;
  };

/** A name, in which digits are no figures. */
export const named = (name: string): Markup => html`<code>${name}</code>`;

/** A count and what is counted. */
export const counted = (document: unknown, figure: Figure, key: string, noun: string): Markup =>
  html`${figure(key, 'whole')} ${lookUp(document, key) === 1 ? noun : noun.endsWith('ch') ? `${noun}es` : `${noun}s`}`;
