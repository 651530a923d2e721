/** The loss against the step, as a picture. */
import type { Result } from '../../ir/diagnostics/diagnostic.ts';
import { writePicture } from '../files/png.ts';
import { linearScale, logarithmicScale, numberText, placeOn, type Scale } from './axis.ts';
import { disc, drawing, drawText, line, type Point, polyline, rasterize, rectangle } from './svg.ts';

export type Sample = { readonly step: number; readonly value: number };

export type Curve = {
  readonly title: string;
  /** Below the title: what was trained on how many devices, how long it took. */
  readonly subtitle?: string;
  readonly losses: readonly Sample[];
  /** What falls as the network gets better on a split that is not trained on. */
  readonly validation?: readonly Sample[];
  /** What that is: "validation" by default. */
  readonly validationName?: string;
};

const [WIDTH, HEIGHT] = [1440, 810];
const plot = { left: 120, right: WIDTH - 150, top: 130, bottom: HEIGHT - 96 } as const;

const ink = { title: '#111827', text: '#4b5563', grid: '#e5e7eb', axis: '#9ca3af' } as const;
const LOSS = '#2563eb';
const VALIDATION = '#ea580c';

/** Draws the curve into a PNG file. Losses that are not finite are left out. Errors: `write-failed`. */
export async function writeCurve(path: string, curve: Curve): Promise<Result<undefined>> {
  const pixels = await rasterize(drawCurve(curve));
  return writePicture(path, { width: WIDTH, height: HEIGHT, channels: 3 }, pixels);
}

/** The picture as SVG. */
export function drawCurve(curve: Curve): string {
  const { title, subtitle = '', losses, validation = [], validationName = 'validation' } = curve;
  const finite = (samples: readonly Sample[]) => samples.filter(({ value }) => Number.isFinite(value));
  const [trained, validated] = [finite(losses), finite(validation)];
  const all = [...trained, ...validated];
  const [x, y] = [stepScale(all), lossScale(all)];
  const smooth = smoothed(trained, Math.floor(trained.length / 50));
  const place = (sample: Sample): Point => ({
    x: plot.left + placeOn(x, sample.step) * (plot.right - plot.left),
    y: plot.bottom - placeOn(y, sample.value) * (plot.bottom - plot.top),
  });
  return drawing(
    WIDTH,
    HEIGHT,
    rectangle(0, 0, WIDTH, HEIGHT, 'white'),
    drawText(title, { x: plot.left, y: 56, size: 30, colour: ink.title, bold: true }),
    drawText(subtitle, { x: plot.left, y: 92, size: 21, colour: ink.text }),
    ...drawAxes(x, y),
    ...drawLoss(trained, smooth, place),
    ...drawValidation(validated, place),
    ...drawEnds(smooth, validated, validationName, place),
  );
}

const stepScale = (samples: readonly Sample[]): Scale => {
  const last = Math.max(1, ...samples.map(({ step }) => step));
  const { ticks } = linearScale(0, last, 8);
  // The axis ends with the last step; the ticks stay round.
  return { from: 0, to: last, logarithmic: false, ticks: ticks.filter((tick) => tick <= last) };
};

/** Logarithmic where the values span more than a factor of ten. */
function lossScale(samples: readonly Sample[]): Scale {
  const values = samples.map(({ value }) => value);
  const [low, high] = values.length === 0 ? [0, 1] : [Math.min(...values), Math.max(...values)];
  if (low > 0 && high / low > 10) return logarithmicScale(low, high);
  return linearScale(Math.min(0, low), high, 6);
}

function drawAxes(x: Scale, y: Scale): string[] {
  const { left, right, top, bottom } = plot;
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
  const middle = { x: (left + right) / 2, y: (top + bottom) / 2 };
  return [
    ...across,
    ...along,
    line(left, bottom, right, bottom, ink.axis, 2),
    drawText('step', { x: middle.x, y: bottom + 74, size: 22, colour: ink.text, anchor: 'middle' }),
    drawText('loss', { x: 36, y: middle.y, size: 22, colour: ink.text, anchor: 'middle', upright: true }),
  ];
}

/** Each step faintly, and the mean of its neighbours. */
const drawLoss = (
  samples: readonly Sample[],
  smooth: readonly Sample[],
  place: (sample: Sample) => Point,
): string[] => [polyline(samples.map(place), LOSS, 1.5, 0.3), polyline(smooth.map(place), LOSS, 3.5)];

/** Means over up to `reach` samples on both sides: geometric ones where all values are positive. */
export function smoothed(samples: readonly Sample[], reach: number): Sample[] {
  const positive = samples.every(({ value }) => value > 0);
  const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;
  return samples.map(({ step }, i) => {
    const near = samples.slice(Math.max(0, i - reach), i + reach + 1).map(({ value }) => value);
    return { step, value: positive ? Math.exp(mean(near.map(Math.log))) : mean(near) };
  });
}

const drawValidation = (samples: readonly Sample[], place: (sample: Sample) => Point): string[] =>
  samples.length === 0
    ? []
    : [polyline(samples.map(place), VALIDATION, 3), ...samples.map((s) => disc(place(s), 6, VALIDATION))];

/** The last values, written at the ends of the lines; moved apart where they would meet. */
function drawEnds(
  losses: readonly Sample[],
  validation: readonly Sample[],
  validationName: string,
  place: (sample: Sample) => Point,
): string[] {
  const ends = [
    { name: 'training', colour: LOSS, last: losses.at(-1) },
    { name: validationName, colour: VALIDATION, last: validation.at(-1) },
  ].flatMap(({ name, colour, last }) =>
    last === undefined ? [] : [{ name, colour, last, at: place(last) }],
  );
  const ordered = ends.toSorted((a, b) => a.at.y - b.at.y);
  let free = Number.NEGATIVE_INFINITY;
  return ordered.map(({ name, colour, last, at }) => {
    const y = Math.max(at.y + 6, free);
    free = y + 58;
    const value = numberText(Number(last.value.toPrecision(3)));
    const x = at.x + 16;
    const note = drawText(value, { x, y, size: 23, colour, bold: true });
    const label = drawText(name, { x, y: y + 25, size: 18, colour });
    return disc(at, 7, colour) + note + label;
  });
}
