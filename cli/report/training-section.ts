/** What a run told step by step: the loss, and the scores, as curves and with their ends in words. */
import type { PlanJson } from '../plan-json.ts';
import { curvePlace } from './curve.ts';
import type { CurveSeries } from './curve-spec.ts';
import { figuresIn, html, type Markup } from './markup.ts';
import { table } from './table.ts';

type Measured = NonNullable<PlanJson['measured']>;

const paints = ['send', 'backward', 'all_reduce', 'load', 'exchange'];

/** So few are marked one by one. */
const few = 30;

const step = { title: 'step', show: 'whole' } as const;

/** Undefined where less than two steps were told. */
export function trainingCurves(figures: PlanJson): Markup | undefined {
  const { curves = [] } = figures.measured ?? {};
  if ((curves[0]?.steps.length ?? 0) < 2) return undefined;
  const series = curves.map(
    ({ name, steps }, index): CurveSeries => ({
      name,
      x: `measured.curves.${index}.steps`,
      y: `measured.curves.${index}.values`,
      paint: index === 0 ? 'forward' : (paints[(index - 1) % paints.length] ?? 'other'),
      marked: steps.length <= few,
    }),
  );
  const [loss, ...scores] = series;
  const values = curves[0]?.values ?? [];
  const log = Math.min(...values) > 0 && Math.max(...values) > 10 * Math.min(...values);
  return html`${loss && curvePlace({ x: step, y: { title: 'loss', show: 'number', log }, series: [loss] }, 'The loss over the steps of the run')}${
    scores.length === 0
      ? undefined
      : curvePlace(
          { x: step, y: { title: 'score', show: 'share', most: 1 }, series: scores },
          'Scores over the steps of the run',
        )
  }${endsTable({ measured: { curves } })}`;
}

/** The first and the last of each curve. */
function endsTable(figures: { readonly measured: Pick<Measured, 'curves'> }): Markup {
  const figure = figuresIn(figures, 'span');
  const { curves } = figures.measured;
  const show = (index: number) => (index === 0 ? 'loss' : 'percent');
  const last = (index: number) => (curves[index]?.steps.length ?? 1) - 1;
  const key = (index: number, list: 'steps' | 'values', position: number) =>
    `measured.curves.${index}.${list}.${position}`;
  return table(
    'From the first to the last step that was told',
    [
      { title: 'curve', cell: ({ name }) => html`<code>${name}</code>` },
      { title: 'first step', numbers: true, cell: (_, i) => figure(key(i, 'steps', 0), 'whole') },
      { title: 'then', numbers: true, cell: (_, i) => figure(key(i, 'values', 0), show(i)) },
      { title: 'last step', numbers: true, cell: (_, i) => figure(key(i, 'steps', last(i)), 'whole') },
      { title: 'then', numbers: true, cell: (_, i) => figure(key(i, 'values', last(i)), show(i)) },
      {
        title: 'steps a value',
        numbers: true,
        cell: (_, i) => figure(`measured.curves.${i}.every`, 'whole'),
      },
    ],
    curves,
  );
}
