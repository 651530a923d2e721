/**
 * Sums over a group of devices: reduce-scatter (each member owns one chunk and adds it up), then all-gather of the
 * finished chunks. Each chunk is added once, in rank order, in f32: all members get the same bits, and get
 * them again in the next run.
 */
import { at } from '../../ir/box.ts';
import { letGo } from './let-go.ts';

/** Messages of one meeting: `part` tells several messages to the same member apart. */
export type Meeting = {
  /** Members in rank order, and which of them this device is. */
  readonly size: number;
  readonly member: number;
  send(member: number, part: number, bytes: Uint8Array): Promise<void>;
  receive(member: number, part: number, into: Uint8Array, what: string): Promise<void>;
};

export const bytesOf = <B extends ArrayBufferLike>(
  values: Float32Array<B> | Float64Array<B> | Uint8Array<B>,
): Uint8Array<B> => new Uint8Array(values.buffer, values.byteOffset, values.byteLength);

/** The part of `values` that the member `owner` adds up. */
const chunk = (values: Float32Array, owner: number, size: number): Float32Array =>
  values.subarray(
    Math.floor((values.length * owner) / size),
    Math.floor((values.length * (owner + 1)) / size),
  );

const othersOf = ({ size, member }: Meeting): number[] =>
  Array.from({ length: size }, (_, other) => other).filter((other) => other !== member);

/**
 * Gives each other member what `give` says and takes `take` of each. Sends and receives go on at the same time, so
 * full sockets on both sides cannot stop each other.
 */
export async function trade(
  meeting: Meeting,
  part: number,
  give: (member: number) => Uint8Array,
  take: (member: number) => Uint8Array,
  what: string,
): Promise<void> {
  const others = othersOf(meeting);
  await Promise.all([
    ...others.map((other) => meeting.send(other, part, give(other))),
    ...others.map((other) => meeting.receive(other, part, take(other), what)),
  ]);
}

/** Replaces `values` by the sum over all members of theirs. Every member gives as many values. */
export async function allReduce(meeting: Meeting, values: Float32Array): Promise<void> {
  const { size, member } = meeting;
  const own = chunk(values, member, size);
  const parts = Array.from({ length: size }, (_, other) =>
    other === member ? own : new Float32Array(own.length),
  );
  const of = (other: number) => bytesOf(chunk(values, other, size));
  await trade(meeting, 0, of, (other) => bytesOf(at(parts, other)), 'its share of a sum');
  const sum = sumInOrder(parts);
  own.set(sum);
  for (const part of [...parts, sum]) if (part !== own) letGo(part);
  await trade(meeting, 1, () => bytesOf(own), of, 'a sum from it');
}

/** The sum of all parts, from the first to the last, each addition rounded to f32. */
export function sumInOrder(parts: readonly Float32Array[]): Float32Array {
  const sum = Float32Array.from(at(parts, 0));
  for (const part of parts.slice(1))
    for (let i = 0; i < sum.length; i++) sum[i] = (sum[i] ?? 0) + (part[i] ?? 0);
  return sum;
}

/** `allReduce` of several buffers as one message: small ones cost as much as their bytes, not as their number. */
export async function allReduceBuffers(meeting: Meeting, buffers: readonly Float32Array[]): Promise<void> {
  const bucket = new Float32Array(buffers.reduce((length, buffer) => length + buffer.length, 0));
  eachPart(bucket, buffers, (part, buffer) => part.set(buffer));
  await allReduce(meeting, bucket);
  eachPart(bucket, buffers, (part, buffer) => buffer.set(part));
  letGo(bucket);
}

function eachPart(
  bucket: Float32Array,
  buffers: readonly Float32Array[],
  visit: (part: Float32Array, buffer: Float32Array) => void,
): void {
  let from = 0;
  for (const buffer of buffers) {
    visit(bucket.subarray(from, from + buffer.length), buffer);
    from += buffer.length;
  }
}
