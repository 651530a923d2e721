/** The U: runs of ops as boxes, deeper levels lower down, coloured by stage, with what schedules do to them. */
import { at } from '../../ir/box.ts';
import type { Between, Block } from '../network-blocks.ts';
import type { PlanJson } from '../plan-json.ts';
import { figuresIn, html, type Markup, named } from './markup.ts';
import { box, type Layout, layoutOf, type Place } from './network-layout.ts';
import { stageColour } from './stage-colours.ts';
import { table } from './table.ts';

type Drawn = Pick<PlanJson, 'blocks' | 'between' | 'schedule'>;

export function networkDrawing(figures: Drawn): Markup {
  const { blocks, between } = figures;
  const layout = layoutOf(blocks);
  const { width, height } = layout;
  return html`<div class="wide" tabindex="0" role="region" aria-label="Drawing of the network">
<svg class="network" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" style="--least:${(0.68 * width).toFixed(0)}px" role="img" aria-labelledby="drawing-title">
<title id="drawing-title">The network: each box is a run of operations on one level; levels go down, the order of the work goes to the right. The table below says the same.</title>
<defs>
<marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path d="M0 0 8 4 0 8z" class="tip"/></marker>
<pattern id="computed" width="4" height="4" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><rect width="2" height="4" class="computed"/></pattern>
<pattern id="exchanged" width="4" height="4" patternUnits="userSpaceOnUse"><circle cx="2" cy="2" r="1.2" class="exchanged"/></pattern>
</defs>
${layout.levels.map(
  ({
    level,
    y,
  }) => html`<text x="6" y="${y + box.height / 2}" class="level" data-plain="">level ${level}</text>
`,
)}${between.map((one, index) => wayDrawing(figures, layout, one, index))}${blocks.map((block, index) => blockDrawing(figures, block, index, at(layout.places, index)))}</svg></div>
`;
}

function wayDrawing(figures: Drawn, layout: Layout, way: Between, index: number): Markup {
  const figure = figuresIn(figures, 'tspan');
  const { path, label } = layout.way(way);
  const isNext = Math.abs(way.to - way.from) === 1;
  return html`<g class="${isNext ? 'way' : 'way skip'}"><title data-plain="">${way.values.join(', ')}</title><path d="${path}" marker-end="url(#arrow)"/><text x="${label.x}" y="${label.y}">${figure(`between.${index}.bytes`, 'bytes')}</text></g>
`;
}

function blockDrawing(figures: Drawn, block: Block, index: number, { x, y }: Place): Markup {
  const figure = figuresIn(figures, 'tspan');
  const key = `blocks.${index}`;
  const most = Math.max(...figures.blocks.map(({ flops }) => flops));
  const line = (row: number, content: Markup, style = '') =>
    html`<text x="${x + 8}" y="${y + 17 + 15 * row}" class="${style}">${content}</text>
`;
  return html`<g class="block" style="--stage:${stageColour(block.stage)}">
<title data-plain="">${block.name}: ${block.ops.join(', ')}</title>
<rect x="${x}" y="${y}" width="${box.width}" height="${box.height}" rx="5"/>
${line(0, html`<tspan data-plain="">${shortened(block.name)}</tspan>`, 'title')}${line(1, html`${figure(`${key}.channels`, 'whole')} ch, ${figure(`${key}.size`, 'sizes')}`)}${line(2, html`${figure(`${key}.flops`, 'flop')}, ${figure(`${key}.activationBytes`, 'bytes')}`)}${block.tile === undefined ? undefined : line(3, html`tile ${figure(`${key}.tile.holds`, 'sizes')}`)}${marginsDrawing(block, x + box.width - 44, y + 51)}${line(4, marks(figures, block, index), 'marks')}<rect x="${x}" y="${y + box.height - 5}" width="${Math.max(1, (box.width * block.flops) / most).toFixed(1)}" height="5" rx="2" class="work"/>
</g>
`;
}

const shortened = (name: string): string => (name.length > 17 ? `…${name.slice(-16)}` : name);

