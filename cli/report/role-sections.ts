/** Tables and bars of what each kind of device does. */
import type { Activity } from '../../backends/simulator/simulation.ts';
import { contentKinds } from '../../ir/contents.ts';
import { bindingWords } from '../decision-words.ts';
import type { PlanJson, RoleFigures } from '../plan-json.ts';
import { type Binding, bindings } from '../prediction.ts';
import { activityTitles } from '../role-tables.ts';
import { shownRoles } from '../shown-roles.ts';
import { figuresIn, html, type Markup, named } from './markup.ts';
import { type Column, table } from './table.ts';
import { kindColour } from './tiles-drawing.ts';

const sample = (index: number): Markup =>
  html`<span class="sample" style="--kind:${kindColour(index)}"></span>`;

/** A kind of device, and its place among the roles of `--json`. */
type Row = { readonly role: RoleFigures; readonly index: number };

const kind: Column<Row> = {
  title: 'kind',
  cell: ({ role, index }) => html`${sample(index)}${named(role.name)}`,
};

/** More rows than these are folded away, but for those that differ most. */
const mostRows = 16;

function rolesTable(caption: string, { roles }: PlanJson, columns: readonly Column<Row>[]): Markup {
  const rows = roles.map((role, index): Row => ({ role, index }));
  if (rows.length <= mostRows) return table(caption, [kind, ...columns], rows);
  const shown = shownRoles(roles);
  return html`<div class="folded">${table(
    `${caption}: those that differ most`,
    [kind, ...columns],
    rows.filter(({ role }) => shown.includes(role)),
  )}<details><summary>All kinds of devices</summary>
${table(`${caption}: all kinds of devices`, [kind, ...columns], rows)}</details></div>
`;
}

const column = (figures: PlanJson) => {
  const figure = figuresIn(figures, 'span');
  return (title: string, what: string, show: Parameters<typeof figure>[1]): Column<Row> => ({
    title,
    numbers: true,
    cell: ({ index }) => figure(`roles.${index}.${what}`, show),
  });
};

export function devicesTable(figures: PlanJson): Markup {
  const of = column(figures);
  return rolesTable('Kinds of devices', figures, [
    of('stage', 'stage', 'whole'),
    of('devices', 'devices', 'whole'),
    of('owns', 'owns', 'sizes'),
    of('reads of the image', 'reads', 'sizes'),
    of('margins', 'margins', 'margins'),
    of('FLOP', 'flops', 'count'),
    of('peak', 'peakBytes', 'bytes'),
  ]);
}

export function timeTable(figures: PlanJson): Markup {
  const of = column(figures);
  const all = Object.keys(activityTitles) as Activity[];
  const shown = all.filter((one) => figures.roles.some(({ seconds }) => (seconds?.[one] ?? 0) >= 5e-10));
  return rolesTable(
    'Seconds of a step by what they go to (messages only where no work hides them)',
    figures,
    shown.map((one) => of(activityTitles[one], `seconds.${one}`, 'seconds')),
  );
}

/** Each kind of device as predicted, where a machine is known, and as measured: the mean of its devices. */
export function measuredTable(figures: PlanJson): Markup {
  const figure = figuresIn(figures, 'span');
  const found = figures.measured?.roles ?? [];
  const rows = figures.roles.flatMap(({ name, seconds }, index) => [
    ...(seconds === undefined ? [] : [{ name, what: 'predicted', seconds, key: `roles.${index}` }]),
    { name, what: 'measured', seconds: found[index]?.seconds, key: `measured.roles.${index}` },
  ]);
  const all = Object.keys(activityTitles) as Activity[];
  const shown = all.filter((one) => rows.some(({ seconds }) => (seconds?.[one] ?? 0) >= 5e-10));
  return table<(typeof rows)[number]>(
    'Seconds of a step by what they go to, predicted and measured; the memory of the fullest device',
    [
      { title: 'kind', cell: ({ name, what }) => html`${named(name)} ${what}` },
      ...shown.map((one) => ({
        title: activityTitles[one],
        numbers: true,
        cell: ({ key }: { readonly key: string }) => figure(`${key}.seconds.${one}`, 'seconds'),
      })),
      { title: 'peak', numbers: true, cell: ({ key }) => figure(`${key}.peakBytes`, 'bytes') },
    ],
    rows,
  );
}

export function peakTable(figures: PlanJson): Markup {
  const of = column(figures);
  const shown = contentKinds.filter((kind) => figures.roles.some(({ peak }) => peak.bytes[kind] > 0));
  return rolesTable('What is in memory at the peak', figures, [
    of('peak', 'peakBytes', 'bytes'),
    ...shown.map((content) => of(content, `peak.bytes.${content}`, 'bytes')),
    of('instruction', 'peak.instruction', 'whole'),
    { title: 'which is', cell: ({ role }) => named(role.peak.what) },
  ]);
}

/** The largest things of the kind of device that needs most. */
export function largestTable(figures: PlanJson): Markup {
  const { roles, predicted } = figures;
  const fullest = roles.findIndex(({ peakBytes }) => peakBytes === predicted.peakBytes);
  const figure = figuresIn(figures, 'span');
  const rows = roles[fullest]?.peak.largest ?? [];
  return table<(typeof rows)[number]>(
    'The largest of what is alive at the peak of the fullest device',
    [
      { title: 'name', cell: ({ name }) => named(name) },
      { title: 'kind', cell: ({ kind }) => html`${kind}` },
      {
        title: 'bytes',
        numbers: true,
        cell: (_, index) => figure(`roles.${fullest}.peak.largest.${index}.bytes`, 'bytes'),
      },
    ],
    rows,
  );
}

/** One bar in parts, and what they are. */
export function bindingBar(figures: PlanJson, binding: Readonly<Record<Binding, number>>): Markup {
  const figure = figuresIn(figures, 'span');
  const all = bindings.reduce((sum, one) => sum + binding[one], 0);
  const shown = bindings
    .filter((one) => binding[one] >= 0.001 * all)
    .toSorted((a, b) => binding[b] - binding[a]);
  return html`<div class="bar" role="img" aria-label="Parts of the step of the busiest device, as listed below">${shown.map((one) => html`<span class="part ${one}" style="flex-grow:${(1000 * binding[one]) / all}"></span>`)}</div>
<ul class="legend">${shown.map((one) => html`<li><span class="sample ${one}"></span>${bindingWords[one]}: ${figure(`predicted.binding.${one}`, 'seconds')}</li>`)}</ul>
`;
}
