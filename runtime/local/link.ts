/** One connection between two devices: tagged messages of raw bytes, both ways at the same time. */
import type { Socket } from 'node:net';
import { encodeHeader, frameReader } from './frame.ts';
import { letGo } from './let-go.ts';

export type Link = {
  /** Writes a message, and lets go of it when it has left; then calls `left`. */
  send(tag: number, message: Uint8Array, left: () => void): void;
  close(): void;
};

export type LinkEvents = {
  came(tag: number, message: Uint8Array): void;
  /** The other side is gone; called once. */
  lost(): void;
};

export function openLink(socket: Socket, { came, lost }: LinkEvents): Link {
  let isLost = false;
  const lose = () => {
    if (!isLost) lost();
    isLost = true;
  };
  const read = frameReader({
    place: ({ length }) => new Uint8Array(length),
    complete: ({ tag }, bytes) => came(tag, bytes),
  });
  socket.on('data', (chunk: Uint8Array) => {
    read(chunk);
    letGo(chunk);
  });
  socket.on('error', lose);
  socket.on('close', lose);
  return {
    send(tag, message, left) {
      socket.write(encodeHeader({ tag, length: message.length }));
      socket.write(message, (error) => {
        if (error) return lose();
        letGo(message);
        left();
      });
    },
    close: () => socket.destroy(),
  };
}
