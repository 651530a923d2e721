/** The loss of each step of a run. */
import { chartStyle, colour } from './charts.js';

/** @param {HTMLElement} place @param {number} from the first step @param {readonly number[]} losses */
export function drawLosses(place, from, losses) {
  const style = chartStyle();
  /** @type {PlotOptions} */
  const options = {
    width: style.width,
    height: 220,
    cursor: { drag: { x: true, y: false } },
    scales: { x: { time: false } },
    series: [
      { label: 'step' },
      {
        label: 'loss',
        stroke: colour('forward'),
        width: 1.5,
        points: { show: losses.length < 50 },
        value: (_, loss) => (loss == null ? '–' : loss.toFixed(4)),
      },
    ],
    axes: [style.axis, { ...style.axis, size: 130 }],
  };
  return new uPlot(options, [losses.map((_, index) => from + index), [...losses]], place);
}
