/**
 * Which formulation an op gets, by sizes alone, so that a segment always becomes the same file.
 * Each rule was chosen by `bench/onnx-kernels.ts`, one thread, ONNX Runtime 1.30.
 */

/**
 * Bytes of input that a block of a weight gradient covers: its copies (one for each cell of the kernel) then
 * stay in the cache between copy and product. 4 MiB is 8 to 30 % slower from 64 channels on, 128 KiB 10 %.
 */
const blockBytes = 1 << 20;

/** How many slabs of the outermost axis (rows, in 2-D) a block of a weight gradient covers. */
export function blockSlabs(slabs: number, slabCells: number, channels: number): number {
  const fitting = Math.max(1, Math.floor(blockBytes / (4 * channels * slabCells)));
  return Math.ceil(slabs / Math.ceil(slabs / fitting));
}

/**
 * Whether the shifted copies of a block are put together for one product (im2col) or multiplied one by one.
 * With few input channels single products have too few rows; with more, the second copy costs more than it gains.
 */
export const joinsCopies = (channels: number): boolean => channels <= 8;

/** Up to this many cells a kernel is flipped by a product with the exchange matrix, above by a reversing slice. */
export const mostCellsFlippedByProduct = 64;

/**
 * Whether classes are compared one by one (2 to 8 of them: 3 to 1.3 times as fast), or by one ArgMax node,
 * which works cell by cell and makes int64.
 */
export const comparesClasses = (classes: number): boolean => classes > 1 && classes <= 8;

/**
 * Whether the weight gradient of a kernel of one cell is dy * xT (and not x * dyT, transposed): the product
 * wants many rows on its left, but first of all 16 columns on its right (2 columns: half as fast).
 */
export const cotangentStandsLeft = (cin: number, cout: number): boolean =>
  Math.min(cin, cout) < 16 ? cout < cin : cout > cin;

/** A product over more cells than this is split into blocks: one long fp32 sum loses digits. */
export const mostCellsInOneProduct = 1 << 17;
