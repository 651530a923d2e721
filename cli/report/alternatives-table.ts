/** What was weighed against the choice: the kinds of time that each alternative takes. */
import type { Alternative, Decision, Parts } from '../../ir/decision.ts';
import { inShort, partWords } from '../decision-words.ts';
import { figuresIn, html, type Markup } from './markup.ts';
import { type Column, table } from './table.ts';

export function alternativesTable(figures: { readonly decision: Decision }): Markup {
  const { chosen, runnersUp } = figures.decision;
  const all = [chosen, ...runnersUp];
  const figure = figuresIn(figures, 'span');
  const key = (index: number) => (index === 0 ? 'decision.chosen' : `decision.runnersUp.${index - 1}`);
  const parts = (Object.keys(partWords) as (keyof Parts)[]).filter((part) =>
    all.some(({ seconds, parts: spent }) => spent[part] >= 0.001 * seconds),
  );
  const columns: Column<Alternative>[] = [
    {
      title: 'schedule',
      cell: (one, index) =>
        html`<span class="schedule" data-plain="">${index === 0 ? html`<strong>chosen</strong>: ` : undefined}${inShort(one)}</span>`,
    },
    { title: 'step', numbers: true, cell: (_, index) => figure(`${key(index)}.seconds`, 'seconds') },
    { title: 'memory', numbers: true, cell: (_, index) => figure(`${key(index)}.memory`, 'bytes') },
    ...parts.map(
      (part): Column<Alternative> => ({
        title: partWords[part],
        numbers: true,
        cell: (_, index) => figure(`${key(index)}.parts.${part}`, 'seconds'),
      }),
    ),
  ];
  return table('The choice and the best of other kinds, as the search priced them', columns, all);
}
