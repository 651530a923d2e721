/**
 * Images that are stored in blocks (tiles and strips of a TIFF, chunks of a Zarr array): a rectangle takes the
 * blocks that it touches and no others. The last blocks that were decoded are kept.
 */
import { length, type Range } from '../../ir/box.ts';
import { bytesOfElement, type Element } from './element.ts';
import { createRecent } from './recent.ts';

export type Blocks = {
  readonly channels: number;
  readonly element: Element;
  readonly blockHeight: number;
  readonly blockWidth: number;
  /** Channels of a pixel in one block; further ones are in further planes of blocks. */
  readonly blockChannels: number;
  /**
   * `[blockHeight, blockWidth, blockChannels]`, in the byte order of this machine; what lies outside of the
   * image is anything. `spare` gives memory for it, zeros, that will be used again. Throws an error with the
   * reason where the block is damaged.
   */
  readonly read: (place: BlockPlace, spare: Spare) => Promise<Uint8Array>;
};

/** Which block: counted across, down, and by planes of channels. */
export type BlockPlace = { readonly x: number; readonly y: number; readonly plane: number };

export type Spare = (length: number) => Uint8Array<ArrayBuffer>;

/** Bytes of decoded blocks that a process keeps, of all files together, or one row of those a rectangle touches. */
const KEPT = 2 ** 23;
const kept = createRecent<Uint8Array>(({ length }) => length);

/** A block that is not kept any more: left to the collector, hundreds of them would gather. */
let unused: Uint8Array<ArrayBuffer> | undefined;

function spare(length: number): Uint8Array<ArrayBuffer> {
  const found = unused?.length === length ? unused.fill(0) : new Uint8Array(length);
  unused = undefined;
  return found;
}

export type Rectangle = { readonly rows: Range; readonly columns: Range };

/** Fills `into` with `[rows, columns, channels]`. `name` is that of the image in its present state. */
export async function readBlocks(
  name: string,
  blocks: Blocks,
  rectangle: Rectangle,
  into: Uint8Array,
): Promise<void> {
  const { blockWidth, blockHeight, channels, blockChannels } = blocks;
  const { rows, columns } = rectangle;
  for (let plane = 0; plane * blockChannels < channels; plane++)
    for (let y = Math.floor(rows.from / blockHeight); y * blockHeight < rows.to; y++)
      for (let x = Math.floor(columns.from / blockWidth); x * blockWidth < columns.to; x++) {
        const place = { x, y, plane };
        const key = `${name}\n${plane} ${y} ${x}`;
        const found = kept.get(key);
        const block = found ?? (await blocks.read(place, spare));
        // From here to the end nothing waits, or the memory of the block might be used again meanwhile.
        paste(blocks, block, place, rectangle, into);
        if (found === undefined) keep(key, block, Math.ceil(length(columns) / blockWidth) + 1);
      }
}

function keep(key: string, block: Uint8Array, inRow: number): void {
  const [gone] = kept.set(key, block, Math.max(KEPT, inRow * block.length));
  if (gone?.buffer instanceof ArrayBuffer && gone.length === gone.buffer.byteLength)
    unused = new Uint8Array(gone.buffer);
}

/** Copies what a block and the rectangle have in common. */
function paste(
  { blockWidth, blockHeight, channels, blockChannels, element }: Blocks,
  block: Uint8Array,
  { x, y, plane }: BlockPlace,
  { rows, columns }: Rectangle,
  into: Uint8Array,
): void {
  const sample = bytesOfElement[element];
  const width = columns.to - columns.from;
  const [left, right] = [Math.max(columns.from, x * blockWidth), Math.min(columns.to, (x + 1) * blockWidth)];
  const [top, bottom] = [Math.max(rows.from, y * blockHeight), Math.min(rows.to, (y + 1) * blockHeight)];
  const first = plane * blockChannels;
  const piece = Math.min(blockChannels, channels - first) * sample;
  for (let row = top; row < bottom; row++) {
    let from = ((row - y * blockHeight) * blockWidth + left - x * blockWidth) * blockChannels * sample;
    let to = (((row - rows.from) * width + left - columns.from) * channels + first) * sample;
    if (blockChannels === channels) {
      into.set(block.subarray(from, from + (right - left) * piece), to);
      continue;
    }
    for (let i = left; i < right; i++, from += blockChannels * sample, to += channels * sample)
      for (let byte = 0; byte < piece; byte++) into[to + byte] = block[from + byte] ?? 0;
  }
}
