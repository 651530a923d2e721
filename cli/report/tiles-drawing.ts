/** The image as the schedule cuts it: tiles of one kind in one colour, a line at every cut. */
import { at } from '../../ir/box.ts';
import type { Axis, Plan, Role } from '../../ir/plan.ts';
import { html, type Markup } from './markup.ts';

const size = 300;

type Run = { readonly kind: number; readonly from: number; readonly to: number };

/** Neighbouring tiles of one class along an axis, in cells of the result. */
function runsOf({ cuts, tiles }: Axis): Run[] {
  const runs: Run[] = [];
  for (const [index, kind] of tiles.entries()) {
    const [from, to] = [at(cuts, index), at(cuts, index + 1)];
    const last = runs.at(-1);
    if (last?.kind === kind) runs[runs.length - 1] = { ...last, to };
    else runs.push({ kind, from, to });
  }
  return runs;
}

const line: Axis = { cuts: [0, 1], tiles: [0], classes: [0] };

/** Of more than two axes the last two. */
export function tilesDrawing(plan: Plan): Markup {
  const [rows, columns] =
    plan.axes.length === 1
      ? [line, at(plan.axes, 0)]
      : [at(plan.axes, -2 + plan.axes.length), at(plan.axes, -1 + plan.axes.length)];
  const [height, width] = [at(rows.cuts, rows.cuts.length - 1), at(columns.cuts, columns.cuts.length - 1)];
  const wide =
    plan.axes.length === 1
      ? { x: size / width, y: 40 }
      : { x: size / Math.max(height, width), y: size / Math.max(height, width) };
  const n = (amount: number) => amount.toFixed(2);
  const kinds = runsOf(rows).flatMap((row) =>
    runsOf(columns).map((column) => {
      const role = roleOf(plan, row.kind, column.kind);
      const index = role === undefined ? 0 : plan.roles.indexOf(role);
      return html`<rect x="${n(column.from * wide.x)}" y="${n(row.from * wide.y)}" width="${n((column.to - column.from) * wide.x)}" height="${n((row.to - row.from) * wide.y)}" style="--kind:${kindColour(index)}"><title data-plain="">${role?.name ?? ''}</title></rect>
`;
    }),
  );
  const across = rows.cuts.map((cut) => `M0 ${n(cut * wide.y)}H${n(width * wide.x)}`).join('');
  const down = columns.cuts.map((cut) => `M${n(cut * wide.x)} 0V${n(height * wide.y)}`).join('');
  return html`<svg class="tiles" viewBox="-2 -2 ${n(width * wide.x + 4)} ${n(height * wide.y + 4)}" width="${n(width * wide.x + 4)}" role="img" aria-label="The image cut into tiles, coloured by kind of device">
${kinds}<path d="${across}${down}" class="cuts"/></svg>
`;
}

/** Shades that tell hues apart which come close again. */
const shades = [0, -14, 8];

/**
 * Kinds of devices have the colours of their number, so that the tables name what the drawing shows; the lines of
 * `page/memory.js` have the same hues.
 */
export const kindColour = (index: number): string => {
  const shade = shades[Math.floor(index / 8) % shades.length] ?? 0;
  return `hsl(${((index * 137.5 + 30) % 360).toFixed(0)} 45% calc(var(--kind-light) + ${shade}%))`;
};

/** Of several stages the first: all have the same grid. */
function roleOf(plan: Plan, row: number, column: number): Role | undefined {
  const classes = plan.axes.length === 1 ? [column] : [row, column];
  return plan.roles.find((role) => role.classes.slice(-classes.length).join() === classes.join());
}
