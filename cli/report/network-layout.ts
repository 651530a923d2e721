/** Where the blocks of a network stand in the drawing of its U, and the ways between them. */
import { at } from '../../ir/box.ts';
import type { Between, Block } from '../network-blocks.ts';

/** In units of the drawing. */
export const box = { width: 162, height: 92 } as const;

/** From a column to the next, from a block to the one below it, and from a level to the next. */
const steps = { right: 134, within: box.height + 32, between: 38 } as const;

const edge = { left: 70, top: 48 } as const;

export type Place = { readonly x: number; readonly y: number };

/** Blocks that follow one another on one level: one above the other. */
type Column = {
  readonly level: number;
  readonly blocks: readonly number[];
  /** Came to from a deeper level: then the first is the lowest. */
  readonly upwards: boolean;
};

export type Layout = {
  readonly places: readonly Place[];
  /** The lowest row of each level. */
  readonly levels: readonly { readonly level: number; readonly y: number }[];
  readonly width: number;
  readonly height: number;
  /** The path of a way, and where its label stands. */
  way(between: Between): { readonly path: string; readonly label: Place };
};

export function layoutOf(blocks: readonly Block[]): Layout {
  const columns = columnsOf(blocks);
  const rows = rowsOf(columns);
  const places: Place[] = [];
  for (const [index, { level, blocks: own, upwards }] of columns.entries())
    own.forEach((block, position) => {
      const above = upwards ? position : own.length - 1 - position;
      places[block] = {
        x: edge.left + index * steps.right,
        y: (rows.get(level) ?? 0) - above * steps.within,
      };
    });
  return {
    places,
    levels: [...rows].map(([level, y]) => ({ level, y })),
    width: Math.max(...places.map(({ x }) => x)) + box.width + 20,
    height: Math.max(...places.map(({ y }) => y)) + box.height + 24,
    way: (between) => wayOf(between, columns, places),
  };
}

function columnsOf(blocks: readonly Block[]): Column[] {
  const columns: { level: number; blocks: number[]; upwards: boolean }[] = [];
  for (const [index, { level }] of blocks.entries()) {
    const last = columns.at(-1);
    if (last?.level === level) last.blocks.push(index);
    else columns.push({ level, blocks: [index], upwards: last !== undefined && last.level > level });
  }
  return columns;
}

/** Each level as high as its highest column. */
function rowsOf(columns: readonly Column[]): Map<number, number> {
  const rows = new Map<number, number>();
  let y = edge.top;
  for (const level of [...new Set(columns.map((one) => one.level))].sort((a, b) => a - b)) {
    const most = Math.max(...columns.filter((one) => one.level === level).map((one) => one.blocks.length));
    rows.set(level, y + (most - 1) * steps.within);
    y += (most - 1) * steps.within + box.height + steps.between;
  }
  return rows;
}

const columnOf = (columns: readonly Column[], block: number): number =>
  columns.findIndex(({ blocks }) => blocks.includes(block));

function wayOf({ from, to }: Between, columns: readonly Column[], places: readonly Place[]) {
  const [a, b] = [at(places, from), at(places, to)];
  const [first, last] = [columnOf(columns, from), columnOf(columns, to)];
  const isNext = Math.abs(to - from) === 1;
  if (first === last) return isNext ? straight(a, b, a.x + box.width / 2) : aside(a, b);
  if (isNext) return towards(a, b, at(columns, first), places);
  const between = columns.slice(Math.min(first, last) + 1, Math.max(first, last));
  const level = at(columns, first).level;
  return level === at(columns, last).level && between.some((one) => one.level === level)
    ? over(a, b, between.length)
    : across(a, b);
}

/** Down or up, beside which the label stands. */
function straight(a: Place, b: Place, x: number) {
  const [from, to] = b.y > a.y ? [a.y + box.height, b.y] : [a.y, b.y + box.height];
  return { path: `M${x} ${from}V${to}`, label: { x: x + 6, y: (from + to) / 2 + 4 } };
}

/** To the next column: straight, or around the corner where other blocks of the own one stand between. */
function towards(a: Place, b: Place, { blocks }: Column, places: readonly Place[]) {
  const down = b.y > a.y;
  const isFree = blocks.every((block) => (down ? at(places, block).y <= a.y : at(places, block).y >= a.y));
  if (isFree) return straight(a, b, down ? a.x + box.width - 14 : b.x + 14);
  const x = b.x + 44;
  const to = down ? b.y : b.y + box.height;
  const middle = a.y + box.height / 2;
  return { path: `M${a.x + box.width} ${middle}H${x}V${to}`, label: { x: x + 6, y: (middle + to) / 2 + 4 } };
}

/** Past those between in the same column. */
function aside(a: Place, b: Place) {
  const x = a.x + box.width;
  const [from, to] = [a.y + box.height / 2, b.y + box.height / 2];
  return {
    path: `M${x} ${from}C${x + 34} ${from} ${x + 34} ${to} ${x} ${to}`,
    label: { x: x + 28, y: (from + to) / 2 + 4 },
  };
}

/** Over what stands between on the same level; further ones higher. */
function over(a: Place, b: Place, between: number) {
  const [from, to] = [a.x + box.width - 20, b.x + 20];
  const top = Math.min(a.y, b.y) - Math.min(30, 14 + 2 * between);
  return {
    path: `M${from} ${a.y}C${from + 30} ${top} ${from + 40} ${top} ${from + 60} ${top}H${to - 60}C${to - 40} ${top} ${to - 30} ${top} ${to} ${b.y}`,
    label: { x: (from + to) / 2 - 20, y: top - 3 },
  };
}

function across(a: Place, b: Place) {
  const [start, end] = [
    { x: a.x + box.width, y: a.y + box.height / 2 },
    { x: b.x, y: b.y + box.height / 2 },
  ];
  const isLevel = start.y === end.y;
  const bend = isLevel ? 0 : (end.x - start.x) / 2;
  return {
    path: `M${start.x} ${start.y}C${start.x + bend} ${start.y} ${end.x - bend} ${end.y} ${end.x} ${end.y}`,
    label: { x: isLevel ? (start.x + end.x) / 2 - 26 : start.x + 6, y: start.y - 6 },
  };
}
