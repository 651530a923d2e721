/** An NPY file as NumPy writes it. */
export function npyFile(
  type: string,
  shape: readonly number[],
  { buffer, byteOffset, byteLength }: Uint8Array | Uint16Array | Float32Array,
): Buffer {
  const text = `{'descr': '${type}', 'fortran_order': False, 'shape': (${shape.join(', ')},), }`;
  const header = text.padEnd(117).concat('\n');
  const head = Buffer.alloc(10);
  head.write('\x93NUMPY\x01\x00', 'latin1');
  head.writeUInt16LE(header.length, 8);
  return Buffer.concat([head, Buffer.from(header), new Uint8Array(buffer, byteOffset, byteLength)]);
}
