/**
 * Schedules as text, one decision a line. What a person leaves out stays open and is decided by a pass.
 *
 *   schedule coastline
 *     devices       6
 *     replicas      1
 *     micro_batches 4
 *     order         1f1b
 *     rows          0 104 256                            // where the tiles begin, and the extent
 *     columns       0 128 256                            // or, both cuts left open: tiles 2 x 2
 *     stream        3 x 3                                // of them, worked through by one device
 *     halo          exchange 2 before unet.decode[0].conv[0], 4 before unet.encode[1].concat[0] operand 1
 *     coarsen       2 x 2 from level 3
 *     stages        0, 1 from unet.encode[2].conv[0], 0 from unet.decode[1].up_conv[0]    // cuts left open: 2
 *     pace          4 for 20 50, 60 120, 25 50          // in flight; forward and backward of each chunk
 *     buckets       4
 *     drop          unet.encode[0].relu[0], unet.encode[0].relu[1]
 *     lean          unet.encode[0].relu[1], unet.down[0].max_pool[0]
 *     strips        4 from unet.decode[0].concat[0] to unet.decode[0].relu[1], 8 of columns from conv[0] to conv[1]
 */
import {
  axisWordOf,
  axisWords,
  type Chunk,
  type Coarsening,
  type Exchange,
  type Order,
  type Pace,
  type Pins,
  type Schedule,
  type Strips,
} from '../schedule.ts';
import type { Cursor } from './cursor.ts';
import { printName } from './data.ts';

const orders: readonly Order[] = ['one_after_another', 'gpipe', '1f1b'];

type Named = Pins & { readonly name: string };

export const printScheduleLines = (schedule: Named): string[] => [
  `schedule ${printName(schedule.name)}`,
  ...decisionLines(schedule).map(([word, text]) => `  ${word.padEnd(13)} ${text}`),
];

const decisionLines = (pins: Pins): [string, string][] => [
  ...given('devices', pins.devices),
  ...given('memory', pins.memory),
  ...given('replicas', pins.replicas),
  ...given('micro_batches', pins.microBatches),
  ...given('order', pins.order),
  ...(pins.cuts ?? []).map((cuts, axis, all): [string, string] => [
    axisWordOf(all.length, axis),
    cuts.join(' '),
  ]),
  ...given('tiles', pins.tiles?.join(' x ')),
  ...given('stream', pins.stream?.join(' x ')),
  ...given('halo', pins.exchanges && haloInWords(pins.exchanges)),
  ...given('coarsen', pins.coarsen && `${pins.coarsen.grid.join(' x ')} from level ${pins.coarsen.level}`),
  ...given('stages', pins.chunks === undefined ? pins.stages : chunksInWords(pins.chunks)),
  ...given('pace', pins.pace && paceInWords(pins.pace)),
  ...given('buckets', pins.buckets),
  ...given('drop', pins.drop && listed(pins.drop.map(printName))),
  ...given('lean', pins.lean && listed(pins.lean.map(printName))),
  ...given('strips', pins.strips && listed(pins.strips.map(stripsInWords))),
];

const given = (word: string, text: string | number | undefined): [string, string][] =>
  text === undefined ? [] : [[word, String(text)]];

/** An empty list is a decision too. */
const listed = (items: readonly string[]): string => (items.length === 0 ? 'nothing' : items.join(', '));

const haloInWords = (exchanges: readonly Exchange[]): string =>
  exchanges.length === 0
    ? 'overlap'
    : `exchange ${exchanges.map(({ before, operand, cells }) => `${cells} before ${printName(before)}${operand === 0 ? '' : ` operand ${operand}`}`).join(', ')}`;

const chunksInWords = (chunks: readonly Chunk[]): string =>
  chunks.length === 0
    ? 'one'
    : chunks
        .map(({ from, stage }, i) => (i === 0 ? `${stage}` : `${stage} from ${printName(from)}`))
        .join(', ');

const paceInWords = ({ inFlight, forward, backward }: Pace): string =>
  `${inFlight} for ${forward.map((first, i) => `${first} ${backward[i]}`).join(', ')}`;

const stripsInWords = ({ count, of, from, to }: Strips): string =>
  `${count}${of === undefined ? '' : ` of ${of}`} from ${printName(from)} to ${printName(to)}`;

type Draft = Pins & { readonly marks?: readonly [word: string, cuts: readonly number[]] };