/** What the schedule does to a block, in signs: the legend says what they mean. */
function marks(figures: Drawn, block: Block, index: number): Markup {
  const figure = figuresIn(figures, 'tspan');
  const key = `blocks.${index}`;
  return html`${block.exchanges.map((_, one) => html`<tspan class="exchange-mark">⇄ ${figure(`${key}.exchanges.${one}.cells`, 'whole')} </tspan>`)}${
    block.tile === undefined || block.tile.extraWork < 0.001
      ? undefined
      : html`<tspan class="margin-mark">+${figure(`${key}.tile.extraWork`, 'percent')} </tspan>`
  }${block.recomputed.length === 0 ? undefined : html`<tspan class="again-mark">↻ ${figure(`${key}.recomputed.length`, 'whole')} </tspan>`}${block.lean.length === 0 ? undefined : html`<tspan class="again-mark">◦ ${figure(`${key}.lean.length`, 'whole')} </tspan>`}${block.strips.map((_, one) => html`<tspan class="again-mark">≡ ${figure(`${key}.strips.${one}.count`, 'whole')}</tspan>`)}`;
}

/** The tile and its margins to scale: hatched where they are computed, dotted where neighbours give some of them. */
function marginsDrawing({ tile, exchanges }: Block, x: number, y: number): Markup | undefined {
  if (tile === undefined || tile.margins.flat().every((one) => one === 0)) return undefined;
  const size = 34;
  const [rows = 1, columns = rows] = tile.holds.slice(-2);
  const scale = size / Math.max(rows, columns);
  const [top = [0, 0], left = top] = tile.margins.slice(-2);
  const [height, width] = tile.holds.length === 1 ? [8, rows * scale] : [rows * scale, columns * scale];
  const inner = {
    x: x + left[0] * scale,
    y: tile.holds.length === 1 ? y : y + top[0] * scale,
    width: width - (left[0] + left[1]) * scale,
    height: tile.holds.length === 1 ? height : height - (top[0] + top[1]) * scale,
  };
  const fill = exchanges.length > 0 ? 'exchanged' : 'computed';
  const n = (amount: number) => amount.toFixed(1);
  return html`<rect x="${n(x)}" y="${n(y)}" width="${n(width)}" height="${n(height)}" class="margin" fill="url(#${fill})"/><rect x="${n(inner.x)}" y="${n(inner.y)}" width="${n(inner.width)}" height="${n(inner.height)}" class="own"/>`;
}

/** The drawing as a table, for readers that see none, and with the names of what it only counts. */
export function blocksTable(figures: Drawn): Markup {
  const figure = figuresIn(figures, 'span');
  const key = (index: number, what: string) => `blocks.${index}.${what}`;
  const names = (all: readonly string[]) =>
    all.length === 0 ? html`–` : html`${all.map((name) => html`${named(name)} `)}`;
  return table<Block>(
    'The same as a table',
    [
      { title: 'block', cell: ({ name }) => named(name) },
      { title: 'level', numbers: true, cell: (_, index) => figure(key(index, 'level'), 'whole') },
      { title: 'stage', numbers: true, cell: (_, index) => figure(key(index, 'stage'), 'whole') },
      { title: 'channels', numbers: true, cell: (_, index) => figure(key(index, 'channels'), 'whole') },
      { title: 'size', numbers: true, cell: (_, index) => figure(key(index, 'size'), 'sizes') },
      { title: 'parameters', numbers: true, cell: (_, index) => figure(key(index, 'parameters'), 'count') },
      { title: 'FLOP', numbers: true, cell: (_, index) => figure(key(index, 'flops'), 'count') },
      {
        title: 'activations',
        numbers: true,
        cell: (_, index) => figure(key(index, 'activationBytes'), 'bytes'),
      },
      {
        title: 'tile with margins',
        numbers: true,
        cell: ({ tile }, index) => (tile === undefined ? html`–` : figure(key(index, 'tile.holds'), 'sizes')),
      },
      {
        title: 'margins',
        numbers: true,
        cell: ({ tile }, index) =>
          tile === undefined ? html`–` : figure(key(index, 'tile.margins'), 'margins'),
      },
      {
        title: 'exchanged before',
        cell: ({ exchanges }, index) =>
          exchanges.length === 0
            ? html`–`
            : html`${exchanges.map(({ before }, one) => html`${figure(key(index, `exchanges.${one}.cells`), 'whole')} ${named(before)} `)}`,
      },
      { title: 'computed again', cell: ({ recomputed }) => names(recomputed) },
      ...(figures.blocks.some(({ lean }) => lean.length > 0)
        ? [{ title: 'a byte a cell', cell: ({ lean }: Block) => names(lean) }]
        : []),
    ],
    figures.blocks,
  );
}
