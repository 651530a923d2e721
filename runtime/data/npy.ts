/**
 * NPY files of NumPy: a header as text, then the numbers as they are, so any part is read by position.
 * https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
 */
import { diagnose, failure, fault, type Result, success } from '../../ir/diagnostics/diagnostic.ts';
import { readFully } from '../files/read-fully.ts';
import { reasonOf } from '../files/reason.ts';
import type { Element } from './element.ts';
import { stateOf, withFile } from './file-state.ts';
import { type Raster, rasterBytes } from './raster.ts';

const MAGIC = '\x93NUMPY';
const MOST_HEADER = 2 ** 20;

/** Little-endian, as all machines that Node.js runs on; truth values are 0 and 1. */
const elements: Readonly<Record<string, Element>> = { '|u1': 'u8', '|b1': 'u8', '<u2': 'u16', '<f4': 'f32' };

/**
 * An array `[rows, columns]` or `[rows, columns, channels]` as an image. Errors: `image-unreadable`,
 * `image-format-unknown`.
 */
export function openNpy(source: string): Result<Raster> {
  const unreadable = (reason: string): Result<never> =>
    failure(diagnose(fault('image-unreadable', { file: source, reason })));
  try {
    const state = stateOf(source);
    const { header, offset, size } = readHeader(source, state);
    const [, type = ''] = /'descr'\s*:\s*'([^']*)'/.exec(header) ?? [];
    const [, shape = ''] = /'shape'\s*:\s*\(([^)]*)\)/.exec(header) ?? [];
    const sizes = shape.split(',').flatMap((part) => (part.trim() === '' ? [] : [Number(part)]));
    const element = elements[type];
    if (element === undefined)
      return failure(diagnose(fault('image-format-unknown', { file: source, depth: type || 'structured' })));
    if (!/'fortran_order'\s*:\s*False/.test(header)) return unreadable('its columns come before its rows');
    const [height = 0, width = 0, channels = 1] = sizes;
    const fits = sizes.length === 2 || sizes.length === 3;
    if (!fits || !sizes.every((one) => Number.isSafeInteger(one) && one > 0))
      return unreadable(`its shape is (${shape}), not (rows, columns) or (rows, columns, channels)`);
    const raster: Raster = {
      ...{ source, path: source, state, form: 'rows', offset },
      ...{ width, height, channels, element },
    };
    const bytes = rasterBytes(raster) + offset;
    return bytes > size ? unreadable(`it has ${size} of ${bytes} bytes`) : success(raster);
  } catch (error) {
    return unreadable(reasonOf(error));
  }
}

type Header = { readonly header: string; readonly offset: number; readonly size: number };

function readHeader(path: string, state: string): Header {
  return withFile(path, state, ({ descriptor, size }) => {
    const start = Buffer.alloc(12);
    if (size >= start.length) readFully(descriptor, start, 0, path);
    if (start.toString('latin1', 0, MAGIC.length) !== MAGIC)
      throw new Error('it does not begin as an NPY file');
    const [begin, length] = start[6] === 1 ? [10, start.readUInt16LE(8)] : [12, start.readUInt32LE(8)];
    if (length > MOST_HEADER || begin + length > size) throw new Error('its header is not complete');
    const text = Buffer.alloc(length);
    readFully(descriptor, text, begin, path);
    return { header: text.toString('latin1'), offset: begin + length, size };
  });
}
