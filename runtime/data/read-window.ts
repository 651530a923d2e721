/** Reads what a device needs of a window: any box of it, margins included, and nothing else. */
import { at, type Box, extents, length, type Range, shift, shiftBox } from '../../ir/box.ts';
import { type Data, NOT_LABELLED, pairOf } from './data.ts';
import { bands, fullScale, type Pixels, type Raster, readRectangle } from './raster.ts';
import { centredBox, type Window } from './sample-window.ts';
import { storedBox, type Walk, walkOf } from './symmetry.ts';

/** Output rows that are read at a time: what is held beside the result stays small. */
const BAND = 64;

/**
 * Pixels `[channels, rows, columns]` of the box, which counts from the window's first cell. `into`, where
 * given, is filled and returned.
 */
export async function readImage(
  data: Data,
  window: Window,
  box: Box,
  into?: Float32Array,
): Promise<Float32Array> {
  const raster = pairOf(data, window.pair).image;
  return readPlanes(raster, window, box, shadeOf(window, raster), into);
}

/**
 * Numbers `[channels, rows, columns]` of a box of a target that is regressed: of the middle part, of the given
 * extents, of the window. They are as stored, whatever is done to the pixels of the image.
 */
export async function readNumbers(
  data: Data,
  window: Window,
  targetExtents: readonly number[],
  box: Box,
  into?: Float32Array,
): Promise<Float32Array> {
  const { label, name } = pairOf(data, window.pair);
  if (label === undefined) throw new Error(`pair ${name} has no label: checkData names it first`);
  const middle = centredBox(extents(window.box), targetExtents).map(({ from }) => from);
  return readPlanes(label.raster, window, shiftBox(box, middle), keep, into);
}

async function readPlanes(
  raster: Raster,
  window: Window,
  box: Box,
  shade: (value: number) => number,
  into: Float32Array | undefined,
): Promise<Float32Array> {
  const [height = 0, width = 0] = extents(box);
  const out = into ?? new Float32Array(raster.channels * height * width);
  if (out.length !== raster.channels * height * width)
    throw new RangeError(`${out.length} places for ${raster.channels} x ${height} x ${width} pixels`);
  await walkBands(raster, window, box, (pixels, walk, row, rows) => {
    for (let channel = 0; channel < raster.channels; channel++)
      for (let i = 0; i < rows; i++) {
        let from = (walk.start + i * walk.byRow) * raster.channels + channel;
        const step = walk.byColumn * raster.channels;
        const start = (channel * height + row + i) * width;
        for (let j = 0; j < width; j++, from += step) out[start + j] = shade(pixels[from] ?? 0);
      }
  });
  return out;
}

/**
 * Classes `[rows, columns]` of a box of the label map: the middle part, of the given extents, of the window
 * (all of it, unless valid convolutions make the output smaller than the image). 255 is not labelled.
 */
export async function readLabels(
  data: Data,
  window: Window,
  labelExtents: readonly number[],
  box: Box,
  into?: Uint8Array,
): Promise<Uint8Array> {
  const { label, name } = pairOf(data, window.pair);
  if (label === undefined) throw new Error(`pair ${name} has no label: checkData names it first`);
  const [height = 0, width = 0] = extents(box);
  const out = into ?? new Uint8Array(height * width);
  const middle = centredBox(extents(window.box), labelExtents).map(({ from }) => from);
  const classes = classTable(data, fullScale(label.raster));
  await walkBands(label.raster, window, shiftBox(box, middle), (pixels, walk, row, rows) => {
    for (let i = 0; i < rows; i++) {
      let from = walk.start + i * walk.byRow;
      const start = (row + i) * width;
      for (let j = 0; j < width; j++, from += walk.byColumn)
        out[start + j] = classes[pixels[from] ?? 0] ?? NOT_LABELLED;
    }
  });
  return out;
}

/** The class of each value of a label file. */
const classTable = ({ classes }: Data, largest: number): Uint8Array =>
  Uint8Array.from({ length: largest + 1 }, (_, value) =>
    classes === undefined ? Math.min(value, NOT_LABELLED) : (classes.get(value) ?? NOT_LABELLED),
  );

type Visit = (pixels: Pixels, walk: Walk, row: number, rows: number) => void;

/** Calls `visit` with the stored pixels of one band of output rows after another; `row` counts from the box. */
async function walkBands(raster: Raster, window: Window, box: Box, visit: Visit): Promise<void> {
  const [rows, columns] = [at(box, 0), at(box, 1)];
  const [windowRows, windowColumns] = [at(window.box, 0), at(window.box, 1)];
  const sizes = [length(windowRows), length(windowColumns)] as const;
  for (const band of bands(rows, BAND)) {
    const stored = storedBox(window.symmetry, sizes, band, columns);
    inside(stored.rows, sizes[0]);
    inside(stored.columns, sizes[1]);
    const [atRows, atColumns] = [
      shift(stored.rows, windowRows.from),
      shift(stored.columns, windowColumns.from),
    ];
    const walk = walkOf(window.symmetry, length(atRows), length(atColumns));
    visit(await readRectangle(raster, atRows, atColumns), walk, band.from - rows.from, length(band));
  }
}

function inside({ from, to }: Range, size: number): void {
  if (from < 0 || to > size) throw new RangeError(`cells ${from}..${to} of a window of ${size}`);
}

const keep = (value: number): number => value;

function shadeOf({ gain, offset }: Window, raster: Raster): (value: number) => number {
  if (gain === 1 && offset === 0) return keep;
  const full = fullScale(raster);
  const [middle, raised] = [full / 2, full / 2 + offset * full];
  if (raster.element === 'f32') return (value) => (value - middle) * gain + raised;
  return (value) => Math.min(full, Math.max(0, (value - middle) * gain + raised));
}
