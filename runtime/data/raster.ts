/** An image on disk of which any rectangle is read without the rest: plain rows of interleaved channels, or blocks. */
import { isEmpty, length, type Range } from '../../ir/box.ts';
import { readFully } from '../files/read-fully.ts';
import { type Blocks, readBlocks } from './blocks.ts';
import { bytesOfElement, type Element } from './element.ts';
import { withFile } from './file-state.ts';
import { createRecent } from './recent.ts';
import { tiffBlocks } from './tiff-blocks.ts';
import { zarrBlocks } from './zarr.ts';

export type Raster = {
  /** The image file it was decoded from: what diagnostics name. */
  readonly source: string;
  /** The file (of a Zarr array: the folder) that holds the pixels: a decoded one, or the image itself. */
  readonly path: string;
  /** Of that file when it was looked at: one that has changed since is not read. */
  readonly state: string;
  /** `rows`: pixel after pixel, from `offset` on. `tiff`, `zarr`: blocks, as the file itself says. */
  readonly form: 'rows' | 'tiff' | 'zarr';
  /** Bytes before the first pixel. */
  readonly offset: number;
  readonly width: number;
  readonly height: number;
  readonly channels: number;
  readonly element: Element;
};

export type Pixels = Uint8Array | Uint16Array | Float32Array;

type Layout = Pick<Raster, 'width' | 'height' | 'channels' | 'element'>;

export const rasterBytes = ({ width, height, channels, element }: Layout): number =>
  width * height * channels * bytesOfElement[element];

const scales = { u8: 255, u16: 65535, f32: 1 } as const;

/** The largest value of a channel of whole numbers; 1 for floats, which may exceed it. */
export const fullScale = ({ element }: Raster): number => scales[element];

const pixelsOf: { readonly [K in Element]: (bytes: Uint8Array<ArrayBuffer>) => Pixels } = {
  u8: (bytes) => bytes,
  u16: ({ buffer }) => new Uint16Array(buffer),
  f32: ({ buffer }) => new Float32Array(buffer),
};

/**
 * `[rows, columns, channels]` of the rectangle; only its bytes, or the blocks it touches, are read. Throws an
 * error with the reason where they are damaged or the file is not the one it was.
 */
export async function readRectangle(raster: Raster, rows: Range, columns: Range): Promise<Pixels> {
  if (rows.from < 0 || rows.to > raster.height || columns.from < 0 || columns.to > raster.width)
    throw new RangeError(
      `rows ${rows.from}..${rows.to}, columns ${columns.from}..${columns.to} of ${raster.source}, ` +
        `which has ${raster.height} x ${raster.width}`,
    );
  const pixel = raster.channels * bytesOfElement[raster.element];
  const bytes = new Uint8Array(length(rows) * length(columns) * pixel);
  if (bytes.length > 0) await readers[raster.form](raster, rows, columns, bytes);
  return pixelsOf[raster.element](bytes);
}

type Reader = (raster: Raster, rows: Range, columns: Range, into: Uint8Array) => Promise<void>;

const inBlocks =
  (open: (path: string, state: string) => Promise<Blocks>): Reader =>
  async (raster, rows, columns, into) => {
    const name = `${raster.path}\n${raster.state}`;
    const blocks = opened.get(name) ?? (await open(raster.path, raster.state));
    opened.set(name, blocks, MOST_OPENED);
    await readBlocks(name, blocks, { rows, columns }, into);
  };

/** What files say of their blocks. A process opens few files, and each many times. */
const opened = createRecent<Blocks>(() => 1);
const MOST_OPENED = 256;

const readers: { readonly [K in Raster['form']]: Reader } = {
  rows: readRows,
  tiff: inBlocks(tiffBlocks),
  zarr: inBlocks(zarrBlocks),
};

async function readRows(raster: Raster, rows: Range, columns: Range, into: Uint8Array): Promise<void> {
  const pixel = raster.channels * bytesOfElement[raster.element];
  const whole = length(columns) === raster.width;
  const chunk = whole ? into.length : length(columns) * pixel;
  withFile(raster.path, raster.state, ({ descriptor }) => {
    for (let row = rows.from, start = 0; start < into.length; row++, start += chunk) {
      const position = raster.offset + (row * raster.width + columns.from) * pixel;
      readFully(descriptor, into.subarray(start, start + chunk), position, raster.path);
    }
  });
}

/** Bands of at most `most` rows that cover `rows`, first to last. */
export function bands(rows: Range, most: number): Range[] {
  if (isEmpty(rows)) return [];
  const count = Math.ceil(length(rows) / most);
  return Array.from({ length: count }, (_, i) => ({
    from: rows.from + i * most,
    to: Math.min(rows.to, rows.from + (i + 1) * most),
  }));
}
