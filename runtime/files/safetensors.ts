/**
 * The safetensors format: 8 bytes with the length of a header (little-endian), the header as JSON, the tensors'
 * bytes one after another. Without code, so safe to load; PyTorch, JAX and others read it.
 *
 *   { "__metadata__": { text: text }, name: { "dtype", "shape", "data_offsets": [begin, end] } }
 *
 * https://github.com/huggingface/safetensors#format. Reading is strict: the tensors fill the data exactly.
 */
import { closeSync, fstatSync, openSync } from 'node:fs';
import { diagnose, failure, fault, type Result, success } from '../../ir/diagnostics/diagnostic.ts';
import { product } from '../../ir/type.ts';
import { readFully } from './read-fully.ts';
import { reasonOf } from './reason.ts';

export type Tensor = { readonly dims: readonly number[] } & (
  | { readonly dtype: 'F32'; readonly data: Float32Array }
  | { readonly dtype: 'F64'; readonly data: Float64Array }
  | { readonly dtype: 'I64'; readonly data: BigInt64Array }
  | { readonly dtype: 'F16' | 'BF16'; readonly data: Uint16Array }
  /** Others have a size, which is enough to pass over them. */
  | { readonly dtype: 'U8' | PassedOver; readonly data: Uint8Array }
);

type PassedOver = 'BOOL' | 'I8' | 'F8_E4M3' | 'F8_E5M2' | 'I16' | 'U16' | 'I32' | 'U32' | 'U64' | 'C64';

export type Dtype = Tensor['dtype'];

export type TensorFile = {
  readonly tensors: ReadonlyMap<string, Tensor>;
  readonly metadata: ReadonlyMap<string, string>;
};

const bytesOfDtype: Readonly<Record<Dtype, number>> = {
  ...{ U8: 1, BOOL: 1, I8: 1, F8_E4M3: 1, F8_E5M2: 1 },
  ...{ F16: 2, BF16: 2, I16: 2, U16: 2 },
  ...{ F32: 4, I32: 4, U32: 4 },
  ...{ F64: 8, I64: 8, U64: 8, C64: 8 },
};

function tensorOf(dtype: Dtype, bytes: ArrayBuffer, dims: readonly number[]): Tensor {
  if (dtype === 'F32') return { dtype, dims, data: new Float32Array(bytes) };
  if (dtype === 'F64') return { dtype, dims, data: new Float64Array(bytes) };
  if (dtype === 'I64') return { dtype, dims, data: new BigInt64Array(bytes) };
  if (dtype === 'F16' || dtype === 'BF16') return { dtype, dims, data: new Uint16Array(bytes) };
  return { dtype, dims, data: new Uint8Array(bytes) };
}

/** Longest header that is read, in bytes; the limit of the reference implementation. */
const MOST_HEADER = 100_000_000;
const LENGTH_BYTES = 8;
const METADATA = '__metadata__';

/** Float32 values of the given dimensions. */
export const f32 = (data: Float32Array, dims: readonly number[]): Tensor => ({ dtype: 'F32', dims, data });

