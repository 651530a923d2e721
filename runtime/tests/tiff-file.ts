/** A TIFF file put together by hand, with tiles of 16 x 16 unless the tags say otherwise. */
export function tiffOf(
  tiles: readonly Uint8Array[],
  tags: Readonly<Record<number, readonly number[]>>,
  little = true,
): Buffer {
  const whole = { 322: [16], 323: [16], ...tags };
  const offsets: number[] = [];
  let end = 16;
  for (const { length } of tiles) {
    offsets.push(end);
    end += length;
  }
  const all = { ...whole, 324: offsets, 325: tiles.map(({ length }) => length) };
  const entries = Object.entries(all).map(([tag, values]) => ({ tag: Number(tag), values }));
  const out = Buffer.alloc(
    end + 6 + entries.length * 12 + 4 * entries.reduce((n, { values }) => n + values.length, 0),
  );
  const put = (value: number, position: number, size: 2 | 4) =>
    little ? out.writeUIntLE(value, position, size) : out.writeUIntBE(value, position, size);
  out.write(little ? 'II' : 'MM');
  put(42, 2, 2);
  put(end, 4, 4);
  tiles.forEach((tile, i) => {
    out.set(tile, offsets[i] ?? 0);
  });
  put(entries.length, end, 2);
  let far = end + 6 + entries.length * 12;
  for (const [i, { tag, values }] of entries.entries()) {
    const start = end + 2 + i * 12;
    put(tag, start, 2);
    put(4, start + 2, 2);
    put(values.length, start + 4, 4);
    const [only = 0, ...more] = values;
    put(more.length === 0 ? only : far, start + 8, 4);
    if (more.length === 0) continue;
    for (const value of values) {
      put(value, far, 4);
      far += 4;
    }
  }
  return out;
}
