/** Bytes that each kind of device holds, over the step. */
import { chartStyle, charts, colour, follow, showBytes, showTime } from './charts.js';

/**
 * The curves of all roles on one list of moments, as the library wants them: each keeps its value until its next.
 * @param {TimeData} time
 * @returns {[number[], ...number[][]]}
 */
function memoryColumns(time) {
  const moments = [...new Set(time.roles.flatMap((role) => [...role.moments])), time.step].sort(
    (a, b) => a - b,
  );
  const columns = time.roles.map(({ moments: own, held }) => {
    let next = 0;
    return moments.map((moment) => {
      // Several points of one moment: the largest is what the device must have room for.
      let most = 0;
      while (next < own.length && (own[next] ?? 0) <= moment) {
        most = Math.max(most, held[next] ?? 0);
        next += 1;
      }
      return Math.max(most, held[next - 1] ?? 0);
    });
  });
  return [moments, ...columns];
}

const lineColours = ['forward', 'exchange', 'backward', 'update', 'load', 'all_reduce', 'step', 'other'];

/** @param {HTMLElement} place @param {TimeData} time */
export function drawMemory(place, time) {
  const style = chartStyle();
  const stepped = uPlot.paths.stepped?.({ align: 1 });
  /** @type {PlotOptions} */
  const options = {
    width: style.width,
    height: 260,
    cursor: { drag: { x: true, y: false }, sync: { key: 'time', setSeries: false } },
    scales: { x: { time: false }, y: { range: (_, __, most) => [0, Math.max(1, most * 1.08)] } },
    series: [
      { label: 'time', value: (_, moment) => (moment == null ? '–' : showTime(moment)) },
      ...time.roles.map((role, index) => ({
        label: role.name,
        stroke: colour(lineColours[index % lineColours.length] ?? 'other'),
        width: 1.5,
        ...(stepped === undefined ? {} : { paths: stepped }),
        points: { show: false },
        value: (/** @type {Plot} */ _, /** @type {number | null} */ bytes) =>
          bytes == null ? '–' : showBytes(bytes),
      })),
    ],
    axes: [
      style.time,
      {
        ...style.axis,
        size: 130,
        incrs: Array.from({ length: 45 }, (_, power) => 2 ** power),
        values: (_, splits) => splits.map((one) => showBytes(one)),
      },
    ],
    hooks: { setScale: [follow] },
  };
  const chart = new uPlot(options, memoryColumns(time), place);
  charts.add(chart);
  return chart;
}
