/**
 * Messages between devices: a header of 16 bytes (tag, then length in bytes, little-endian), then raw bytes.
 * A stream delivers them split and merged as it likes; the reader puts them together again.
 */

export const headerBytes = 16;

/** `tag` says which message it is: both ends count alike. */
export type Header = { readonly tag: number; readonly length: number };

export function encodeHeader({ tag, length }: Header): Uint8Array {
  const bytes = new Uint8Array(headerBytes);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, tag, true);
  view.setBigUint64(8, BigInt(length), true);
  return bytes;
}

export function decodeHeader(bytes: Uint8Array): Header {
  const view = new DataView(bytes.buffer, bytes.byteOffset, headerBytes);
  return { tag: view.getUint32(0, true), length: Number(view.getBigUint64(8, true)) };
}

/** Who takes the messages: first says where the bytes go, then hears that all are there. */
export type Sink = {
  place(header: Header): Uint8Array;
  complete(header: Header, bytes: Uint8Array): void;
};

/** Gives back a function that takes the chunks of one stream, in order. */
export function frameReader(sink: Sink): (chunk: Uint8Array) => void {
  const head = new Uint8Array(headerBytes);
  let header: Header | undefined;
  let target: Uint8Array = head;
  let filled = 0;

  const turn = () => {
    if (header === undefined) {
      header = decodeHeader(head);
      target = sink.place(header);
    } else {
      const done = header;
      const bytes = target;
      header = undefined;
      target = head;
      sink.complete(done, bytes);
    }
    filled = 0;
  };

  return (chunk) => {
    let from = 0;
    while (from < chunk.length || (header !== undefined && filled === target.length)) {
      const part = chunk.subarray(from, from + target.length - filled);
      target.set(part, filled);
      filled += part.length;
      from += part.length;
      if (filled === target.length) turn();
    }
  };
}
