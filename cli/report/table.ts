import { html, type Markup } from './markup.ts';

export type Column<Row> = {
  readonly title: string;
  readonly cell: (row: Row, index: number) => Markup;
  readonly numbers?: boolean;
};

/** A table whose first column heads the rows. */
export function table<Row>(caption: string, columns: readonly Column<Row>[], rows: readonly Row[]): Markup {
  const head = columns.map(
    ({ title, numbers }) => html`<th scope="col"${numbers ? NUMBERS : undefined}>${title}</th>`,
  );
  const body = rows.map(
    (row, index) =>
      html`<tr>${columns.map(({ cell, numbers }, column) =>
        column === 0
          ? html`<th scope="row">${cell(row, index)}</th>`
          : html`<td${numbers ? NUMBERS : undefined}>${cell(row, index)}</td>`,
      )}</tr>
`,
  );
  return html`<div class="wide" tabindex="0" role="region" aria-label="${caption}"><table>
<caption>${caption}</caption>
<thead><tr>${head}</tr></thead>
<tbody>
${body}</tbody></table></div>
`;
}

const NUMBERS: Markup = { html: ' class="number"' };
