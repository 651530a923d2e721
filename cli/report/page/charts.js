/** What the charts share: colours of the page, amounts in words, and one range of time for all of them. */

/** @param {string} name of a colour of the style sheet */
export const colour = (name) =>
  getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

/** @param {number} amount */
const threeDigits = (amount) => (amount >= 1000 ? amount.toFixed(0) : amount.toPrecision(3));

/** @param {number} nanoseconds */
export function showTime(nanoseconds) {
  if (nanoseconds === 0) return '0 s';
  const size = Math.abs(nanoseconds);
  const [unit, word] =
    size >= 1e9 ? [1e9, 's'] : size >= 1e6 ? [1e6, 'ms'] : size >= 1e3 ? [1e3, 'µs'] : [1, 'ns'];
  return `${threeDigits(nanoseconds / unit)} ${word}`;
}

const byteUnits = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];

/** @param {number} bytes */
export function showBytes(bytes) {
  const step = bytes < 1 ? 0 : Math.min(byteUnits.length - 1, Math.floor(Math.log2(bytes) / 10));
  const amount = bytes / 1024 ** step;
  return `${step === 0 ? Math.round(amount) : threeDigits(amount)} ${byteUnits[step]}`;
}

/** `besides`: pixels above and below what is drawn. @returns {ChartStyle} */
export function chartStyle() {
  const axis = {
    stroke: colour('quiet'),
    font: '12px system-ui, sans-serif',
    grid: { stroke: colour('line'), width: 0.5 },
    ticks: { stroke: colour('line'), width: 0.5 },
  };
  const width = Math.max(320, Math.min(1190, document.body.clientWidth - 48));
  return {
    width,
    besides: 34 + 20,
    axis,
    time: {
      ...axis,
      size: 34,
      space: 90,
      values: (_, splits) => splits.map((one) => (one === null ? '' : showTime(one))),
    },
  };
}

/** All charts of time, so that they show the same part of it. @type {Set<Plot>} */
export const charts = new Set();

/** @param {number} from @param {number} to nanoseconds */
export function showRange(from, to) {
  for (const chart of charts) chart.setScale('x', { min: from, max: to });
}

let following = false;

/** The other charts follow where one was zoomed by hand. @param {Plot} chart */
export function follow(chart) {
  if (following) return;
  following = true;
  const { min, max } = chart.scales.x ?? {};
  if (min != null && max != null)
    for (const other of charts) if (other !== chart) other.setScale('x', { min, max });
  following = false;
}
