import Table from 'cli-table3';
import { type Colours, plainColours } from './terminal.ts';

/** Columns of a table: a heading, and whether its cells are numbers. */
export type Column = { readonly title: string; readonly align?: 'left' | 'right' };

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

/** Rows under headings, without lines, as wide as they need to be. */
export function table(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  colours: Colours = plainColours,
): string {
  const drawn = new Table({
    head: columns.map(({ title }) => colours.bold(title)),
    colAligns: columns.map(({ align }) => align ?? 'left'),
    chars: { ...noLines, middle: '  ' },
    style: { 'padding-left': 0, 'padding-right': 0, head: [], border: [], compact: true },
  });
  drawn.push(...rows.map((row) => [...row]));
  return drawn
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n');
}
