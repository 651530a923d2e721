/** One plot of a picture: lines over the steps of a run, between its axes, with their last values at their ends. */
import { linearScale, logarithmicScale, numberText, placeOn, type Scale } from './axis.ts';
import { disc, drawText, line, type Point, polyline } from './svg.ts';

export type Sample = { readonly step: number; readonly value: number };

export type Line = {
  readonly name: string;
  readonly colour: string;
  readonly samples: readonly Sample[];
};

/** So few samples have marks, and none is smoothed. */
const few = 30;

/** Pixels of the picture. */
export type Place = {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
};

export type Panel = {
  readonly place: Place;
  /** Beside its axis. */
  readonly title: string;
  readonly lines: readonly Line[];
  /** Of all panels of the picture. */
  readonly lastStep: number;
  /** Shares: no axis beyond 1. */
  readonly most?: number;
};

const ink = { text: '#4b5563', grid: '#e5e7eb', axis: '#9ca3af' } as const;

/** Axes and lines; the steps are written below the axis. */
export function drawPanel({ place, title, lines, lastStep, most }: Panel): string[] {
  const [x, y] = [stepScale(lastStep), valueScale(lines, most)];
  const at = (sample: Sample): Point => ({
    x: place.left + placeOn(x, sample.step) * (place.right - place.left),
    y: place.bottom - placeOn(y, sample.value) * (place.bottom - place.top),
  });
  const drawn = lines.map((one): Drawn => {
    const marked = one.samples.length <= few;
    return { ...one, marked, smooth: marked ? one.samples : smoothed(one.samples) };
  });
  return [
    ...drawAxes(place, title, x, y),
    ...drawn.flatMap((one) => drawLine(one, at)),
    ...drawEnds(drawn, place, at),
  ];
}

const stepScale = (last: number): Scale => {
  const { ticks } = linearScale(0, last, 8);
  // The axis ends with the last step; the ticks stay round.
  return { from: 0, to: last, logarithmic: false, ticks: ticks.filter((tick) => tick <= last) };
};

/** Logarithmic where the values span more than a factor of ten, but for shares. */
function valueScale(lines: readonly Line[], most: number | undefined): Scale {
  const values = lines.flatMap(({ samples }) => samples.map(({ value }) => value));
  const [low, high] = values.length === 0 ? [0, 1] : [Math.min(...values), Math.max(...values)];
  if (most !== undefined) {
    const scale = linearScale(low, most, 5);
    return { ...scale, to: most, ticks: scale.ticks.filter((tick) => tick <= most) };
  }
  if (low > 0 && high / low > 10) return logarithmicScale(low, high);
  return linearScale(Math.min(0, low), high, 6);
}

function drawAxes({ left, right, top, bottom }: Place, title: string, x: Scale, y: Scale): string[] {
  const across = y.ticks.map((tick) => {
    const at = bottom - placeOn(y, tick) * (bottom - top);
    const text = drawText(numberText(tick), {
      x: left - 16,
      y: at + 7,
      size: 20,
      colour: ink.text,
      anchor: 'end',
    });
    return line(left, at, right, at, ink.grid, 1.5) + text;
  });
  const along = x.ticks.map((tick) => {
    const at = left + placeOn(x, tick) * (right - left);
    const text = drawText(numberText(tick), {
      x: at,
      y: bottom + 34,
      size: 20,
      colour: ink.text,
      anchor: 'middle',
    });
    return line(at, bottom, at, bottom + 8, ink.axis, 1.5) + text;
  });
  const middle = (top + bottom) / 2;
  return [
    ...across,
    ...along,
    line(left, bottom, right, bottom, ink.axis, 2),
    drawText(title, { x: 36, y: middle, size: 22, colour: ink.text, anchor: 'middle', upright: true }),
  ];
}

type Drawn = Line & { readonly smooth: readonly Sample[]; readonly marked: boolean };

/** Each step faintly, and the mean of its neighbours. */
const drawLine = (
  { samples, smooth, colour, marked }: Drawn,
  at: (sample: Sample) => Point,
): readonly string[] =>
  samples.length === 0
    ? []
    : marked
      ? [polyline(samples.map(at), colour, 3), ...samples.map((one) => disc(at(one), 6, colour))]
      : [polyline(samples.map(at), colour, 1.5, 0.3), polyline(smooth.map(at), colour, 3.5)];

/** Means over a fiftieth of the samples on both sides: geometric ones where all values are positive. */
export function smoothed(
  samples: readonly Sample[],
  reach: number = Math.floor(samples.length / 50),
): Sample[] {
  const positive = samples.every(({ value }) => value > 0);
  const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;
  return samples.map(({ step }, i) => {
    const near = samples.slice(Math.max(0, i - reach), i + reach + 1).map(({ value }) => value);
    return { step, value: positive ? Math.exp(mean(near.map(Math.log))) : mean(near) };
  });
}

/** Pixels that a last value and its name take. */
const endHeight = 58;

/** The last values, written at the ends of the lines; moved apart where they would meet. */
function drawEnds(lines: readonly Drawn[], place: Place, at: (sample: Sample) => Point): string[] {
  const ends = lines.flatMap(({ name, colour, smooth }) => {
    const last = smooth.at(-1);
    return last === undefined ? [] : [{ name, colour, last, point: at(last) }];
  });
  const ordered = ends.toSorted((a, b) => a.point.y - b.point.y);
  // Not so low that those that follow have no room above the steps.
  const lowest = (index: number) => place.bottom - 25 - endHeight * (ordered.length - 1 - index);
  let free = Number.NEGATIVE_INFINITY;
  return ordered.map(({ name, colour, last, point }, index) => {
    const y = Math.max(Math.min(point.y + 6, lowest(index)), free);
    free = y + endHeight;
    const value = numberText(Number(last.value.toPrecision(3)));
    const x = place.right + 16;
    const note = drawText(value, { x, y, size: 23, colour, bold: true });
    const label = drawText(name, { x, y: y + 25, size: 18, colour });
    return disc(point, 7, colour) + note + label;
  });
}
