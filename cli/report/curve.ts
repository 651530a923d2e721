/** A place for a curve, which a script of the page draws from the figures of `--json`. */
import type { CurveSpec } from './curve-spec.ts';
import { html, lookUp, type Markup } from './markup.ts';

/** `title`: for those who do not see it. */
export const curvePlace = (spec: CurveSpec, title: string): Markup =>
  html`<div class="chart curve" role="img" aria-label="${title}" data-curve="${JSON.stringify(spec)}"></div>
`;

/** The numbers that a document has at a key; `*` stands for all of a list. */
export function columnIn(document: unknown, key: string): unknown {
  const found = valueIn(document, key);
  return typeof found === 'number' ? [found] : found;
}

function valueIn(document: unknown, key: string): unknown {
  const [before = '', ...rest] = key.split('.*.');
  const value = lookUp(document, before);
  if (rest.length === 0) return value;
  return Array.isArray(value) ? value.map((one) => valueIn(one, rest.join('.*.'))) : undefined;
}
