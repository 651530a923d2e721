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

/** The hue of a kind of device in tables and tiles, as dark as a line has to be. @param {number} kind */
const lineColour = (kind) => `hsl(${((kind * 137.5 + 30) % 360).toFixed(0)} 60% ${colour('kind-line')})`;

/**
 * A mark where the fullest of all is fullest, with its name.
 * @param {TimeData} time @param {Plot} chart
 */
function drawPeak(time, chart) {
  const peaks = time.roles.map(({ held }) => Math.max(...held));
  const most = Math.max(...peaks);
  const role = time.roles[peaks.indexOf(most)];
  const moment = role?.moments[role.held.indexOf(most)];
  const { min, max } = chart.scales.x ?? {};
  if (role === undefined || moment === undefined || moment < (min ?? 0) || moment > (max ?? 0)) return;
  const { ctx } = chart;
  const [x, y] = [chart.valToPos(moment, 'x', true), chart.valToPos(most, 'y', true)];
  ctx.save();
  ctx.fillStyle = colour('text');
  ctx.beginPath();
  ctx.arc(x, y, 3.5 * devicePixelRatio, 0, 2 * Math.PI);
  ctx.fill();
  ctx.font = `${12 * devicePixelRatio}px system-ui, sans-serif`;
  const right = x > chart.bbox.left + chart.bbox.width / 2;
  ctx.textAlign = right ? 'right' : 'left';
  const beside = (right ? -9 : 9) * devicePixelRatio;
  ctx.fillText(`peak of ${role.name}: ${showBytes(most)}`, x + beside, y - 9 * devicePixelRatio);
  ctx.restore();
}

/** @param {HTMLElement} place @param {TimeData} all */
export function drawMemory(place, all) {
  // Of what was measured nobody knows what was alive when.
  const time = { ...all, roles: all.roles.filter(({ held }) => held.length > 0) };
  const style = chartStyle();
  const stepped = uPlot.paths.stepped?.({ align: 1 });
  /** @type {PlotOptions} */
  const options = {
    width: style.width,
    height: 260,
    cursor: { drag: { x: true, y: false }, sync: { key: 'time', setSeries: false } },
    scales: { x: { time: false }, y: { range: (_, __, most) => [0, Math.max(1, most * 1.22)] } },
    series: [
      { label: 'time', value: (_, moment) => (moment == null ? '–' : showTime(moment)) },
      ...time.roles.map((role) => ({
        label: role.name,
        stroke: lineColour(role.kind),
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
    hooks: { draw: [(chart) => drawPeak(time, chart)], setScale: [follow] },
  };
  const chart = new uPlot(options, memoryColumns(time), place);
  charts.add(chart);
  return chart;
}
