/**
 * A plan as one page that needs nothing else: no network, no other file. Everything that is text stands in it as it
 * is; scripts only draw the time line and the memory, from data that stand in the page as well.
 */
import { product } from '../../ir/type.ts';
import { bottleneckOf, remedies } from '../decision-words.ts';
import { figuresOf, type PlanJson, type Predicted, predictedOf, type ShownPlan } from '../plan-json.ts';
import { shownRoles } from '../shown-roles.ts';
import { version } from '../version.ts';
import { alternativesTable } from './alternatives-table.ts';
import type { Assets } from './assets.ts';
import { communicationContent } from './communication-section.ts';
import { memoryCurveContent, scalingContent } from './curve-sections.ts';
import { counted, figuresIn, html, type Markup, raw } from './markup.ts';
import { blocksTable, networkDrawing } from './network-drawing.ts';
import {
  bindingBar,
  devicesTable,
  largestTable,
  measuredTable,
  peakTable,
  timeTable,
} from './role-sections.ts';
import { stageColour } from './stage-colours.ts';
import { tilesDrawing } from './tiles-drawing.ts';
import { timeData } from './time-data.ts';
import { trainingCurves } from './training-section.ts';

export function reportOf(shown: ShownPlan, assets: Assets): string {
  const predicted = predictedOf(shown, true);
  const figures = figuresOf(shown, predicted);
  const { simulation } = predicted.prediction ?? {};
  const chosen = shownRoles(figures.roles).map(({ name }) => name);
  const timed = simulation !== undefined || shown.profile !== undefined;
  const time = timed ? timeData(shown.plan, simulation, chosen, shown.profile) : undefined;
  const body = html`${header(figures)}<main>
${bindingSection(figures)}${networkSection(figures)}${devicesSection(shown, figures)}${timeSection(figures, time && chosen.length)}${measuredSection(figures)}${optional('training', 'Loss and scores of the run', trainingCurves(figures))}${memorySection(figures)}${communicationSection(shown, predicted, figures)}${alternativesSection(figures)}${optional('memory-against-time', 'Memory against time', memoryCurveContent(figures))}${optional('scaling', 'More and fewer devices', scalingContent(figures))}</main>
<footer><p>Written by unetc <span data-plain="">${version()}</span>. Figures are those of <code>unetc inspect --json</code>.</p></footer>`;
  return page(
    `${figures.model.name}: plan`,
    body,
    { plan: figures, ...(time === undefined ? {} : { time }) },
    assets,
  );
}

