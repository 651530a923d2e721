/**
 * Sums over a group of devices: reduce-scatter (each member owns one chunk and adds it up), then all-gather of the
 * finished chunks. Each chunk is added once, in rank order, in f32: all members get the same bits, and get
 * them again in the next run.
 */
import { at } from '../../ir/box.ts';
import { sumLanes, sumPieceBytes } from '../../ir/footprint.ts';
import { letGo } from './let-go.ts';
import { type Piece, piecesOf, putPiece, takePiece } from './pieces.ts';

/** Messages of one meeting: `part` tells several messages to the same member apart. */
export type Meeting = {
  /** Members in rank order, and which of them this device is. */
  readonly size: number;
  readonly member: number;
  /** The memory is given away with it. */
  give(member: number, part: number, message: Uint8Array<ArrayBuffer>): Promise<void>;
  receive(member: number, part: number, into: Uint8Array, what: string): Promise<void>;
};

export const bytesOf = <B extends ArrayBufferLike>(
  values: Float32Array<B> | Float64Array<B> | Uint8Array<B>,
): Uint8Array<B> => new Uint8Array(values.buffer, values.byteOffset, values.byteLength);

const othersOf = ({ size, member }: Meeting): number[] =>
  Array.from({ length: size }, (_, other) => other).filter((other) => other !== member);

/**
 * Gives each other member the memory that `give` says and takes `take` of each. Sends and receives go on at the same time, so
 * full sockets on both sides cannot stop each other.
 */
export async function trade(
  meeting: Meeting,
  part: number,
  give: (member: number) => Uint8Array<ArrayBuffer>,
  take: (member: number) => Uint8Array,
  what: string,
): Promise<void> {
  const others = othersOf(meeting);
  await Promise.all([
    ...others.map((other) => meeting.give(other, part, give(other))),
    ...others.map((other) => meeting.receive(other, part, take(other), what)),
  ]);
}

/** The sum of all parts, from the first to the last, each addition rounded to f32. */
export function sumInOrder(parts: readonly Float32Array[]): Float32Array {
  const sum = Float32Array.from(at(parts, 0));
  for (const part of parts.slice(1))
    for (let i = 0; i < sum.length; i++) sum[i] = (sum[i] ?? 0) + (part[i] ?? 0);
  return sum;
}

/**
 * Replaces the values of all buffers, one row of numbers, by the sum over all members of theirs. The row goes in pieces, of
 * which some are on their way at the same time: while one is added up the next ones travel, in memory that was just used.
 */
export async function allReduce(meeting: Meeting, buffers: readonly Float32Array[]): Promise<void> {
  const pieces = piecesOf(buffers, sumPieceBytes / 4);
  const lane = async (first: number) => {
    for (let index = first; index < pieces.length; index += sumLanes)
      await reducePiece(meeting, buffers, at(pieces, index), partsFor(index));
  };
  await Promise.all(Array.from({ length: Math.min(sumLanes, pieces.length) }, (_, first) => lane(first)));
}

/** Messages of a sum between the same two devices that may be in flight. */
export const partsOfSum = 4 * sumLanes;

/**
 * The parts that a piece travels as. Who is done with a piece has the sums of all others, so they began it, and were done with
 * the one before in its lane: of a lane no more than two pieces are in flight.
 */
function partsFor(index: number): { readonly shares: number; readonly sums: number } {
  const [lane, round] = [index % sumLanes, Math.floor(index / sumLanes)];
  const first = 2 * (2 * lane + (round % 2));
  return { shares: first, sums: first + 1 };
}

async function reducePiece(
  meeting: Meeting,
  buffers: readonly Float32Array[],
  { from, to }: Piece,
  parts: ReturnType<typeof partsFor>,
): Promise<void> {
  const { size, member } = meeting;
  const bound = (owner: number) => from + Math.floor(((to - from) * owner) / size);
  const shareOf = (owner: number): Piece => ({ from: bound(owner), to: bound(owner + 1) });
  const own = shareOf(member);
  const shares = Array.from({ length: size }, (_, other) =>
    other === member ? takePiece(buffers, own) : spaceFor(own),
  );
  await trade(
    meeting,
    parts.shares,
    (other) => bytesOf(takePiece(buffers, shareOf(other))),
    (other) => bytesOf(at(shares, other)),
    'its share of a sum',
  );
  const sums = Array.from({ length: size }, (_, other) =>
    other === member ? sumInOrder(shares) : spaceFor(shareOf(other)),
  );
  for (const share of shares) letGo(share);
  await trade(
    meeting,
    parts.sums,
    () => bytesOf(Float32Array.from(at(sums, member))),
    (other) => bytesOf(at(sums, other)),
    'a sum from it',
  );
  for (const [owner, sum] of sums.entries()) {
    putPiece(buffers, shareOf(owner), sum);
    letGo(sum);
  }
}

const spaceFor = ({ from, to }: Piece): Float32Array => new Float32Array(to - from);
