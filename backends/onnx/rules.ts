/**
 * Which formulation an op gets, by sizes alone, so that a segment always becomes the same file.
 * Each rule was chosen by `bench/onnx-kernels.ts`, one thread, ONNX Runtime 1.30.
 */

/**
 * Bytes of one of the two matrices of a block of a weight gradient: block and copies then stay in the cache between
 * copy and product. And below 1 MiB, they are cut from memory that is there (`runtime/local/device-environment.ts`).
 */
const blockBytes = 3 << 18;

/** How many slabs of the outermost axis (rows, in 2-D) a block of a weight gradient covers; `rows` of the matrix. */
export function blockSlabs(slabs: number, slabCells: number, rows: number): number {
  const fitting = Math.max(1, Math.floor(blockBytes / (4 * rows * slabCells)));
  return Math.ceil(slabs / Math.ceil(slabs / fitting));
}

/**
 * Whether a convolution has so few cells, of all samples, that its weights are what costs. Then the weight gradient is
 * one product with columns (no larger than the weight), and the data gradient a transposed convolution.
 */
export const isDeep = (cells: number, cout: number): boolean => cells <= cout;

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
