/** LZW as TIFF 6.0 has it (section 13): codes of 9 to 12 bits, the first bit highest; tables grow one code early. */

const CLEAR = 256;
const END = 257;
const MOST_BITS = 12;

/** Fills `into`. Throws an error with the reason where the bytes are no such code or end before it is full. */
export function decodeLzw(bytes: Uint8Array, into: Uint8Array): void {
  // Entry `code` is entry `before[code]` and one byte more: `last[code]`.
  const before = new Uint16Array(1 << MOST_BITS);
  const last = Uint8Array.from({ length: 1 << MOST_BITS }, (_, code) => code);
  const length = new Uint16Array(1 << MOST_BITS).fill(1, 0, CLEAR);
  const read = bitReader(bytes);
  let [next, bits, previous, done] = [END + 1, 9, -1, 0];
  /** Writes an entry, backwards. */
  const write = (code: number): void => {
    const count = length[code] ?? 0;
    let at = code;
    for (let i = done + count - 1; i >= done; i--) {
      if (i < into.length) into[i] = last[at] ?? 0;
      at = before[at] ?? 0;
    }
    done += count;
  };
  while (done < into.length) {
    const code = read(bits);
    if (code === END) break;
    if (code === CLEAR) {
      [next, bits, previous] = [END + 1, 9, -1];
      continue;
    }
    if (code > next || (code === next && previous < 0)) throw new Error('its LZW code is damaged');
    if (previous >= 0 && next < 1 << MOST_BITS) {
      before[next] = previous;
      length[next] = (length[previous] ?? 0) + 1;
      last[next] = firstOf(code === next ? previous : code, before, length, last);
      next++;
    }
    write(code);
    previous = code;
    if (next >= (1 << bits) - 1 && bits < MOST_BITS) bits++;
  }
  if (done < into.length) throw new Error(`its LZW code gives ${done} of ${into.length} bytes`);
}

function firstOf(code: number, before: Uint16Array, length: Uint16Array, last: Uint8Array): number {
  let at = code;
  for (let i = length[code] ?? 0; i > 1; i--) at = before[at] ?? 0;
  return last[at] ?? 0;
}

function bitReader(bytes: Uint8Array): (count: number) => number {
  let [held, have, position] = [0, 0, 0];
  return (count) => {
    while (have < count) {
      const byte = bytes[position++];
      // The end code may be missing; what is not there is noticed by who counts the bytes.
      if (byte === undefined) return END;
      held = ((held << 8) | byte) & 0xffffff;
      have += 8;
    }
    have -= count;
    return (held >> have) & ((1 << count) - 1);
  };
}
