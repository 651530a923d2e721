/** What each kind of device does when: rows are lanes, and what stands still is named with its reason. */
import { chartStyle, charts, colour, follow, showBytes, showRange, showTime } from './charts.js';

/** Pixels of the page. */
const rowHeight = 22;

/** Share of a row above and below what is drawn in it. */
const rowGap = 0.14;

export const workWords = /** @type {Record<string, string>} */ ({
  sweep: 'sweep for sums: forward',
  forward: 'forward',
  step: 'loss: forward and backward',
  backward: 'backward',
  recompute: 'computed again',
  strip: 'strips',
  update: 'update',
  other: 'adding up, counting',
  load: 'loading',
  exchange: 'margins',
  gather: 'statistics',
  send: 'between stages',
  all_reduce: 'sums of gradients',
});

/** @param {TimeData} time @returns {Row[]} */
const rowsOf = (time) =>
  time.roles.flatMap((role, index) =>
    time.lanes.flatMap((_, lane) => {
      const events = role.events.filter((event) => event[0] === lane).sort((a, b) => a[3] - b[3]);
      return events.length === 0 ? [] : [{ role: index, lane, events }];
    }),
  );

/** @param {TimeData} time @param {Row} row */
const rowTitle = (time, { role, lane }) =>
  lane === 0 ? (time.roles[role]?.name ?? '') : `${time.lanes[lane] ?? ''}`;

/** @param {TimeData} time @param {Row} row @param {TimedEvent} event */
export function eventInWords(time, row, [, from, to, came, , instruction, title, bytes, reason]) {
  const role = time.roles[row.role];
  const words = [
    `${role?.name}, ${time.lanes[row.lane]}: ${time.words[title]}, instruction ${instruction}`,
    `from ${showTime(from)} for ${showTime(to - from)}`,
    `${showBytes(bytes)}`,
  ];
  if (reason >= 0) words.push(`${time.words[reason]}${from > came ? ` for ${showTime(from - came)}` : ''}`);
  return words.join(' · ');
}

/**
 * The work at a moment of a row, or the waiting before it.
 * @param {Row} row @param {number} moment
 */
const eventAt = ({ events }, moment) => events.findLast(([, , to, came]) => came <= moment && moment <= to);

/**
 * @param {HTMLElement} place @param {TimeData} time
 * @param {(row: Row, event: TimedEvent) => void} tell
 */
