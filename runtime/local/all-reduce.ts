/**
 * Sums over all devices: reduce-scatter (each device owns one chunk and adds it up), then all-gather of the
 * finished chunks. Each chunk is added once, in rank order, in f32: all devices get the same bits, and get
 * them again in the next run.
 */
import { at } from '../../ir/box.ts';

/** What one device needs of the others: `tag` separates the messages of one device to another. */
export type Group = {
  readonly rank: number;
  readonly size: number;
  /** A new tag for each collective operation, the same on all devices, which have them in the same order. */
  nextTag(): number;
  send(peer: number, tag: number, bytes: Uint8Array): Promise<void>;
  receive(peer: number, tag: number, into: Uint8Array, what: string): Promise<void>;
};

const bytesOf = (values: Float32Array): Uint8Array =>
  new Uint8Array(values.buffer, values.byteOffset, values.byteLength);

/** The part of `values` that the device `owner` adds up. */
const chunk = (values: Float32Array, owner: number, size: number): Float32Array =>
  values.subarray(
    Math.floor((values.length * owner) / size),
    Math.floor((values.length * (owner + 1)) / size),
  );

/**
 * Replaces `values` by the sum over all devices of theirs. Every device calls it with as many values, in the
 * same order of calls. Sends and receives go on at the same time, so full sockets on both
 * sides cannot stop each other.
 */
export async function allReduce(group: Group, values: Float32Array): Promise<void> {
  const { rank, size } = group;
  const peers = Array.from({ length: size }, (_, peer) => peer).filter((peer) => peer !== rank);
  const own = chunk(values, rank, size);
  const parts = Array.from({ length: size }, (_, peer) =>
    peer === rank ? own : new Float32Array(own.length),
  );

  const [tag, spreadTag] = [group.nextTag(), group.nextTag()];
  const scattered = peers.map((peer) => group.send(peer, tag, bytesOf(chunk(values, peer, size))));
  const collected = peers.map((peer) =>
    group.receive(peer, tag, bytesOf(at(parts, peer)), 'its share of a sum'),
  );
  await Promise.all([...scattered, ...collected]);
  own.set(sumInOrder(parts));

  const spread = peers.map((peer) => group.send(peer, spreadTag, bytesOf(own)));
  const gathered = peers.map((peer) =>
    group.receive(peer, spreadTag, bytesOf(chunk(values, peer, size)), 'a sum from it'),
  );
  await Promise.all([...spread, ...gathered]);
}

/** The sum of all parts, from the first to the last, each addition rounded to f32. */
function sumInOrder(parts: readonly Float32Array[]): Float32Array {
  const sum = Float32Array.from(at(parts, 0));
  for (const part of parts.slice(1))
    for (let i = 0; i < sum.length; i++) sum[i] = (sum[i] ?? 0) + (part[i] ?? 0);
  return sum;
}

/** `allReduce` of several buffers as one message: small ones cost as much as their bytes, not as their number. */
export async function allReduceBuffers(group: Group, buffers: readonly Float32Array[]): Promise<void> {
  const bucket = new Float32Array(buffers.reduce((length, buffer) => length + buffer.length, 0));
  eachPart(bucket, buffers, (part, buffer) => part.set(buffer));
  await allReduce(group, bucket);
  eachPart(bucket, buffers, (part, buffer) => buffer.set(part));
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
