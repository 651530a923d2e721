/** One connection between two devices: tagged messages of raw bytes, both ways at the same time. */
import type { Socket } from 'node:net';
import { fault } from '../../ir/diagnostics/diagnostic.ts';
import { DeviceFault } from './fault.ts';
import { encodeHeader, frameReader, type Header } from './frame.ts';
import { letGo } from './let-go.ts';
import { awaitPeer, type Patience } from './patience.ts';

export type Link = {
  readonly peer: number;
  /** Ends when the bytes have left: until then they must not change. */
  send(tag: number, bytes: Uint8Array): Promise<void>;
  /** Fills `into` with the message of that tag; `what` names it if it does not come. */
  receive(tag: number, into: Uint8Array, what: string): Promise<void>;
  close(): void;
};

type Waiting = {
  readonly into: Uint8Array;
  readonly resolve: () => void;
  readonly reject: (reason: Error) => void;
};

/**
 * Bytes that were asked for go straight to where they are wanted; what comes before it is asked for is kept.
 * Between stages that may be several messages, elsewhere one collective operation is the most that a peer is ahead.
 */
export function openLink(socket: Socket, peer: number, patience: Patience): Link {
  const waiting = new Map<number, Waiting>();
  const early = new Map<number, Uint8Array>();
  let lost: DeviceFault | undefined;

  const lose = () => {
    lost ??= new DeviceFault(fault('device-lost', { peer, instruction: patience.whereIs(peer) }), peer);
    for (const { reject } of waiting.values()) reject(lost);
    waiting.clear();
  };

  const place = ({ tag, length }: Header): Uint8Array => {
    const wanted = waiting.get(tag)?.into;
    return wanted?.length === length ? wanted : new Uint8Array(length);
  };

  const hand = ({ into, resolve, reject }: Waiting, tag: number, bytes: Uint8Array) => {
    if (bytes.length !== into.length)
      return reject(new Error(`message ${tag} of device ${peer}: ${bytes.length} bytes, not ${into.length}`));
    if (into !== bytes) {
      into.set(bytes);
      letGo(bytes);
    }
    resolve();
  };

  const complete = ({ tag }: Header, bytes: Uint8Array) => {
    const wanted = waiting.get(tag);
    waiting.delete(tag);
    if (wanted === undefined) early.set(tag, bytes);
    else hand(wanted, tag, bytes);
  };

  const arrival = (tag: number, into: Uint8Array): Promise<void> =>
    new Promise((resolve, reject) => {
      const bytes = early.get(tag);
      early.delete(tag);
      if (bytes !== undefined) hand({ into, resolve, reject }, tag, bytes);
      else if (lost !== undefined) reject(lost);
      else waiting.set(tag, { into, resolve, reject });
    });

  const departure = (tag: number, bytes: Uint8Array): Promise<void> =>
    new Promise((resolve, reject) => {
      socket.write(encodeHeader({ tag, length: bytes.length }));
      socket.write(bytes, (error) => {
        if (!error) return resolve();
        lose();
        reject(lost);
      });
    });

  const read = frameReader({ place, complete });
  socket.on('data', (chunk: Uint8Array) => {
    read(chunk);
    letGo(chunk);
  });
  socket.on('error', lose);
  socket.on('close', lose);

  return {
    peer,
    send: (tag, bytes) => awaitPeer(departure(tag, bytes), peer, `message ${tag} to go`, patience),
    receive: (tag, into, what) => awaitPeer(arrival(tag, into), peer, what, patience),
    close: () => socket.destroy(),
  };
}