export function drawTimeLine(place, time, tell) {
  const rows = rowsOf(time);
  const style = chartStyle();
  /** @type {{ row: number, event: TimedEvent } | undefined} */
  let chosen;

  /** @param {Plot} chart @param {number} row */
  const topOf = ({ bbox }, row) => bbox.top + ((row + rowGap) * bbox.height) / rows.length;

  /** @param {Plot} chart */
  function draw(chart) {
    const { ctx, bbox } = chart;
    const height = ((1 - 2 * rowGap) * bbox.height) / rows.length;
    /** @type {Map<string, string>} */
    const colours = new Map(Object.keys(workWords).map((work) => [work, colour(work)]));
    const { min = 0, max = time.step } = chart.scales.x ?? {};
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    for (const [index, { events }] of rows.entries())
      for (const event of events) {
        const [, from, to, came, activity] = event;
        if (to < (min ?? 0) || came > (max ?? time.step)) continue;
        const x = (/** @type {number} */ moment) => chart.valToPos(moment, 'x', true);
        ctx.fillStyle = colours.get(activity) ?? colour('other');
        ctx.globalAlpha = 0.25;
        if (from > came) ctx.fillRect(x(came), topOf(chart, index), x(from) - x(came), height);
        ctx.globalAlpha = 1;
        const width = Math.max(0.6, x(to) - x(from) - 0.4);
        ctx.fillRect(x(from), topOf(chart, index), width, height);
        if (chosen?.event !== event) continue;
        ctx.strokeStyle = colour('text');
        ctx.lineWidth = 2 * devicePixelRatio;
        ctx.strokeRect(x(came), topOf(chart, index), Math.max(2, x(to) - x(came)), height);
      }
    ctx.restore();
  }

  /** @param {number} row @param {TimedEvent | undefined} event */
  function choose(row, event) {
    const found = rows[row];
    if (found === undefined || event === undefined || event === chosen?.event) return;
    chosen = { row, event };
    tell(found, event);
    chart.redraw(false);
  }

  /** @param {Plot} chart */
  function point(chart) {
    const { left = -1, top = -1 } = chart.cursor;
    if (left < 0 || top < 0) return;
    const row = Math.floor(chart.posToVal(top, 'y'));
    const found = rows[row];
    if (found !== undefined) choose(row, eventAt(found, chart.posToVal(left, 'x')));
  }

  /** @type {PlotOptions} */
  const options = {
    width: style.width,
    height: rows.length * rowHeight + style.besides,
    legend: { show: false },
    cursor: { y: false, drag: { x: true, y: false }, sync: { key: 'time', setSeries: false } },
    scales: { x: { time: false }, y: { dir: -1, range: () => [0, rows.length] } },
    series: [{}, { show: true, paths: () => null, points: { show: false } }],
    axes: [
      style.time,
      {
        ...style.axis,
        size: 130,
        grid: { show: false },
        space: 1,
        splits: () => rows.map((_, index) => index + 0.5),
        values: () => rows.map((row) => rowTitle(time, row)),
      },
    ],
    hooks: { draw: [draw], setCursor: [point], setScale: [follow] },
  };
  const chart = new uPlot(
    options,
    [
      [0, time.step],
      [0, 0],
    ],
    place,
  );
  charts.add(chart);
  place.onkeydown = (event) => {
    if (walk(event.key)) event.preventDefault();
  };

  /** The next piece of work in a direction. @param {string} key */
  function walk(key) {
    const { row, event } = chosen ?? { row: 0, event: undefined };
    const events = rows[row]?.events ?? [];
    const index = event === undefined ? -1 : events.indexOf(event);
    const { min, max } = chart.scales.x ?? {};
    const [from, to] = [min ?? 0, max ?? time.step];
    const middle = event === undefined ? (from + to) / 2 : (event[1] + event[2]) / 2;
    /** @param {number} by */
    const zoom = (by) => {
      const half = ((to - from) * by) / 2;
      const start = Math.max(0, Math.min(time.step - 2 * half, middle - half));
      showRange(Math.max(0, start), Math.min(time.step, start + 2 * half));
    };
    /** @param {number} other */
    const across = (other) => {
      const found = rows[other];
      if (found === undefined) return;
      choose(
        other,
        eventAt(found, middle) ?? found.events.find((one) => one[2] >= middle) ?? found.events.at(-1),
      );
    };
    /** @type {Record<string, () => void>} */
    const keys = {
      ArrowRight: () => choose(row, events[Math.min(events.length - 1, index + 1)]),
      ArrowLeft: () => choose(row, events[Math.max(0, index - 1)]),
      Home: () => choose(row, events[0]),
      End: () => choose(row, events.at(-1)),
      ArrowDown: () => across(row + 1),
      ArrowUp: () => across(row - 1),
      '+': () => zoom(0.5),
      '=': () => zoom(0.5),
      '-': () => zoom(2),
      Escape: () => showRange(0, time.step),
    };
    const action = keys[key];
    action?.();
    if (action !== undefined && chosen !== undefined) keepInSight(chosen.event);
    return action !== undefined;
  }

  /** Moves the range to what was walked to. @param {TimedEvent} event */
  function keepInSight([, from, to]) {
    const { min, max } = chart.scales.x ?? {};
    if (min == null || max == null || (from >= min && to <= max)) return;
    const width = max - min;
    const start = Math.max(0, Math.min(time.step - width, (from + to - width) / 2));
    showRange(start, start + width);
  }
  return chart;
}