/** How each decision is read. Cuts are collected by the word of their axis. */
const decisions: { readonly [word: string]: (cursor: Cursor) => Draft } = {
  devices: (cursor) => ({ devices: positive(cursor) }),
  memory: (cursor) => ({ memory: positive(cursor) }),
  replicas: (cursor) => ({ replicas: positive(cursor) }),
  micro_batches: (cursor) => ({ microBatches: positive(cursor) }),
  order: (cursor) => ({ order: readOrder(cursor) }),
  tiles: (cursor) => ({ tiles: readGrid(cursor) }),
  stream: (cursor) => ({ stream: readGrid(cursor) }),
  slices: (cursor) => ({ marks: ['slices', readCuts(cursor)] }),
  rows: (cursor) => ({ marks: ['rows', readCuts(cursor)] }),
  columns: (cursor) => ({ marks: ['columns', readCuts(cursor)] }),
  halo: (cursor) => ({ exchanges: readHalo(cursor) }),
  coarsen: (cursor) => ({ coarsen: readCoarsening(cursor) }),
  stages: readStages,
  pace: (cursor) => ({ pace: readPace(cursor) }),
  buckets: (cursor) => ({ buckets: positive(cursor) }),
  drop: (cursor) => ({ drop: readListed(cursor, () => cursor.name()) }),
  lean: (cursor) => ({ lean: readListed(cursor, () => cursor.name()) }),
  strips: (cursor) => ({ strips: readListed(cursor, () => readStrips(cursor)) }),
};

export const decisionWords = Object.keys(decisions);

function positive(cursor: Cursor): number {
  const next = cursor.peek();
  return next.kind === 'number' && Number(next.text) >= 1
    ? cursor.integer()
    : cursor.fail('a whole number from 1');
}

/** `1f1b` reads as a number and a name. */
function readOrder(cursor: Cursor): Order {
  if (cursor.peek().text === '1' && cursor.peek(1).text === 'f1b') {
    cursor.next();
    cursor.next();
    return '1f1b';
  }
  return cursor.oneOf(orders);
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
    const next = Number(cursor.peek().text);
    if (before === undefined ? next !== 0 : next <= before)
      cursor.fail(before === undefined ? 'cuts that begin with 0' : `a cut after ${before}`);
    cuts.push(cursor.integer());
  }
  return cuts.length >= 2 ? cuts : cursor.fail('at least two cuts');
}

/** Items with commas between them, or the word `nothing`. */
function readListed<T>(cursor: Cursor, read: () => T): T[] {
  if (cursor.take('nothing')) return [];
  const items = [read()];
  while (cursor.take(',')) items.push(read());
  return items;
}

function readHalo(cursor: Cursor): Exchange[] {
  if (cursor.take('overlap')) return [];
  cursor.expect('exchange');
  return readListed(cursor, () => {
    const cells = positive(cursor);
    cursor.expect('before');
    const before = cursor.name();
    return { before, operand: cursor.take('operand') ? cursor.integer() : 0, cells };
  });
}

function readCoarsening(cursor: Cursor): Coarsening {
  const grid = readGrid(cursor);
  cursor.expect('from');
  cursor.expect('level');
  return { grid, level: cursor.integer() };
}

/** `one`; `0, 1 from ...`, the first of which is 0; or `3`, the cuts left open. */
function readStages(cursor: Cursor): Draft {
  if (cursor.take('one')) return { chunks: [] };
  const first = cursor.integer();
  if (cursor.peek().text !== ',' && first > 0) return { stages: first };
  const chunks: Chunk[] = [{ from: '', stage: first }];
  while (cursor.take(',')) {
    const stage = cursor.integer();
    cursor.expect('from');
    chunks.push({ from: cursor.name(), stage });
  }
  return { chunks };
}

function readPace(cursor: Cursor): Pace {
  const inFlight = positive(cursor);
  cursor.expect('for');
  const times: [number, number][] = [];
  do times.push([positive(cursor), positive(cursor)]);
  while (cursor.take(','));
  return { inFlight, forward: times.map(([first]) => first), backward: times.map(([, second]) => second) };
}

function readStrips(cursor: Cursor): Strips {
  const count = positive(cursor);
  const of = cursor.take('of') ? { of: cursor.oneOf(axisWords) } : {};
  cursor.expect('from');
  const from = cursor.name();
  cursor.expect('to');
  return { count, ...of, from, to: cursor.name() };
}

export const printSchedule = (schedule: Named): string => `${printScheduleLines(schedule).join('\n')}\n`;

export function readSchedule(cursor: Cursor): Named {
  cursor.expect('schedule');
  const name = cursor.name();
  let pins: Pins = {};
  const cuts = new Map<string, readonly number[]>();
  while (decisionWords.includes(cursor.peek().text)) {
    const { marks, ...decided } = decisions[cursor.next().text]?.(cursor) ?? {};
    if (marks !== undefined) cuts.set(...marks);
    pins = { ...pins, ...decided };
  }
  const given = axisWords.flatMap((word) => {
    const marks = cuts.get(word);
    return marks === undefined ? [] : [marks];
  });
  return { name, ...pins, ...(given.length > 0 ? { cuts: given } : {}) };
}

const required = [
  'devices',
  'replicas',
  'microBatches',
  'order',
  'cuts',
  'stream',
  'exchanges',
  'chunks',
  'drop',
  'strips',
] as const satisfies readonly (keyof Schedule)[];

const isWhole = (schedule: Named): schedule is Schedule =>
  required.every((decision) => schedule[decision] !== undefined);

/** A schedule in which nothing is open. */
export function readWholeSchedule(cursor: Cursor): Schedule {
  const schedule = readSchedule(cursor);
  return isWhole(schedule) ? schedule : cursor.fail(`a complete schedule (${decisionWords.join(', ')})`);
}
