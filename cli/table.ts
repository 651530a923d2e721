import Table from 'cli-table3';
import { type Page, wholePage } from './terminal.ts';

/** Columns of a table: a heading, and whether its cells are numbers. */
export type Column = { readonly title: string; readonly align?: 'left' | 'right' };

/** Columns of numbers under these headings. */
export const numbers = (titles: readonly string[]): Column[] =>
  titles.map((title) => ({ title, align: 'right' }));

type Rows = readonly (readonly string[])[];

const noLines = Object.fromEntries(
  [
    'top',
    'top-mid',
    'top-left',
    'top-right',
    'bottom',
    'bottom-mid',
    'bottom-left',
    'bottom-right',
    'left',
    'left-mid',
    'mid',
    'mid-mid',
    'right',
    'right-mid',
  ].map((part) => [part, '']),
);

const gap = '  ';

/** Rows under headings, without lines. What is wider than the page goes on below, beside its first column again. */
export function table(columns: readonly Column[], rows: Rows, page: Page = wholePage): string {
  const widths = columns.map(({ title }, index) =>
    Math.max(title.length, ...rows.map((row) => widest(row[index] ?? ''))),
  );
  const pick = <T>(all: readonly T[], chosen: readonly number[]) =>
    chosen.flatMap((index) => all[index] ?? []);
  return parts(widths, page.width)
    .map((chosen) =>
      draw(
        pick(columns, chosen),
        rows.map((row) => chosen.map((index) => row[index] ?? '')),
        page,
      ),
    )
    .join('\n\n');
}

/** A cell may have several lines. */
const widest = (cell: string): number => Math.max(...cell.split('\n').map(({ length }) => length));

/** Which columns stand side by side: each part begins with the first column. */
function parts(widths: readonly number[], width: number): number[][] {
  const [first = 0] = widths;
  const found: number[][] = [[0]];
  let used = first;
  for (const [index, own] of widths.entries()) {
    if (index === 0) continue;
    const last = found.at(-1) ?? [];
    if (last.length > 1 && used + gap.length + own > width) {
      found.push([0, index]);
      used = first + gap.length + own;
    } else {
      last.push(index);
      used += gap.length + own;
    }
  }
  return found;
}

function draw(columns: readonly Column[], rows: Rows, { colours }: Page): string {
  const drawn = new Table({
    head: columns.map(({ title }) => colours.bold(title)),
    colAligns: columns.map(({ align }) => align ?? 'left'),
    chars: { ...noLines, middle: gap },
    style: { 'padding-left': 0, 'padding-right': 0, head: [], border: [], compact: true },
  });
  drawn.push(...rows.map((row) => [...row]));
  return drawn
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n');
}
