/** All that `inspect` shows of a plan in a terminal, and the part of it that `compile` shows. */
import { showBytes, showSeconds } from '../ir/units.ts';
import { decisionInWords, percent } from './decision-words.ts';
import { memoryCurveTable } from './memory-curve-table.ts';
import { networkTable } from './network-table.ts';
import type { PlanJson } from './plan-json.ts';
import { costInWords, many, rolesTable, scheduleInWords } from './plan-tables.ts';
import { measuredTable, memoryTable, timeTable } from './role-tables.ts';
import { shownRoles } from './shown-roles.ts';
import { numbers, table } from './table.ts';
import { type Page, wholePage, wrap } from './terminal.ts';

type Options = {
  readonly page?: Page;
  /** Every kind of device, however many there are. */
  readonly allRoles?: boolean;
};

/** What `compile` shows: the schedule, the devices, and why it was chosen. */
export function compactInspection(figures: PlanJson, { page = wholePage }: Options = {}): string {
  const why = decisionInWords(figures);
  return [
    wrap(scheduleInWords(figures), page),
    rolesTable(figures.roles, page),
    wrap(costInWords(figures), page),
    ...(why.length === 0 ? [] : [wrapLines(why, page)]),
    ...curveSection(figures, page),
  ].join('\n\n');
}

/** What `run` shows before it begins: the same without what was weighed. */
export const briefInspection = ({ decision: _, ...figures }: PlanJson, options: Options = {}): string =>
  compactInspection(figures, options);

export function inspection(figures: PlanJson, { page = wholePage, allRoles = false }: Options = {}): string {
  const { roles, network, predicted } = figures;
  const shown = allRoles ? roles : shownRoles(roles);
  const time = timeTable(shown, page);
  const measured = measuredTable(figures, shown, page);
  const why = decisionInWords(figures);
  const title = (words: string) => page.colours.bold(wrap(words, page));
  const sections = [
    [title(headline(figures)), wrap(scheduleInWords(figures), page)],
    [title('The network, for one sample'), networkTable(network, page)],
    [title('Decisions'), decisionLines(figures, page)],
    [
      title('What each kind of device does'),
      rolesTable(roles, page, shown),
      wrap(costInWords(figures), page),
    ],
    ...(time === '' || predicted.stepSeconds === undefined
      ? []
      : [[title('Where the time of a step goes; messages only where no work hides them'), time]]),
    ...(measured === '' ? [] : [[title(measuredTitle(figures)), measured]]),
    [title(memoryTitle(figures)), memoryTable(shown, page)],
    ...(why.length === 0 ? [] : [[title('Prediction'), wrapLines(why, page)]]),
    curveSection(figures, page),
    scalingSection(figures, page),
  ];
  return sections
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join('\n'))
    .join('\n\n');
}

/** Where `compile --memory-curve` kept it. */
function curveSection({ decision, machine }: PlanJson, page: Page): string[] {
  if (decision?.memoryCurve === undefined) return [];
  const { memoryCurve, chosen } = decision;
  return [
    `${page.colours.bold('Memory against time')}\n${memoryCurveTable(memoryCurve, chosen, machine.memoryBytes, page)}`,
  ];
}

function scalingSection({ scaling }: PlanJson, page: Page): string[] {
  if (scaling === undefined) return [];
  const { against } = scaling;
  const compared = against === undefined ? [] : [against];
  const rows = scaling.rows.map((row) => [
    row.devices.toLocaleString('en-US'),
    showSeconds(row.stepSeconds),
    percent(row.efficiency),
    percent(row.gap),
    showBytes(row.peakBytes),
    ...compared.map(() => showSeconds(row.againstSeconds ?? 0)),
    row.chosen ?? 'as pinned',
  ]);
  const columns = [
    ...numbers(['devices', 'step', 'efficiency', 'gap', 'memory', ...compared]),
    { title: 'chosen' },
  ];
  return [
    page.colours.bold(wrap(`On other numbers of devices of ${scaling.machine}`, page)),
    table(columns, rows, page),
  ];
}

const headline = ({ model, machine }: PlanJson): string =>
  machine.name === 'local' ? model.name : `${model.name} on ${machine.name}`;

function measuredTitle({ predicted, measured }: PlanJson): string {
  const step = `Measured: ${showSeconds(measured?.stepSeconds ?? 0)} a step, the median of ${many(measured?.steps ?? 0, 'step')}`;
  return predicted.stepSeconds === undefined
    ? step
    : `${step}; predicted: ${showSeconds(predicted.stepSeconds)}`;
}

const memoryTitle = ({ machine: { memoryBytes } }: PlanJson): string =>
  `What is in memory at the peak${memoryBytes === undefined ? '' : ` (a device has ${showBytes(memoryBytes)})`}`;

/** Further lines of a sentence are indented, as those of a list are. */
const wrapLines = (lines: readonly string[], page: Page): string =>
  lines.map((line) => wrap(line, page, line.startsWith(' ') ? '    ' : '')).join('\n');

/** What the schedule says beside the grid, a line each. */
function decisionLines({ schedule }: PlanJson, page: Page): string {
  const { order, exchanges, recomputed, lean, strips, buckets, stages, folded } = schedule;
  const lines: readonly (readonly [string, string])[] = [
    [
      'order',
      stages === 1
        ? 'micro-batches one after another'
        : `${order}, ${stages} stages${folded ? ', folded' : ''}`,
    ],
    ['margins', marginsInWords(exchanges)],
    [
      'kept',
      recomputed.length === 0
        ? 'every value until it is used backward'
        : `all but ${recomputed.join(', ')}: computed again`,
    ],
    ...(lean.length === 0
      ? []
      : [
          ['bytes', `a byte a cell, and no whole maps, for the way back through ${lean.join(', ')}`] as const,
        ]),
    ['strips', strips === 0 ? 'none' : many(strips, 'part')],
    [
      'sums',
      buckets === 1
        ? 'all gradients at the end'
        : `gradients in ${buckets} parts, each as soon as it is complete`,
    ],
  ];
  return lines.map(([name, words]) => wrap(`${name.padEnd(8)} ${words}`, page, ' '.repeat(9))).join('\n');
}

function marginsInWords(exchanges: PlanJson['schedule']['exchanges']): string {
  if (exchanges.length === 0) return 'computed by every tile itself';
  const places = exchanges.map(({ before, cells }) => `${cells} before ${before}`);
  return `exchanged, cells: ${places.join(', ')}; elsewhere computed by every tile itself`;
}
