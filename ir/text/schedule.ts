/**
 * Schedules as text, one decision a line. What a person leaves out stays open and is decided by a pass.
 *
 *   schedule coastline
 *     devices       2
 *     replicas      1
 *     micro_batches 1
 *     rows          0 104 256      // where the tiles begin, and the extent
 *     columns       0 128 256      // or, both cuts left open: tiles 2 x 2
 *     halo          overlap
 */
import type { Pins, Schedule } from '../schedule.ts';
import type { Cursor } from './cursor.ts';
import { printName } from './data.ts';

/** Axes are counted from the innermost: columns, then rows, then slices. */
const axisWords = ['slices', 'rows', 'columns'] as const;

const wordOfAxis = (axis: number, rank: number): string =>
  axisWords[axisWords.length - rank + axis] ?? 'columns';

export const printScheduleLines = (schedule: Pins & { readonly name: string }): string[] => [
  `schedule ${printName(schedule.name)}`,
  ...[
    counted('devices', schedule.devices),
    counted('memory', schedule.memory),
    counted('replicas', schedule.replicas),
    counted('micro_batches', schedule.microBatches),
    ...(schedule.cuts ?? []).map(
      (cuts, axis, all) => `${wordOfAxis(axis, all.length).padEnd(13)} ${cuts.join(' ')}`,
    ),
    schedule.tiles && `tiles         ${schedule.tiles.join(' x ')}`,
    schedule.halo && `halo          ${schedule.halo}`,
  ]
    .filter((line) => line !== undefined)
    .map((line) => `  ${line}`),
];

const counted = (word: string, count: number | undefined): string | undefined =>
  count === undefined ? undefined : `${word.padEnd(13)} ${count}`;

export const printSchedule = (schedule: Pins & { readonly name: string }): string =>
  `${printScheduleLines(schedule).join('\n')}\n`;

type Draft = { name: string; pins: { -readonly [K in keyof Pins]: Pins[K] }; cuts: Map<string, number[]> };

const decisions: { readonly [word: string]: (cursor: Cursor, draft: Draft) => void } = {
  devices: (cursor, { pins }) => {
    pins.devices = positive(cursor);
  },
  memory: (cursor, { pins }) => {
    pins.memory = positive(cursor);
  },
  replicas: (cursor, { pins }) => {
    pins.replicas = positive(cursor);
  },
  micro_batches: (cursor, { pins }) => {
    pins.microBatches = positive(cursor);
  },
  tiles: (cursor, { pins }) => {
    pins.tiles = readGrid(cursor);
  },
  slices: (cursor, { cuts }) => void cuts.set('slices', readCuts(cursor)),
  rows: (cursor, { cuts }) => void cuts.set('rows', readCuts(cursor)),
  columns: (cursor, { cuts }) => void cuts.set('columns', readCuts(cursor)),
  halo: (cursor, { pins }) => {
    pins.halo = cursor.oneOf(['overlap']);
  },
};

export const decisionWords = Object.keys(decisions);

function positive(cursor: Cursor): number {
  const next = cursor.peek();
  return next.kind === 'number' && Number(next.text) >= 1
    ? cursor.integer()
    : cursor.fail('a whole number from 1');
}

/** `2 x 3`; `2x3`, which reads as a number and a name, too. */
function readGrid(cursor: Cursor): number[] {
  const counts = [positive(cursor)];
  for (;;) {
    const glued = /^x(\d+)((?:x\d+)*)$/.exec(cursor.peek().text);
    if (glued) {
      counts.push(...cursor.next().text.slice(1).split('x').map(Number));
    } else if (cursor.take('x')) counts.push(positive(cursor));
    else return counts;
  }
}

/** Positions from 0 upwards, each larger than the one before. */
function readCuts(cursor: Cursor): number[] {
  const cuts: number[] = [];
  while (cursor.peek().kind === 'number') {
    const before = cuts.at(-1);
    const given = Number(cursor.peek().text);
    if (before === undefined ? given !== 0 : given <= before)
      cursor.fail(before === undefined ? 'cuts that begin with 0' : `a cut after ${before}`);
    cuts.push(cursor.integer());
  }
  return cuts.length >= 2 ? cuts : cursor.fail('at least two cuts');
}

export function readSchedule(cursor: Cursor): Pins & { readonly name: string } {
  cursor.expect('schedule');
  const draft: Draft = { name: cursor.name(), pins: {}, cuts: new Map() };
  while (decisionWords.includes(cursor.peek().text)) decisions[cursor.next().text]?.(cursor, draft);
  const cuts = axisWords.flatMap((word) => {
    const given = draft.cuts.get(word);
    return given === undefined ? [] : [given];
  });
  return { name: draft.name, ...draft.pins, ...(cuts.length > 0 ? { cuts } : {}) };
}

/** A schedule in which nothing is open. */
export function readWholeSchedule(cursor: Cursor): Schedule {
  const { name, devices, replicas, microBatches, cuts, halo } = readSchedule(cursor);
  if (devices && replicas && microBatches && cuts && halo)
    return { name, devices, replicas, microBatches, cuts, halo };
  return cursor.fail(`a complete schedule (${decisionWords.join(', ')})`);
}
