/**
 * A PNG file that is written row by row, so that a mask of any size takes the memory of a few rows.
 * PNG specification, third edition (W3C 2025): chunks in 5.3, filters in 9.2, image data in 10.
 */
import { crc32, createDeflate, type Deflate } from 'node:zlib';
import { diagnose, failure, fault, type Result, success } from '../../ir/diagnostics/diagnostic.ts';
import { reasonOf } from './reason.ts';
import { type OpenFile, openSafely, writeFully } from './write-safely.ts';

export type PngLayout = {
  readonly width: number;
  readonly height: number;
  /** 1: gray, 3: RGB; 8 bits each. */
  readonly channels: 1 | 3;
};

export type PngWriter = {
  /** Adds whole rows `[rows, width, channels]`, top to bottom. */
  readonly push: (rows: Uint8Array) => Promise<Result<undefined>>;
  /** Completes the file; before, nothing is there under its name. */
  readonly close: () => Promise<Result<undefined>>;
  /** Gives up and removes what was written. */
  readonly abandon: () => void;
};

const SIGNATURE = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);

/** Colour types of the format. */
const colourTypes = { 1: 0, 3: 2 } as const;

/** Each row is stored as differences to the row above (filter type 2): masks become mostly zeros. */
const UP = 2;

/** Begins a file. Errors, here and in the writer: `write-failed`. */
export function createPng(path: string, layout: PngLayout): Result<PngWriter> {
  let file: OpenFile | undefined;
  try {
    file = openSafely(path);
    writeFully(file.descriptor, SIGNATURE);
    writeChunk(file.descriptor, 'IHDR', headerOf(layout));
    return success(writerTo(path, file, layout));
  } catch (error) {
    file?.abandon();
    return writeFailed(path, error);
  }
}

/** A whole picture at once, `[height, width, channels]`. Errors: `write-failed`. */
export async function writePicture(
  path: string,
  layout: PngLayout,
  pixels: Uint8Array,
): Promise<Result<undefined>> {
  const writer = createPng(path, layout);
  if (!writer.ok) return writer;
  const pushed = await writer.value.push(pixels);
  return pushed.ok ? writer.value.close() : pushed;
}

const writeFailed = (file: string, error: unknown): Result<never> =>
  failure(diagnose(fault('write-failed', { file, reason: reasonOf(error) })));

function headerOf({ width, height, channels }: PngLayout): Uint8Array {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header[8] = 8;
  header[9] = colourTypes[channels];
  return header;
}

/** Length, name, bytes, check sum of name and bytes. */
function writeChunk(descriptor: number, name: string, bytes: Uint8Array): void {
  const head = Buffer.alloc(8);
  head.writeUInt32BE(bytes.length, 0);
  head.write(name, 4, 'latin1');
  const tail = Buffer.alloc(4);
  tail.writeUInt32BE(crc32(bytes, crc32(head.subarray(4))), 0);
  for (const part of [head, bytes, tail]) writeFully(descriptor, part);
}

function writerTo(path: string, file: OpenFile, layout: PngLayout): PngWriter {
  const { descriptor } = file;
  const deflate = createDeflate({ level: 6 });
  const problem = forward(deflate, descriptor);
  const stride = layout.width * layout.channels;
  let above = new Uint8Array(stride);
  let written = 0;
  const guarded = async (work: () => Promise<void>): Promise<Result<undefined>> => {
    try {
      await work();
      const error = problem();
      if (error !== undefined) throw error;
      return success(undefined);
    } catch (error) {
      abandon();
      return writeFailed(path, error);
    }
  };
  const abandon = (): void => {
    deflate.destroy();
    file.abandon();
  };
  return {
    push: (rows) => {
      if (rows.length % stride !== 0) throw new RangeError(`${rows.length} bytes for rows of ${stride}`);
      written += rows.length / stride;
      if (written > layout.height) throw new RangeError(`${written} rows for ${layout.height}`);
      return guarded(async () => {
        await feed(deflate, filtered(rows, above, stride));
        if (rows.length > 0) above = rows.slice(rows.length - stride);
      });
    },
    close: () => {
      if (written !== layout.height) throw new RangeError(`${written} rows instead of ${layout.height}`);
      return guarded(async () => {
        await finish(deflate);
        writeChunk(descriptor, 'IEND', new Uint8Array());
        file.commit();
      });
    },
    abandon,
  };
}

/** Sends compressed bytes to the file as they come; gives the first error there was. */
function forward(deflate: Deflate, descriptor: number): () => unknown {
  let problem: unknown;
  deflate.on('error', (error) => {
    problem ??= error;
  });
  deflate.on('data', (bytes: Uint8Array) => {
    if (problem !== undefined) return;
    try {
      writeChunk(descriptor, 'IDAT', bytes);
    } catch (error) {
      problem = error;
    }
  });
  return () => problem;
}

/** Resolves when the bytes are compressed, so that no more than one piece waits. */
const feed = (deflate: Deflate, bytes: Uint8Array): Promise<void> =>
  new Promise((resolve, reject) => {
    deflate.write(bytes, (error) => (error ? reject(error) : resolve()));
  });

const finish = (deflate: Deflate): Promise<void> =>
  new Promise((resolve, reject) => {
    deflate.once('end', resolve);
    deflate.once('error', reject);
    deflate.end();
  });

/** Rows with the filter's number before each; `above` is the row before the first. */
function filtered(rows: Uint8Array, above: Uint8Array, stride: number): Uint8Array {
  const count = rows.length / stride;
  const out = new Uint8Array(count * (stride + 1));
  for (let row = 0; row < count; row++) {
    const [from, to] = [row * stride, row * (stride + 1)];
    out[to] = UP;
    for (let i = 0; i < stride; i++) {
      const up = row === 0 ? above[i] : rows[from - stride + i];
      out[to + 1 + i] = (rows[from + i] ?? 0) - (up ?? 0);
    }
  }
  return out;
}
