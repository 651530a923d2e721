/** Curves that are there where they were computed: memory against time, and more devices. */

import { inShort } from '../decision-words.ts';
import { isChosen, spread } from '../memory-curve-table.ts';
import type { PlanJson } from '../plan-json.ts';
import { curvePlace } from './curve.ts';
import type { CurveSeries } from './curve-spec.ts';
import { figuresIn, html, type Markup } from './markup.ts';
import { table } from './table.ts';

/** So few are marked one by one. */
const few = 30;

/** Of the curve. */
const rowsOfTable = 24;

/** What `compile --memory-curve` kept. */
export function memoryCurveContent(figures: PlanJson): Markup | undefined {
  const { decision, machine } = figures;
  if (decision?.memoryCurve === undefined) return undefined;
  const { chosen, memoryCurve } = decision;
  const figure = figuresIn(figures, 'span');
  const key = (index: number, what: string) => `decision.memoryCurve.${index}.${what}`;
  const has =
    machine.memoryBytes === undefined
      ? undefined
      : html` A device has ${figure('machine.memoryBytes', 'bytes')}.`;
  const ratio = (memoryCurve.at(-1)?.seconds ?? 1) / (memoryCurve[0]?.seconds ?? 1);
  const drawing = curvePlace(
    {
      x: { title: 'memory of the fullest device', show: 'bytes', log: true },
      y: { title: 'step', show: 'seconds', ...(ratio > 4 ? { log: true } : { zero: true }) },
      series: [
        {
          name: 'fastest step',
          x: 'decision.memoryCurve.*.memory',
          y: 'decision.memoryCurve.*.seconds',
          paint: 'forward',
          marked: memoryCurve.length <= few,
          stepped: true,
        },
        {
          name: 'chosen',
          x: 'decision.chosen.memory',
          y: 'decision.chosen.seconds',
          paint: 'exchange',
          marked: true,
        },
      ],
    },
    'The fastest step within any amount of memory; the table has points of it',
  );
  const rows = table(
    'The fastest within less and less memory',
    [
      {
        title: 'what it would be',
        cell: ({ one }) =>
          html`<span class="schedule" data-plain="">${isChosen(one, chosen) ? html`<strong>chosen</strong>: ` : undefined}${inShort(one)}</span>`,
      },
      { title: 'memory', numbers: true, cell: ({ index }) => figure(key(index, 'memory'), 'bytes') },
      { title: 'step', numbers: true, cell: ({ index }) => figure(key(index, 'seconds'), 'seconds') },
    ],
    spread(memoryCurve, chosen, rowsOfTable),
  );
  return html`<p>The fastest step that the search knows within any memory of a device, and what it would be: values computed again, strips, smaller micro-batches, tiles one after another. As the search prices them, before they are lowered.${has}</p>
${drawing}<details><summary>Points of it as a table</summary>
${rows}</details>
`;
}

/** What `inspect --scaling` was given. */
export function scalingContent(figures: PlanJson): Markup | undefined {
  const { scaling } = figures;
  if (scaling === undefined) return undefined;
  const figure = figuresIn(figures, 'span');
  const key = (index: number, what: string) => `scaling.rows.${index}.${what}`;
  const devices = { title: 'devices', show: 'whole', log: true } as const;
  const series = (name: string, y: string, paint: string, dashed = false): CurveSeries => ({
    name,
    x: 'scaling.rows.*.devices',
    y: `scaling.rows.*.${y}`,
    paint,
    marked: !dashed,
    dashed,
  });
  const { against } = scaling;
  const time = curvePlace(
    {
      x: devices,
      y: { title: 'step', show: 'seconds', log: true },
      series: [
        series('step', 'stepSeconds', 'forward'),
        series('no schedule is faster', 'bound', 'other', true),
        ...(against === undefined ? [] : [series(against, 'againstSeconds', 'exchange')]),
      ],
    },
    'The step against the number of devices; the table says the same',
  );
  const efficiency = curvePlace(
    {
      x: devices,
      y: { title: 'efficiency', show: 'share', zero: true, most: 1 },
      series: [series('efficiency', 'efficiency', 'backward')],
    },
    'The efficiency against the number of devices; the table says the same',
  );
  const rows = table(
    'On other numbers of devices',
    [
      { title: 'devices', cell: (_, index) => figure(key(index, 'devices'), 'whole') },
      { title: 'step', numbers: true, cell: (_, index) => figure(key(index, 'stepSeconds'), 'seconds') },
      { title: 'efficiency', numbers: true, cell: (_, index) => figure(key(index, 'efficiency'), 'percent') },
      { title: 'gap', numbers: true, cell: (_, index) => figure(key(index, 'gap'), 'percent') },
      { title: 'memory', numbers: true, cell: (_, index) => figure(key(index, 'peakBytes'), 'bytes') },
      ...(against === undefined
        ? []
        : [
            {
              title: against,
              numbers: true,
              cell: (_: unknown, index: number) => figure(key(index, 'againstSeconds'), 'seconds'),
            },
          ]),
      {
        title: 'chosen',
        cell: ({ chosen }) => html`<span class="schedule" data-plain="">${chosen ?? 'as pinned'}</span>`,
      },
    ],
    scaling.rows,
  );
  return html`<p>The same model planned for other numbers of devices of <code>${scaling.machine}</code>, each step predicted by the simulator.</p>
${time}${efficiency}${rows}`;
}
