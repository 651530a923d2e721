/** Pieces of SVG as texts, and how they become pixels. No fonts: text is drawn as strokes. */
import { glyphOf } from './glyphs.ts';

export type TextStyle = {
  readonly x: number;
  readonly y: number;
  /** Height of an em in pixels; capitals are 0.7 of it. */
  readonly size: number;
  readonly colour: string;
  readonly anchor?: 'start' | 'middle' | 'end';
  readonly bold?: boolean;
  /** Reads upwards. */
  readonly upright?: boolean;
};

/** Between two letters, in tenths of an em. */
const GAP = { plain: 1.6, bold: 2 } as const;

const widthInUnits = (text: string, gap: number): number =>
  [...text].reduce((sum, character) => sum + glyphOf(character).width + gap, text === '' ? 0 : -gap);

/** Pixels that a text is wide. */
export const textWidth = (text: string, size: number): number => (widthInUnits(text, GAP.plain) * size) / 10;

const shareBefore = { start: 0, middle: 0.5, end: 1 } as const;

/** A text whose baseline begins, has its middle, or ends at (x, y). */
export function drawText(text: string, style: TextStyle): string {
  const { x, y, size, colour, anchor = 'start', bold = false, upright = false } = style;
  const gap = bold ? GAP.bold : GAP.plain;
  let at = -widthInUnits(text, gap) * shareBefore[anchor];
  const letters = [...text].map((character) => {
    const { width, path } = glyphOf(character);
    const letter = path === '' ? '' : `<path transform="translate(${round(at)})" d="${path}"/>`;
    at += width + gap;
    return letter;
  });
  const place = `translate(${round(x)} ${round(y)})${upright ? ' rotate(-90)' : ''} scale(${size / 10})`;
  return (
    `<g transform="${place}" fill="none" stroke="${colour}" stroke-width="${bold ? 1.25 : 0.85}" ` +
    `stroke-linecap="round" stroke-linejoin="round">${letters.join('')}</g>`
  );
}

/** Hundredths of a pixel are enough, and keep the text short. */
export const round = (value: number): number => Math.round(value * 100) / 100;

export const rectangle = (x: number, y: number, width: number, height: number, fill: string): string =>
  `<rect x="${round(x)}" y="${round(y)}" width="${round(width)}" height="${round(height)}" fill="${fill}"/>`;

export const line = (x1: number, y1: number, x2: number, y2: number, colour: string, width = 1): string =>
  `<path d="M${round(x1)} ${round(y1)}L${round(x2)} ${round(y2)}" stroke="${colour}" stroke-width="${width}" fill="none"/>`;

export type Point = { readonly x: number; readonly y: number };

export const polyline = (points: readonly Point[], colour: string, width: number, opacity = 1): string =>
  `<polyline points="${points.map(({ x, y }) => `${round(x)},${round(y)}`).join(' ')}" fill="none" ` +
  `stroke="${colour}" stroke-width="${width}" stroke-opacity="${opacity}" stroke-linejoin="round" stroke-linecap="round"/>`;

export const disc = ({ x, y }: Point, radius: number, fill: string): string =>
  `<circle cx="${round(x)}" cy="${round(y)}" r="${radius}" fill="${fill}" stroke="white" stroke-width="2"/>`;

export const drawing = (width: number, height: number, ...parts: readonly string[]): string =>
  `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">${parts.join('')}</svg>`;

/** RGB pixels `[height, width, 3]` of a drawing, on white. */
export async function rasterize(svg: string): Promise<Uint8Array> {
  const { default: sharp } = await import('sharp');
  return sharp(Buffer.from(svg)).flatten({ background: 'white' }).raw().toBuffer();
}
