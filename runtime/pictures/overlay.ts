/**
 * A predicted map over its scene, and its errors where labels are known. Written band by band, and reduced
 * by a whole factor, so that neither memory nor the picture grows with the scene.
 */
import { type Range, range } from '../../ir/box.ts';
import { type Result, success } from '../../ir/diagnostics/diagnostic.ts';
import { bands } from '../data/raster.ts';
import { createPng, type PngWriter } from '../files/png.ts';
import { drawing, drawText, rasterize, rectangle, textWidth } from './svg.ts';

/** Reads a band of rows of something, all columns. */
export type Rows<T> = (rows: Range) => T | Promise<T>;

export type Overlay = {
  readonly height: number;
  readonly width: number;
  /** `[channels, rows, width]`, of 1 or at least 3 channels, from 0 to 255. */
  readonly scene: Rows<Float32Array>;
  /** Classes `[rows, width]`. */
  readonly predicted: Rows<Uint8Array>;
  /** Classes that are right; 255 where not known. */
  readonly labelled?: Rows<Uint8Array>;
  /** Names of the classes, for the legend; class 0 is left as it is in the scene. */
  readonly names: readonly string[];
  readonly title: string;
};

type Colour = readonly [number, number, number];

/** Tints of the classes 1, 2, ...; after the last they begin again. */
const tints: readonly Colour[] = [
  [250, 204, 21],
  [34, 197, 94],
  [56, 189, 248],
  [232, 121, 249],
  [251, 146, 60],
  [163, 230, 53],
];
const OPACITY = 0.35;

/** Wrong pixels: class 0 was predicted where another was labelled; anything else. */
const missed: Colour = [239, 38, 60];
const invented: Colour = [0, 229, 255];

export type OverlayOptions = {
  /** Pixels of the longer side of the picture at most. */
  readonly mostSide?: number;
};

/** Draws into a PNG file. Errors: `write-failed`. */
export async function writeOverlay(
  path: string,
  overlay: Overlay,
  { mostSide = 1600 }: OverlayOptions = {},
): Promise<Result<undefined>> {
  const factor = Math.max(1, Math.ceil(Math.max(overlay.height, overlay.width) / mostSide));
  const [height, width] = [Math.ceil(overlay.height / factor), Math.ceil(overlay.width / factor)];
  const legend = await rasterize(drawLegend(overlay, width));
  const legendHeight = legend.length / 3 / width;
  const writer = createPng(path, { width, height: height + legendHeight, channels: 3 });
  if (!writer.ok) return writer;
  const drawn = await pushScene(writer.value, overlay, factor);
  if (!drawn.ok) return drawn;
  const last = await writer.value.push(legend);
  return last.ok ? writer.value.close() : last;
}

async function pushScene(writer: PngWriter, overlay: Overlay, factor: number): Promise<Result<undefined>> {
  // Bands begin at whole pixels of the picture.
  const most = factor * Math.max(1, Math.floor(128 / factor));
  for (const rows of bands(range(0, overlay.height), most)) {
    const pushed = await writer.push(reduce(await drawBand(overlay, rows), overlay.width, factor));
    if (!pushed.ok) return pushed;
  }
  return success(undefined);
}

/** RGB `[rows, width, 3]` in full size. */
async function drawBand({ width, scene, predicted, labelled }: Overlay, rows: Range): Promise<Uint8Array> {
  const [pixels, classes, labels] = [await scene(rows), await predicted(rows), await labelled?.(rows)];
  const cells = (rows.to - rows.from) * width;
  const channels = pixels.length / cells;
  const out = new Uint8Array(cells * 3);
  for (let i = 0; i < cells; i++) {
    const [found, right] = [classes[i] ?? 0, labels?.[i] ?? 255];
    const wrong = right !== 255 && right !== found;
    const tint = wrong ? (found === 0 ? missed : invented) : found === 0 ? undefined : tintOf(found);
    const opacity = wrong ? 1 : OPACITY;
    for (let c = 0; c < 3; c++) {
      const below = pixels[(channels >= 3 ? c : 0) * cells + i] ?? 0;
      out[i * 3 + c] = tint === undefined ? below : below + ((tint[c] ?? 0) - below) * opacity;
    }
  }
  return out;
}

const tintOf = (index: number): Colour => tints[(index - 1) % tints.length] ?? missed;

/** Means over squares of `factor` pixels a side; those at the right and lower edge may be smaller. */
function reduce(pixels: Uint8Array, width: number, factor: number): Uint8Array {
  if (factor === 1) return pixels;
  const rows = pixels.length / 3 / width;
  const [height, columns] = [Math.ceil(rows / factor), Math.ceil(width / factor)];
  const sums = new Float64Array(height * columns * 3);
  for (let y = 0; y < rows; y++)
    for (let x = 0; x < width; x++) {
      const to = (Math.floor(y / factor) * columns + Math.floor(x / factor)) * 3;
      for (let c = 0; c < 3; c++) sums[to + c] = (sums[to + c] ?? 0) + (pixels[(y * width + x) * 3 + c] ?? 0);
    }
  return Uint8Array.from(sums, (sum, i) => {
    const pixel = Math.floor(i / 3);
    const [y, x] = [Math.floor(pixel / columns), pixel % columns];
    const count = Math.min(factor, rows - y * factor) * Math.min(factor, width - x * factor);
    return Math.round(sum / count);
  });
}

const hex = (colour: Colour): string => `rgb(${colour.join(' ')})`;

/** A strip below the picture that says what the colours mean; as many lines as its width takes. */
function drawLegend({ names, title, labelled }: Overlay, width: number): string {
  const size = Math.max(11, Math.min(24, width / 42));
  const entries = [
    ...names.slice(1).map((name, i) => ({ text: name, colour: tintOf(i + 1) })),
    ...(labelled === undefined
      ? []
      : [
          { text: `missed: labelled, but predicted as ${names[0] ?? 'background'}`, colour: missed },
          {
            text: names.length > 2 ? 'another class than labelled' : `wrongly predicted as ${names[1]}`,
            colour: invented,
          },
        ]),
  ];
  const parts: string[] = [];
  let [x, y] = [size, size * 2];
  for (const piece of titleLines(title, width - 2 * size, size * 1.1)) {
    parts.push(drawText(piece, { x, y, size: size * 1.1, colour: '#111827', bold: true }));
    y += size * 1.7;
  }
  for (const { text, colour } of entries) {
    const length = size * 1.4 + textWidth(text, size) + size * 1.6;
    if (x > size && x + length > width) [x, y] = [size, y + size * 1.6];
    parts.push(rectangle(x, y - size * 0.8, size, size, hex(colour)));
    parts.push(drawText(text, { x: x + size * 1.4, y, size, colour: '#374151' }));
    x += length;
  }
  const height = Math.ceil(y + size);
  return drawing(width, height, rectangle(0, 0, width, height, 'white'), ...parts);
}

/** The title in as many lines as fit the width, broken between words. */
function titleLines(title: string, width: number, size: number): string[] {
  const lines: string[] = [];
  for (const word of title.split(' ')) {
    const longer = `${lines.at(-1) ?? ''} ${word}`.trim();
    if (lines.length > 0 && textWidth(longer, size * 1.1) <= width) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines;
}
