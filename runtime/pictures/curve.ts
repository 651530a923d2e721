/** What a run told step by step, as a picture: the loss, and below it the scores. */
import type { Result } from '../../ir/diagnostics/diagnostic.ts';
import { writePicture } from '../files/png.ts';
import { drawPanel, type Line, type Sample } from './panel.ts';
import { drawing, drawText, rasterize, rectangle, textWidth } from './svg.ts';

export type Curve = {
  readonly title: string;
  /** Below the title: what was trained on how many devices, how long it took. */
  readonly subtitle?: string;
  readonly losses: readonly Sample[];
  /** Shares between 0 and 1, by their name. */
  readonly scores?: readonly Score[];
};

export type Score = { readonly name: string; readonly samples: readonly Sample[] };

const WIDTH = 1440;
const left = 120;

/** Pixels between top and bottom of a plot, and from there to the next. */
const heights = { before: 130, losses: 584, scores: 380, between: 70, after: 96 } as const;

const ink = { title: '#111827', text: '#4b5563' } as const;
const LOSS = '#2563eb';
const SCORES = ['#ea580c', '#059669', '#7c3aed', '#b45309', '#db2777'] as const;

/** Draws the curve into a PNG file. Values that are not finite are left out. Errors: `write-failed`. */
export async function writeCurve(path: string, curve: Curve): Promise<Result<undefined>> {
  const pixels = await rasterize(drawCurve(curve));
  return writePicture(path, { width: WIDTH, height: heightOf(curve), channels: 3 }, pixels);
}

const heightOf = ({ scores = [] }: Curve): number =>
  heights.before +
  heights.losses +
  (scores.length === 0 ? 0 : heights.between + heights.scores) +
  heights.after;

const finite = (samples: readonly Sample[]) => samples.filter(({ value }) => Number.isFinite(value));

/** The picture as SVG. */
export function drawCurve(curve: Curve): string {
  const { title, subtitle = '' } = curve;
  const losses = [{ name: 'training', colour: LOSS, samples: finite(curve.losses) }];
  const scores = (curve.scores ?? []).map(
    ({ name, samples }, index): Line => ({
      name,
      colour: SCORES[index % SCORES.length] ?? LOSS,
      samples: finite(samples),
    }),
  );
  const steps = [...losses, ...scores].flatMap(({ samples }) => samples.map(({ step }) => step));
  const names = [...losses, ...scores].map(({ name }) => textWidth(name, 18));
  const right = WIDTH - Math.max(150, 40 + Math.max(...names));
  const lastStep = Math.max(1, ...steps);
  const end = heights.before + heights.losses;
  const below = end + heights.between;
  const bottom = heightOf(curve) - heights.after;
  return drawing(
    WIDTH,
    heightOf(curve),
    rectangle(0, 0, WIDTH, heightOf(curve), 'white'),
    drawText(title, { x: left, y: 56, size: 30, colour: ink.title, bold: true }),
    drawText(subtitle, { x: left, y: 92, size: 21, colour: ink.text }),
    ...drawPanel({
      place: { left, right, top: heights.before, bottom: end },
      title: 'loss',
      lines: losses,
      lastStep,
    }),
    ...(scores.length === 0
      ? []
      : drawPanel({
          place: { left, right, top: below, bottom },
          title: 'score',
          lines: scores,
          lastStep,
          most: 1,
        })),
    drawText('step', {
      x: (left + right) / 2,
      y: bottom + 74,
      size: 22,
      colour: ink.text,
      anchor: 'middle',
    }),
  );
}
