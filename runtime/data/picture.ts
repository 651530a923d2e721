/** PNG, JPEG, WebP and the TIFF files that are not read by blocks, through `sharp` (libvips). */
import type { Metadata, Sharp, SharpOptions } from 'sharp';
import { diagnose, failure, fault, type Result, success } from '../../ir/diagnostics/diagnostic.ts';
import { showBytes } from '../../ir/units.ts';
import { reasonOf } from '../files/reason.ts';
import type { Element } from './element.ts';
import { type Raster, rasterBytes } from './raster.ts';

export type Layout = Pick<Raster, 'width' | 'height' | 'channels' | 'element'>;

export type Picture = {
  readonly layout: Layout;
  /** Its pixels as they are stored, for one use: nothing is read yet. */
  readonly pixels: () => Sharp;
};

/** Bytes of the largest image that is decoded if that takes all of it in memory. */
const MOST_INTERLACED = 2 ** 30;

/** Errors: `image-unreadable`, `image-too-large`, `image-turned`, `image-format-unknown`, `image-colours-unknown`, `image-interlaced`. */
export async function openPicture(source: string, mostPixels: number): Promise<Result<Picture>> {
  // Loaded only here: a device process that finds everything decoded does without its memory.
  const { default: sharp } = await import('sharp');
  // libvips remembers files by name, and a file may be changed and read again.
  sharp.cache(false);
  const open = () => sharp(source, asStored);
  let metadata: Metadata;
  try {
    metadata = await open().metadata();
  } catch (error) {
    return failure(diagnose(fault('image-unreadable', { file: source, reason: reasonOf(error) })));
  }
  const layout = layoutOf(source, metadata, mostPixels);
  if (!layout.ok) return layout;
  const space = spaceOf(metadata, layout.value);
  return success({
    layout: layout.value,
    pixels: () => (space === undefined ? open() : open().toColourspace(space)),
  });
}

/** No colour profile is applied, no limit of pixels but ours, a file that ends too early is an error. */
const asStored: SharpOptions = {
  limitInputPixels: false,
  sequentialRead: true,
  failOn: 'truncated',
  ignoreIcc: true,
};

const elementOfDepth: Readonly<Record<string, Element>> = { uchar: 'u8', ushort: 'u16' };

const gray: ReadonlySet<string> = new Set(['b-w', 'grey16']);
const coloured: ReadonlySet<string> = new Set(['srgb', 'rgb', 'rgb16', 'multiband']);

function layoutOf(file: string, metadata: Metadata, limit: number): Result<Layout> {
  const { width, height, space, channels, depth, orientation = 1, isProgressive } = metadata;
  if (width * height > limit)
    return failure(diagnose(fault('image-too-large', { file, width, height, limit })));
  if (orientation > 1) return failure(diagnose(fault('image-turned', { file, orientation })));
  const element = elementOfDepth[depth];
  if (element === undefined) return failure(diagnose(fault('image-format-unknown', { file, depth })));
  if (!gray.has(space) && !coloured.has(space))
    return failure(diagnose(fault('image-colours-unknown', { file, space })));
  const layout: Layout = { width, height, channels, element };
  const bytes = rasterBytes(layout);
  const size = showBytes(bytes);
  if (isProgressive === true && bytes > MOST_INTERLACED)
    return failure(diagnose(fault('image-interlaced', { file, width, height, size })));
  return success(layout);
}

/** Without this, gray becomes three equal channels and 16 bits become 8. */
function spaceOf({ space }: Metadata, { element }: Layout): string | undefined {
  if (gray.has(space)) return element === 'u8' ? 'b-w' : 'grey16';
  return element === 'u8' ? undefined : 'rgb16';
}
