/**
 * Curves of figures: each place says which, by their keys in what `--json` prints (`cli/report/curve.ts`), so that no
 * number is drawn that is not there.
 */
import { chartStyle, colour, showBytes, showTime } from './charts.js';

/**
 * What a document says at `a.0.b`; `*` stands for all of a list.
 * @param {unknown} document @param {string} key @returns {unknown}
 */
function valueAt(document, key) {
  const [part = '', ...rest] = key.split('.');
  if (typeof document !== 'object' || document === null) return undefined;
  /** @param {unknown} one */
  const go = (one) => (rest.length === 0 ? one : valueAt(one, rest.join('.')));
  return part === '*' && Array.isArray(document)
    ? document.map(go)
    : go(/** @type {Record<string, unknown>} */ (document)[part]);
}

/** @type {Record<CurveAxis['show'], (value: number) => string>} */
const shows = {
  seconds: (value) => showTime(value * 1e9),
  bytes: showBytes,
  share: (value) => `${Number((100 * value).toPrecision(3))} %`,
  whole: (value) => value.toLocaleString('en-US'),
  number: (value) => String(Number(value.toPrecision(3))),
};

/** Powers of two on an axis of bytes, of ten on others. @param {CurveAxis} axis */
const ticks = ({ show, log }) =>
  show === 'bytes' && !log ? { incrs: Array.from({ length: 50 }, (_, power) => 2 ** power) } : {};

/** @param {number} base @param {number} ratio of the ends of the axis @returns {number[]} */
function factorsOf(base, ratio) {
  if (base === 10) return ratio < 1e4 ? [1, 2, 5] : [1];
  return ratio < 2.5 ? [1, 1.125, 1.25, 1.375, 1.5, 1.625, 1.75, 1.875] : ratio < 8 ? [1, 1.5] : [1];
}

/**
 * What is written beside a logarithmic axis: 1, 2, 5, 10, ..., of many decades the decades; of bytes powers of two.
 * @param {CurveAxis['show']} show @param {number} from @param {number} to
 */
function roundValues(show, from, to) {
  const base = show === 'bytes' ? 2 : 10;
  const first = Math.floor(Math.log(from) / Math.log(base));
  const powers = Array.from(
    { length: Math.ceil(Math.log(to / from) / Math.log(base)) + 2 },
    (_, index) => base ** (first + index),
  );
  const factors = factorsOf(base, to / from);
  const all = powers.flatMap((power) => factors.map((factor) => Number((factor * power).toPrecision(12))));
  return all.filter((one) => one >= from && one <= to);
}

/** @param {CurveAxis} axis @returns {import('uplot').Scale} */
const scaleOf = ({ log, most, zero }) => ({
  time: false,
  ...(log ? { distr: 3, range: (_, from, to) => [from / room, to * room] } : {}),
  ...(most === undefined && !zero
    ? {}
    : { range: (_, from, to) => [zero ? 0 : from, most ?? to + 0.08 * (to - (zero ? 0 : from))] }),
});

/** Left free at both ends of a logarithmic axis. */
const room = 1.12;

/** @param {number | null | undefined} value @param {CurveAxis} axis */
const told = (value, { show }) => (value == null ? '–' : shows[show](value));

/** @param {CurveSpec} spec @param {unknown} figures @returns {import('uplot').AlignedData} */
function columnsOf({ series }, figures) {
  const numbers = (/** @type {string} */ key) => /** @type {number[]} */ ([valueAt(figures, key)].flat());
  const tables = series.map(({ x, y }) => {
    const order = numbers(x).map((at, index) => /** @type {[number, number]} */ ([at, index]));
    order.sort((a, b) => a[0] - b[0]);
    const values = numbers(y);
    return /** @type {import('uplot').AlignedData} */ ([
      order.map(([at]) => at),
      order.map(([, index]) => values[index] ?? null),
    ]);
  });
  return uPlot.join(tables);
}

/** @param {HTMLElement} place @param {unknown} figures */
export function drawCurve(place, figures) {
  const spec = /** @type {CurveSpec} */ (JSON.parse(place.dataset.curve ?? ''));
  const style = chartStyle();
  const columns = columnsOf(spec, figures);
  /** @type {PlotOptions} */
  const options = {
    width: Math.min(style.width, spec.width ?? style.width),
    height: 240,
    cursor: { drag: { x: true, y: false } },
    scales: { x: scaleOf(spec.x), y: scaleOf(spec.y) },
    series: [
      { label: spec.x.title, value: (_, value) => told(value, spec.x) },
      ...spec.series.map(({ name, paint, marked, dashed, stepped }) => ({
        label: name,
        stroke: colour(paint),
        width: 1.8,
        spanGaps: true,
        ...(dashed ? { dash: [6, 4] } : {}),
        ...(stepped && uPlot.paths.stepped ? { paths: uPlot.paths.stepped({ align: 1 }) } : {}),
        points: { show: marked === true, size: 7, fill: colour(paint) },
        value: (/** @type {Plot} */ _, /** @type {number | null} */ value) => told(value, spec.y),
      })),
    ],
    axes: [
      axisOf(spec.x, { ...style.axis, size: 34, space: 80, label: spec.x.title, labelSize: 22 }),
      axisOf(spec.y, { ...style.axis, size: 90, label: spec.y.title, labelSize: 22 }),
    ],
  };
  return new uPlot(options, columns, place);
}

/** @param {CurveAxis} spec @param {import('uplot').Axis} axis @returns {import('uplot').Axis} */
const axisOf = (spec, axis) => ({
  ...axis,
  ...ticks(spec),
  ...(spec.log
    ? {
        splits: (_, __, from, to) => roundValues(spec.show, from, to),
        filter: (_, splits) => splits,
      }
    : {}),
  labelFont: '12px system-ui, sans-serif',
  values: (_, splits) => splits.map((one) => (one === null ? '' : shows[spec.show](one))),
});
