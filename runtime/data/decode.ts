/**
 * Opens an image so that any part of it can be read: NPY, Zarr and tiled TIFF where they are, all else from a
 * decoded form in the cache, which is made now or found.
 */
import { diagnose, failure, fault, type Result, success } from '../../ir/diagnostics/diagnostic.ts';
import { reasonOf } from '../files/reason.ts';
import { stateOf } from './file-state.ts';
import { openNpy } from './npy.ts';
import { openPicture } from './picture.ts';
import type { Raster } from './raster.ts';
import { readTiffIndex, type TiffIndex } from './tiff.ts';
import { decodedBytes, findDecoded, makeDecoded, placeIn } from './tiled-cache.ts';
import { isZarr, openZarr } from './zarr.ts';

/** Pixels of the largest image that is opened unless told otherwise: a million a side. */
export const MOST_PIXELS = 1e12;

/** Pixels of the largest image that is decoded into the cache: 65536 x 65536. */
export const MOST_DECODED = 2 ** 32;

/** An image that is about to be decoded, and the file and bytes that takes. */
export type Decoding = { readonly source: string; readonly path: string; readonly bytes: number };

export type DecodeOptions = {
  /** Directory of the decoded files; it exists. */
  readonly cache: string;
  readonly mostPixels?: number;
  readonly onDecode?: (decoding: Decoding) => void;
};

/**
 * The image as it is, or its decoded form. Errors: `image-unreadable`, `image-too-large`, `image-turned`,
 * `image-format-unknown`, `image-colours-unknown`, `image-interlaced`, `write-failed`.
 */
export async function decode(source: string, options: DecodeOptions): Promise<Result<Raster>> {
  const direct = await openDirectly(source);
  if (direct !== undefined) return direct.ok ? limited(direct.value, options.mostPixels) : direct;
  const place = placeIn(options.cache, source);
  if (!place.ok) return place;
  const found = findDecoded(place.value);
  if (found !== undefined) return success(found);
  const picture = await openPicture(source, Math.min(MOST_DECODED, options.mostPixels ?? MOST_DECODED));
  if (!picture.ok) return picture;
  options.onDecode?.({ source, path: place.value.path, bytes: decodedBytes(picture.value.layout) });
  return makeDecoded(place.value, picture.value);
}

function limited(raster: Raster, limit = MOST_PIXELS): Result<Raster> {
  const { source: file, width, height } = raster;
  if (width * height <= limit) return success(raster);
  return failure(diagnose(fault('image-too-large', { file, width, height, limit })));
}

/** Undefined where the image has to be decoded. */
async function openDirectly(source: string): Promise<Result<Raster> | undefined> {
  if (isZarr(source)) return openZarr(source);
  return /\.npy$/i.test(source) ? openNpy(source) : openTiff(source);
}

function openTiff(source: string): Result<Raster> | undefined {
  try {
    const state = stateOf(source);
    const index = readTiffIndex(source, state);
    if (index === undefined || !isReadInParts(index)) return undefined;
    const { width, height, channels, element } = index;
    const place = { source, path: source, state, form: 'tiff', offset: 0 } as const;
    return success({ ...place, width, height, channels, element });
  } catch (error) {
    return failure(diagnose(fault('image-unreadable', { file: source, reason: reasonOf(error) })));
  }
}

/** Compressed strips are as wide as the image: decoded once, unless they hold what pictures cannot. */
const isReadInParts = ({ width, blockWidth, compression, element, channels }: TiffIndex): boolean =>
  blockWidth !== width || compression === 'none' || element === 'f32' || channels > 4;