function page(
  title: string,
  body: Markup,
  data: Readonly<Record<string, unknown>>,
  { style, scripts }: Assets,
): string {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,">
<title>${title}</title>
<style>
${raw(style)}
</style>
</head>
<body>
${body}
${Object.entries(data).map(
  ([
    name,
    value,
  ]) => html`<script type="application/json" id="${name}-data">${raw(JSON.stringify(value).replaceAll('<', '\\u003c'))}</script>
`,
)}${scripts.map(
  (script) => html`<script>
${raw(inScript(script))}
</script>
`,
)}</body>
</html>
`.html;
}

/** Nothing in a script may look like its end. */
const inScript = (text: string): string => text.replace(/<(?=\/script|!--)/gi, '\\u003c');

const section = (
  id: string,
  title: string,
  content: Markup,
): Markup => html`<section id="${id}" aria-labelledby="${id}-title">
<h2 id="${id}-title">${title}</h2>
${content}</section>
`;

function header(figures: PlanJson): Markup {
  const { model, machine, schedule, predicted, bound, purpose } = figures;
  const figure = figuresIn(figures, 'span');
  const card = (
    title: string,
    content: Markup,
  ) => html`<div class="card"><dt>${title}</dt><dd>${content}</dd></div>
`;
  const many = (key: string, noun: string) => counted(figures, figure, key, noun);
  const on = machine.name === 'local' ? undefined : html` on ${machine.name}`;
  const sides = schedule.stream.some((one) => one > 1)
    ? html`, ${figure('schedule.stream', 'sizes')} of them one after another on a device`
    : undefined;
  return html`<header>
<button type="button" id="theme" aria-label="Light or dark">light / dark</button>
<h1>${model.name}${on}</h1>
<p>${many('schedule.devices', 'device')} = ${many('schedule.replicas', 'replica')} of ${figure('schedule.tiles', 'sizes')} tiles${sides}, ${many('schedule.stages', 'stage')}${schedule.folded ? ', folded' : ''}. ${
    purpose === 'train'
      ? html`A step is ${many('schedule.batch', 'sample')}: on each replica ${many('schedule.microBatches', 'micro-batch')} of ${figure('schedule.samples', 'whole')}.`
      : 'It predicts.'
  }</p>
<dl class="cards">
${predicted.stepSeconds === undefined ? undefined : html`${card('a step', figure('predicted.stepSeconds', 'seconds'))}${card('samples a second', figure('predicted.samplesPerSecond', 'samples'))}${card('efficiency', figure('predicted.efficiency', 'percent'))}`}${card(
  'memory of the fullest device',
  machine.memoryBytes === undefined
    ? figure('predicted.peakBytes', 'bytes')
    : html`${figure('predicted.peakBytes', 'bytes')} <small>of ${figure('machine.memoryBytes', 'bytes')}</small>`,
)}${
  bound === undefined
    ? undefined
    : html`${card(bound.pipeline ? 'no pipeline is faster than' : 'no schedule is faster than', html`${figure('bound.any', 'seconds')} <small>gap ${figure('bound.gap', 'percent')}</small>`)}${bound.class === undefined ? undefined : card('none that was searched is faster than', figure('bound.class', 'seconds'))}`
}${card('parameters', figure('model.parameters', 'count'))}</dl>
${predicted.stepSeconds === undefined ? html`<p class="note">No machine is known, so there are no times: <code>unetc inspect BUNDLE --machine NAME --html FILE</code> predicts them on one.</p>` : undefined}</header>
`;
}

function bindingSection(figures: PlanJson): Markup | undefined {
  const { predicted, decision } = figures;
  if (predicted.binding === undefined) return undefined;
  const help =
    decision === undefined
      ? undefined
      : html`<p>What would help: ${remedies[bottleneckOf(decision)]}.</p>
`;
  return section(
    'binding',
    'What binds the busiest device',
    html`${bindingBar(figures, predicted.binding)}${help}`,
  );
}

function networkSection(figures: PlanJson): Markup {
  const stages = [...new Set(figures.blocks.map(({ stage }) => stage))];
  const signs = html`<ul class="legend">
${stages.length === 1 ? undefined : stages.map((stage) => html`<li><span class="sample" style="--kind:${stageColour(stage)}"></span><span data-plain="">stage ${stage}</span></li>`)}
${signsOf(figures)}<li>the bar of a box: its work, beside that of the largest</li>
</ul>
`;
  const table = html`<details><summary>The same as a table</summary>
${blocksTable(figures)}</details>
`;
  return section('network', 'The network, for one sample', html`${networkDrawing(figures)}${signs}${table}`);
}

/** Of those signs that are drawn. */
function signsOf({ blocks }: PlanJson): Markup {
  const hasMargins = blocks.some(({ tile }) => tile?.margins.flat().some((one) => one > 0));
  const signs: readonly (readonly [boolean, Markup])[] = [
    [
      blocks.some(({ exchanges }) => exchanges.length > 0),
      html`<span class="exchange-mark">⇄</span> cells of margin that neighbours give`,
    ],
    [
      hasMargins,
      html`<span class="margin-mark">+</span> work on margins, beside that on the cells of the tile`,
    ],
    [
      blocks.some(({ recomputed }) => recomputed.length > 0),
      html`<span class="again-mark">↻</span> values computed again on the way back`,
    ],
    [
      blocks.some(({ lean }) => lean.length > 0),
      html`<span class="again-mark">◦</span> ops whose way back reads a byte a cell that was noted, and no whole maps`,
    ],
    [blocks.some(({ strips }) => strips.length > 0), html`<span class="again-mark">≡</span> strips`],
    [hasMargins, html`the small square: a tile in its margins`],
  ];
  const li = (sign: Markup) => html`<li>${sign}</li>
`;
  return html`${signs.filter(([isThere]) => isThere).map(([, sign]) => li(sign))}`;
}

function devicesSection({ plan }: ShownPlan, figures: PlanJson): Markup {
  const drawing = product(figures.schedule.tiles) === 1 ? undefined : tilesDrawing(plan);
  return section(
    'devices',
    'Tiles and devices',
    html`<div class="beside">${drawing}${devicesTable(figures)}</div>`,
  );
}

/** The drawing is made by a script; the table says how it adds up. */
function timeSection(figures: PlanJson, shown: number | undefined): Markup | undefined {
  if (shown === undefined) return undefined;
  const rest =
    shown === figures.roles.length
      ? undefined
      : html`<p class="note">Of the kinds of devices those that differ most are drawn; the tables have all.</p>`;
  return section(
    'time',
    'Time line of a step',
    html`<p class="keys">Drag to look closer, double-click for all. With the keyboard: <kbd>Tab</kbd> to the drawing, arrows go from one piece of work to the next and to other lanes, <kbd>+</kbd> and <kbd>-</kbd> zoom, <kbd>Escape</kbd> shows all.</p>
<ul class="legend" id="time-legend"></ul>
<div id="time-line" class="chart" tabindex="0" role="application" aria-label="Time line: arrow keys read one piece of work after another" aria-describedby="time-words"></div>
<p id="time-words" class="words" role="status" aria-live="polite">Point at a piece of work, or walk through them with the arrow keys.</p>
${rest}${figures.predicted.stepSeconds === undefined ? undefined : timeTable(figures)}`,
  );
}

function measuredSection(figures: PlanJson): Markup | undefined {
  const { measured, predicted } = figures;
  if (measured === undefined) return undefined;
  const figure = figuresIn(figures, 'span');
  const told =
    predicted.stepSeconds === undefined
      ? undefined
      : html`; predicted were ${figure('predicted.stepSeconds', 'seconds')}`;
  return section(
    'measured',
    'Measured',
    html`<p>A step took ${figure('measured.stepSeconds', 'seconds')}, the median of ${counted(figures, figure, 'measured.steps', 'step')}${told}. This is the one drawn above.</p>
${measuredTable(figures)}`,
  );
}

function memorySection(figures: PlanJson): Markup {
  const curve =
    figures.predicted.stepSeconds === undefined
      ? undefined
      : html`<div id="memory-curve" class="chart" role="img" aria-label="Bytes alive over the step; the tables below say what is alive at the peak"></div>
`;
  return section('memory', 'Memory', html`${curve}${peakTable(figures)}${largestTable(figures)}`);
}

function communicationSection(
  { machine }: ShownPlan,
  { topology }: Predicted,
  figures: PlanJson,
): Markup | undefined {
  const content = machine && topology && communicationContent(machine, topology, figures);
  return content && section('communication', 'Communication', content);
}

function alternativesSection(figures: PlanJson): Markup | undefined {
  const { decision } = figures;
  if (decision === undefined) return undefined;
  const figure = figuresIn(figures, 'span');
  return section(
    'alternatives',
    'Why this schedule',
    html`<p>Chosen of ${counted(figures, figure, 'decision.considered', 'shape')}; ${counted(figures, figure, 'decision.priced', 'way')} to use them priced in full.</p>
${alternativesTable({ decision })}`,
  );
}

const optional = (id: string, title: string, content: Markup | undefined): Markup | undefined =>
  content && section(id, title, content);
