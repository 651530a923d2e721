/**
 * The honest baseline: what one gets without a network, from the colour of a pixel alone. Each channel is cut
 * into bins; the table holds for each colour the class that most pixels of the training split have.
 */
import { at, type Box, extents, range, wholeBox } from '../../ir/box.ts';
import { type Area, areasOf, type Data, pairOf } from '../data/data.ts';
import { fullScale } from '../data/raster.ts';
import { readImage, readLabels } from '../data/read-window.ts';
import { plainWindow, type Window } from '../data/sample-window.ts';
import { addPixels, type Confusion, emptyConfusion } from '../metrics.ts';

export type ColourTable = {
  /** Bins a channel. */
  readonly bins: number;
  /** Class of each colour, channels in order, the first the most significant. */
  readonly classes: Uint8Array;
};

/** Rows that are looked at together. */
const BAND = 128;

/**
 * Fits the table to a split whose labels have `classes` classes: the majority for each colour (the lowest
 * class if several have most), the overall majority for colours that do not occur.
 */
export async function fitColourTable(
  data: Data,
  split: string,
  classes: number,
  bins = 32,
): Promise<ColourTable> {
  const areas = areasOf(data, split);
  const channels = Math.max(...areas.map(({ pair }) => pairOf(data, pair).image.channels));
  const counts = new Float64Array(bins ** channels * classes);
  await visit(data, areas, bins, (colours, labels) => {
    for (let i = 0; i < colours.length; i++) {
      const label = labels[i] ?? classes;
      if (label >= classes) continue;
      const cell = (colours[i] ?? 0) * classes + label;
      counts[cell] = (counts[cell] ?? 0) + 1;
    }
  });
  return { bins, classes: majorities(counts, classes) };
}

function majorities(counts: Float64Array, classes: number): Uint8Array {
  const overall = new Float64Array(classes);
  for (let cell = 0; cell < counts.length; cell++)
    overall[cell % classes] = (overall[cell % classes] ?? 0) + (counts[cell] ?? 0);
  const most = largest(overall);
  return Uint8Array.from({ length: counts.length / classes }, (_, colour) => {
    const cells = counts.subarray(colour * classes, (colour + 1) * classes);
    return cells.every((count) => count === 0) ? most : largest(cells);
  });
}

const largest = (numbers: Float64Array): number =>
  numbers.reduce((best, number, i) => (number > (numbers[best] ?? 0) ? i : best), 0);

/** Labelled against predicted classes over a whole split. */
export async function evaluateColourTable(
  table: ColourTable,
  data: Data,
  split: string,
  classes: number,
): Promise<Confusion> {
  const confusion = emptyConfusion(classes);
  await visit(data, areasOf(data, split), table.bins, (colours, labels) => {
    addPixels(
      confusion,
      labels,
      Uint8Array.from(colours, (colour) => table.classes[colour] ?? 0),
    );
  });
  return confusion;
}

type Visit = (colours: Uint32Array, labels: Uint8Array) => void;

/** Calls `look` with the colours and labels of one band of rows after another. */
async function visit(data: Data, areas: readonly Area[], bins: number, look: Visit): Promise<void> {
  for (const area of areas) {
    const window = plainWindow(area.pair, area.box);
    const sizes = extents(area.box);
    const columns = at(wholeBox(sizes), 1);
    const [rows = 0] = sizes;
    for (let row = 0; row < rows; row += BAND) {
      const box = [range(row, Math.min(rows, row + BAND)), columns];
      look(await coloursOf(data, window, box, bins), await readLabels(data, window, sizes, box));
    }
  }
}

async function coloursOf(data: Data, window: Window, box: Box, bins: number): Promise<Uint32Array> {
  const raster = pairOf(data, window.pair).image;
  const pixels = await readImage(data, window, box);
  const cells = pixels.length / raster.channels;
  const width = (fullScale(raster) + 1) / bins;
  const colours = new Uint32Array(cells);
  for (let channel = 0; channel < raster.channels; channel++)
    for (let i = 0; i < cells; i++)
      colours[i] = (colours[i] ?? 0) * bins + binOf((pixels[channel * cells + i] ?? 0) / width, bins);
  return colours;
}

/** Floats may lie outside of the scale: they count into the outermost bins. */
const binOf = (place: number, bins: number): number => Math.min(bins - 1, Math.max(0, Math.floor(place)));