/** The pieces of a file, in order; tensors in the order of the map, without a copy of their bytes. */
export function* encodeTensors({ tensors, metadata }: TensorFile): Generator<Uint8Array> {
  const entries: [string, unknown][] = metadata.size > 0 ? [[METADATA, Object.fromEntries(metadata)]] : [];
  let offset = 0;
  for (const [name, { dtype, dims, data }] of tensors) {
    if (data.byteLength !== product(dims) * bytesOfDtype[dtype])
      throw new RangeError(`${name}: ${data.byteLength} bytes for ${dtype} of ${dims}`);
    if (name === METADATA) throw new RangeError(`${METADATA} is no name for a tensor`);
    entries.push([name, { dtype, shape: dims, data_offsets: [offset, offset + data.byteLength] }]);
    offset += data.byteLength;
  }
  const text = Buffer.from(JSON.stringify(Object.fromEntries(entries)));
  // Spaces after the header keep the tensors aligned.
  const length = Math.ceil(text.length / LENGTH_BYTES) * LENGTH_BYTES;
  const head = Buffer.alloc(LENGTH_BYTES + length, ' ');
  head.writeBigUInt64LE(BigInt(length));
  text.copy(head, LENGTH_BYTES);
  yield head;
  for (const { data } of tensors.values())
    yield new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

/** Where a tensor lies, counted from the end of the header. */
type Place = {
  readonly name: string;
  readonly dtype: Dtype;
  readonly dims: readonly number[];
  readonly begin: number;
  readonly end: number;
};

type Header = {
  readonly places: readonly Place[];
  readonly metadata: ReadonlyMap<string, string>;
  /** Bytes before the first tensor. */
  readonly start: number;
};

/** Reads a whole file. Errors: `weights-invalid`, with the reason. */
export function readTensors(path: string): Result<TensorFile> {
  try {
    return success(withFile(path, (descriptor, size) => readAll(descriptor, size, path)));
  } catch (error) {
    return failure(diagnose(fault('weights-invalid', { file: path, reason: reasonOf(error) })));
  }
}

/** Only the metadata, whatever the size of the tensors. Errors: `weights-invalid`. */
export function readMetadata(path: string): Result<ReadonlyMap<string, string>> {
  try {
    return success(withFile(path, (descriptor, size) => readHeader(descriptor, size, path).metadata));
  } catch (error) {
    return failure(diagnose(fault('weights-invalid', { file: path, reason: reasonOf(error) })));
  }
}

function withFile<T>(path: string, use: (descriptor: number, size: number) => T): T {
  const descriptor = openSync(path, 'r');
  try {
    return use(descriptor, fstatSync(descriptor).size);
  } finally {
    closeSync(descriptor);
  }
}

function readAll(descriptor: number, size: number, path: string): TensorFile {
  const { places, metadata, start } = readHeader(descriptor, size, path);
  const tensors = places.map(({ name, dtype, dims, begin, end }): [string, Tensor] => {
    const bytes = new ArrayBuffer(end - begin);
    readFully(descriptor, new Uint8Array(bytes), start + begin, path);
    return [name, tensorOf(dtype, bytes, dims)];
  });
  return { tensors: new Map(tensors), metadata };
}

/** What is wrong with a file; becomes a diagnostic where the file is named. */
const refuse = (reason: string): never => {
  throw new Error(reason);
};

function readHeader(descriptor: number, size: number, path: string): Header {
  if (size < LENGTH_BYTES) refuse(`it has only ${size} bytes`);
  const head = Buffer.alloc(LENGTH_BYTES);
  readFully(descriptor, head, 0, path);
  const length = Number(head.readBigUInt64LE());
  if (isPickle(head)) refuse(PICKLE);
  if (length > MOST_HEADER) refuse('it does not begin as such a file does');
  const start = LENGTH_BYTES + length;
  if (start > size) refuse(`its header has ${length} bytes, and the file ends after ${size}`);
  const text = Buffer.alloc(length);
  readFully(descriptor, text, LENGTH_BYTES, path);
  const entries = Object.entries(parseHeader(text));
  const places = entries
    .filter(([name]) => name !== METADATA)
    .map(([name, entry]) => placeOf(name, entry))
    .sort((a, b) => a.begin - b.begin || a.end - b.end);
  checkPlaces(places, size - start);
  return { places, metadata: metadataOf(entries.find(([name]) => name === METADATA)?.[1]), start };
}

/** `torch.save` writes a zip file of pickled objects, or in old versions one such object. */
const isPickle = (head: Buffer): boolean =>
  head.subarray(0, 4).toString('latin1') === 'PK\x03\x04' || head.readUInt16LE() === 0x0280;

const PICKLE =
  'it looks like one of `torch.save`, which may hold programs; `safetensors.torch.save_file(model.state_dict(), FILE)` writes a safe one';

function parseHeader(text: Buffer): Readonly<Record<string, unknown>> {
  const header: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(text));
  return isRecord(header) ? header : refuse('its header is not an object');
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) >= 0;

const isDtype = (value: unknown): value is Dtype =>
  typeof value === 'string' && Object.hasOwn(bytesOfDtype, value);

function placeOf(name: string, entry: unknown): Place {
  const {
    dtype,
    shape,
    data_offsets: offsets,
  }: Readonly<Record<string, unknown>> = isRecord(entry) ? entry : {};
  if (!isDtype(dtype)) return refuse(`\`${name}\` has the type ${String(dtype)}, which is not supported`);
  if (!Array.isArray(shape) || !shape.every(isCount)) return refuse(`\`${name}\` has no shape`);
  const [begin, end]: readonly unknown[] = Array.isArray(offsets) && offsets.length === 2 ? offsets : [];
  if (!isCount(begin) || !isCount(end)) return refuse(`\`${name}\` has no place`);
  if (end - begin !== product(shape) * bytesOfDtype[dtype])
    return refuse(`\`${name}\` takes ${end - begin} bytes, and its shape says otherwise`);
  return { name, dtype, dims: shape, begin, end };
}

/** No gap, no overlap, nothing before or after. */
function checkPlaces(places: readonly Place[], bytes: number): void {
  let reached = 0;
  for (const { name, begin, end } of places) {
    if (begin !== reached) refuse(`\`${name}\` does not begin where the tensor before it ends`);
    reached = end;
  }
  if (reached !== bytes) refuse(`its tensors take ${reached} bytes, and it has ${bytes}`);
}

function metadataOf(value: unknown): Map<string, string> {
  if (value === undefined) return new Map();
  if (!isRecord(value)) return refuse('its metadata is not an object');
  return new Map(
    Object.entries(value).map(([key, text]): [string, string] =>
      typeof text === 'string' ? [key, text] : refuse('its metadata holds something else than texts'),
    ),
  );
}
