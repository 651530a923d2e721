/**
 * Many values through a channel that wants small messages: Node's takes no more than 2 GiB at once, and slows
 * down long before. Several arrays are one row of numbers, which goes piece by piece.
 */

/** Values of a piece: 1 MiB. */
const PIECE = 2 ** 18;

/** A part of the row, half open. */
export type Piece = { readonly from: number; readonly to: number };

const lengthOf = (arrays: readonly Float32Array[]): number =>
  arrays.reduce((sum, { length }) => sum + length, 0);

export function piecesOf(arrays: readonly Float32Array[], size = PIECE): Piece[] {
  const total = lengthOf(arrays);
  return Array.from({ length: Math.ceil(total / size) }, (_, i) => ({
    from: i * size,
    to: Math.min(total, (i + 1) * size),
  }));
}

/** Calls `visit` with the part of each array that lies in the piece, and where in the piece that begins. */
function eachPart(
  arrays: readonly Float32Array[],
  { from, to }: Piece,
  visit: (part: Float32Array, place: number) => void,
): void {
  let begin = 0;
  for (const array of arrays) {
    const [low, high] = [Math.max(from, begin), Math.min(to, begin + array.length)];
    if (low < high) visit(array.subarray(low - begin, high - begin), low - from);
    begin += array.length;
  }
}

/** A copy of a piece. */
export function takePiece(arrays: readonly Float32Array[], piece: Piece): Float32Array<ArrayBuffer> {
  const values = new Float32Array(piece.to - piece.from);
  eachPart(arrays, piece, (part, place) => values.set(part, place));
  return values;
}

/** Puts a piece where it belongs. */
export function putPiece(arrays: readonly Float32Array[], piece: Piece, values: Float32Array): void {
  eachPart(arrays, piece, (part, place) => part.set(values.subarray(place, place + part.length)));
}
